"""WebSocket frames: making, masking, and the handshake's arithmetic.

Upstream: RFC 6455 sections 5 and 4.2.2. Pure.
"""

import base64
import hashlib
import os

from pybernetes.http import errors

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: str) -> str:
    """What the server answers to the client's key."""
    return base64.b64encode(hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()).decode("ascii")


def new_key() -> str:
    """A fresh client key."""
    return base64.b64encode(os.urandom(16)).decode("ascii")


def is_key(text: str) -> bool:
    """Is that 16 bytes in base64?"""
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except ValueError:
        return False


def mask(data: bytes, key: bytes) -> bytes:
    """XOR with the repeated key, as one big number: about a gigabyte a second."""
    size = len(data)
    if not size:
        return b""
    repeated = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


def frame(opcode: int, data: bytes, key: bytes | None, *, final: bool = True) -> bytes:
    """A frame; masked if there is a key (clients must, servers must not)."""
    size = len(data)
    first = (0x80 if final else 0) | opcode
    bit = 0x80 if key else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65536:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    return head + key + mask(data, key) if key else head + data


def close_payload(code: int, reason: str = "") -> bytes:
    """The payload of a close frame."""
    return code.to_bytes(2, "big") + reason.encode("utf-8")[:123]


def parse_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; 1005 when it has none."""
    if not payload:
        return 1005, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, 1005, 1006):
        raise errors.ProtocolError("malformed close frame")
    try:
        return code, payload[2:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.ProtocolError("malformed close frame") from error
