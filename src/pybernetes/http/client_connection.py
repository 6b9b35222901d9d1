"""One outgoing connection: a request goes out, its answer comes back piece by piece.

    FREE --exchange--> WAITING --headers complete--> READING --message complete--> FREE
    WAITING --101--> the transport belongs to a `TransportStream` (`stream`)
    any state --connection lost--> the waiting call raises `ConnectionClosed`

Upstream: net/http (persistConn.readLoop).
"""

import asyncio
import collections
import dataclasses
from collections.abc import Callable
from typing import Any

import httptools

from pybernetes.http import errors, messages, stream

_HIGH_WATER = 256 * 1024
_LOW_WATER = 64 * 1024
_HEAD_LIMIT = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status and headers; the body is still to come."""

    status: int
    headers: messages.Headers


class ClientConnection(asyncio.Protocol):
    """The client's end of one connection."""

    transport: asyncio.Transport

    def __init__(self, on_lost: Callable[["ClientConnection"], None]) -> None:
        self._on_lost = on_lost
        self._parser: Any = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._failure: errors.HttpError | None = None
        self._tls = False
        self.stream: stream.TransportStream | None = None
        self.received = False
        """Has anything of the present answer arrived?"""
        self._reset("")

    def _reset(self, method: str) -> None:
        self._method = method
        self._raw: list[tuple[bytes, bytes]] = []
        self._fed = 0
        self._head: ResponseHead | None = None
        self._chunks: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._read_paused = False
        self._complete = False
        self._keep_alive = False
        self._until_end = False
        self.received = False

    # the caller's side

    @property
    def reusable(self) -> bool:
        """May another request go out on this connection?"""
        return self._complete and self._keep_alive and self.usable

    @property
    def usable(self) -> bool:
        """Is the connection open as far as known?"""
        return self._failure is None and self.stream is None and not self.transport.is_closing()

    async def exchange(self, method: str, data: bytes) -> ResponseHead:
        """Send a request and wait for the head of its answer."""
        self._reset(method)
        self.transport.write(data)
        while self._head is None:
            if self._failure is not None:
                raise self._failure
            await self._wait()
        return self._head

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end."""
        while not self._chunks:
            if self._complete:
                return b""
            if self._failure is not None:
                raise self._failure
            await self._wait()
        chunk = self._chunks.popleft()
        self._size -= len(chunk)
        if self._read_paused and self._size < _LOW_WATER:
            self._read_paused = False
            self.transport.resume_reading()
        return chunk

    def take(self) -> list[bytes]:
        """All pieces of the body that are here now."""
        chunks = list(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._read_paused:
            self._read_paused = False
            self.transport.resume_reading()
        return chunks

    async def read_all(self) -> bytes:
        """The whole rest of the body."""
        parts = []
        while chunk := await self.read():
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def abort(self) -> None:
        """Drop the connection."""
        if self._failure is None:
            self._failure = errors.ConnectionClosed("closed by us")
        self.transport.abort()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = transport  # type: ignore[assignment]
        self._tls = transport.get_extra_info("ssl_object") is not None

    def data_received(self, data: bytes) -> None:
        """Parse the answer."""
        if not self._method or self._complete:  # nothing was asked: the server says good-bye, or is confused
            self.abort()
            return
        self.received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.stream = stream.TransportStream.take_over(
                self.transport, data[upgrade.args[0] :], tls=self._tls, on_lost=self.connection_lost
            )
            self._wake()
        except httptools.HttpParserError as error:
            self._fail(errors.ProtocolError(f"malformed HTTP response: {error}"))
            self.transport.abort()
        else:
            if self._head is None:
                self._fed += len(data)
                if self._fed > _HEAD_LIMIT:
                    self._fail(errors.ProtocolError("response head is too large"))
                    self.transport.abort()

    def eof_received(self) -> None:
        """The server has closed; the transport closes too."""
        self._ended()

    def connection_lost(self, error: Exception | None) -> None:
        """Gone."""
        self._ended()
        if self._failure is None:
            self._failure = errors.ConnectionClosed(str(error or "connection closed"))
        self._parser = None
        self._on_lost(self)
        self._wake()

    def _ended(self) -> None:
        if self._head is not None and self._until_end:
            self._complete = True
            self._wake()
        elif self._method and not self._complete:
            self._fail(errors.ConnectionClosed("server closed the connection before the end of its answer"))

    def _fail(self, failure: errors.HttpError) -> None:
        if self._failure is None:
            self._failure = failure
        self._wake()

    # the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser: one header field (or trailer field: those are dropped)."""
        self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        """Parser: the head is whole."""
        raw, self._raw = self._raw, []
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return  # an interim answer (100 Continue): the real one follows
        headers = messages.Headers(raw)
        self._keep_alive = self._parser.should_keep_alive()
        self._until_end = not ("content-length" in headers or "transfer-encoding" in headers)
        if self._method == "HEAD":
            self._complete, self._keep_alive = True, False  # the parser would wait for the body that is not coming
        self._head = ResponseHead(status, headers)
        self._wake()

    def on_body(self, data: bytes) -> None:
        """Parser: a part of the body."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size > _HIGH_WATER and not self._read_paused:
            self._read_paused = True
            self.transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """Parser: the answer is whole."""
        if self._head is not None:
            self._complete = True
            self._wake()
