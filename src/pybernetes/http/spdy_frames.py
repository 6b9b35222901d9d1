"""SPDY/3.1 frames: making them, and the compressed header blocks.

Upstream: the SPDY Protocol draft 3.1 sections 2.2-2.6 (github.com/moby/spdystream/spdy). Pure.
"""

import struct
import zlib

from pybernetes.http import errors

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
DATA_LIMIT = 32 * 1024
CONTROL_LIMIT = 64 * 1024
_HEADERS_LIMIT = 256 * 1024

# the dictionary that both ends give to zlib (2.6.10.1): words with their length before them, then plain text
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow"
    " authorization cache-control connection content-base content-encoding content-language content-length"
    " content-location content-md5 content-range content-type date etag expect expires from host if-match"
    " if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma"
    " proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade"
    " user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie"
    " keep-alive origin"
)
_TEXT = (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    b"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    b"404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    b"Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    b"chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    b"publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _counted(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


DICTIONARY = b"".join(_counted(word.replace("_", " ").encode()) for word in _WORDS.split()) + _TEXT


class HeaderEncoder:
    """Header blocks of one direction; each depends on those before it."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(level=6, zdict=DICTIONARY)

    def encode(self, headers: dict[str, str]) -> bytes:
        """The compressed block."""
        pairs = [_counted(name.lower().encode()) + _counted(value.encode()) for name, value in headers.items()]
        block = struct.pack(">I", len(pairs)) + b"".join(pairs)
        return self._compressor.compress(block) + self._compressor.flush(zlib.Z_SYNC_FLUSH)


class HeaderDecoder:
    """Header blocks of the other direction."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(zdict=DICTIONARY)

    def decode(self, block: bytes) -> dict[str, str]:
        """Names (lower case) and values; `ProtocolError` when malformed or too large."""
        try:
            data = self._decompressor.decompress(block, _HEADERS_LIMIT)
        except zlib.error as error:
            raise errors.ProtocolError(f"malformed SPDY header block: {error}") from error
        if self._decompressor.unconsumed_tail:
            raise errors.ProtocolError("SPDY header block is too large")
        at = 0

        def take() -> bytes:
            nonlocal at
            (size,) = struct.unpack_from(">I", data, at)
            at += 4 + size
            if at > len(data):
                raise errors.ProtocolError("malformed SPDY header block")
            return data[at - size : at]

        try:
            (count,) = struct.unpack_from(">I", data)
            at = 4
            return {take().decode(): take().decode() for _ in range(count)}
        except (struct.error, UnicodeDecodeError) as error:
            raise errors.ProtocolError("malformed SPDY header block") from error


def control(kind: int, flags: int, payload: bytes) -> bytes:
    """A control frame."""
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(payload)) + payload


def data(stream_id: int, payload: bytes, *, fin: bool = False) -> bytes:
    """A data frame."""
    return struct.pack(">II", stream_id, (FIN if fin else 0) << 24 | len(payload)) + payload


def syn_stream(stream_id: int, block: bytes) -> bytes:
    """Open a stream."""
    return control(SYN_STREAM, 0, struct.pack(">IIBB", stream_id, 0, 0, 0) + block)


def syn_reply(stream_id: int, block: bytes) -> bytes:
    """Accept a stream."""
    return control(SYN_REPLY, 0, struct.pack(">I", stream_id) + block)


def rst_stream(stream_id: int, status: int) -> bytes:
    """End a stream in both directions."""
    return control(RST_STREAM, 0, struct.pack(">II", stream_id, status))


def ping(identity: int) -> bytes:
    """Ask for, or give, a sign of life."""
    return control(PING, 0, struct.pack(">I", identity))


def goaway(last_good: int) -> bytes:
    """No more streams."""
    return control(GOAWAY, 0, struct.pack(">II", last_good, 0))
