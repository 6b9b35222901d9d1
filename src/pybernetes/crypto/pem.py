"""PEM: the blocks in a text, and a block as text.

What is no block is passed over, as Go does. Upstream: encoding/pem.
"""

import base64
import binascii
import dataclasses
import re
from collections.abc import Iterator

_BLOCK = re.compile(rb"^-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)^-----END \1-----[ \t\r]*$", re.DOTALL | re.MULTILINE)
_HEADERS = re.compile(rb"(?:[^\n]*:[^\n]*(?:\n|\Z))+")


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """The word in its first and last line, whether it has headers, its content."""

    type: str
    headers: bool
    content: bytes


def blocks(text: bytes) -> Iterator[Block]:
    """The blocks in a text."""
    for found in _BLOCK.finditer(text):
        headers = _HEADERS.match(found[2])
        body = found[2][headers.end() :] if headers else found[2]
        try:
            content = base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error:
            continue
        yield Block(found[1].decode(errors="replace"), headers is not None, content)


def encode(kind: str, content: bytes) -> bytes:
    """One block, without headers."""
    text = base64.b64encode(content).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", "")).encode()
