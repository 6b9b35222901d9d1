"""The load generator's HTTP client: kept TLS connections, one request at a time on each, answers counted not parsed."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools


class ClosedError(Exception):
    """The server closed a connection in the middle of a request."""


class Connection(asyncio.Protocol):
    """One kept connection: request() for one answer, watch() for a stream whose newlines are counted."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None
        self._parts: list[bytes] = []
        self._lines: Callable[[int], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, since uvloop's TLS transport is no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ClosedError(str(exc or "closed")))

    def on_message_begin(self) -> None:
        self._parts = []

    def on_headers_complete(self) -> None:
        if self._lines is not None and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result((self._parser.get_status_code(), b""))

    def on_body(self, body: bytes) -> None:
        if self._lines is None:
            self._parts.append(body)
        else:
            self._lines(body.count(b"\n"))

    def on_message_complete(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result((self._parser.get_status_code(), b"".join(self._parts)))

    async def request(
        self, method: str, path: str, body: bytes = b"", content: str = "application/json", accept: str = ""
    ) -> tuple[int, bytes]:
        """Status code and body of one answer."""
        return await self._send(method, path, body, content, accept)

    async def watch(self, path: str, lines: Callable[[int], None]) -> int:
        """Opens a stream; `lines` is told how many events came with each piece. Returns the status code."""
        self._lines = lines
        status, _ = await self._send("GET", path, b"", "", "")
        return status

    async def _send(self, method: str, path: str, body: bytes, content: str, accept: str) -> tuple[int, bytes]:
        if self._transport is None or self._transport.is_closing():
            raise ClosedError("closed")
        head = f"{method} {path} HTTP/1.1\r\nAccept: {accept or 'application/json'}\r\n"
        if body:
            head += f"Content-Type: {content}\r\nContent-Length: {len(body)}\r\n"
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(b"".join((head.encode(), self._head, body)))
        return await self._waiter

    def close(self) -> None:
        """Drops the connection."""
        if self._transport is not None:
            self._transport.abort()


class Client:
    """Opens connections to one server with one token."""

    def __init__(self, url: str, ca: pathlib.Path, token: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 443
        self._context = ssl.create_default_context(cafile=str(ca))
        self._context.set_alpn_protocols(["http/1.1"])
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\nUser-Agent: peer\r\n\r\n".encode()

    async def connect(self) -> Connection:
        """One new connection."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(
            lambda: Connection(self._head), self._host, self._port, ssl=self._context
        )
        return protocol

    @contextlib.asynccontextmanager
    async def connections(self, count: int) -> AsyncIterator[list[Connection]]:
        """Several connections, dropped at the end."""
        opened: list[Connection] = []
        try:
            for _ in range(count):
                opened.append(await self.connect())
            yield opened
        finally:
            for one in opened:
                one.close()
