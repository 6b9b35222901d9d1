"""Outgoing requests over pooled connections.

`request` reads an answer whole, `stream` hands out its body as it comes (watch), `upgrade` gives the raw bytes after
`101 Switching Protocols`. A request that finds its pooled connection closed by the server is sent again once on a new
one, if it is idempotent or nothing of it was sent.

Path: 1 a client builds and sends the request. Upstream: net/http (Transport, persistConn).
"""

import asyncio
import dataclasses
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Self

from pybernetes.aio import clock as clocks
from pybernetes.aio import deadline
from pybernetes.http import client_connection, errors, messages, stream

_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
_IDLE_PER_ORIGIN = 64
_IDLE_TIMEOUT = 90.0

NOWHERE = "/nonexistent"
"""A `unix_path` for those who must reach nobody."""

_CERTIFICATE = {
    10: "certificate has expired or is not yet valid",
    9: "certificate has expired or is not yet valid",
    62: "certificate is not valid for any names, but wanted to match {name}",
    64: "certificate is not valid for any names, but wanted to match {name}",
    **dict.fromkeys((2, 18, 19, 20, 21), "certificate signed by unknown authority"),
}
"""What OpenSSL's codes mean."""

ContextFactory = Callable[[], ssl.SSLContext]
HeaderList = list[tuple[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class ClientResponse:
    """An answer, read whole."""

    status: int
    headers: messages.Headers
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Upgraded:
    """A connection that has switched protocols."""

    headers: messages.Headers
    stream: stream.UpgradedStream


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Connections to the same origin can serve each other's requests."""

    tls: bool
    host: str
    port: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Call:
    """One request, ready to be sent."""

    method: str
    origin: Origin
    data: bytes


def split_url(url: str) -> tuple[Origin, str, str]:
    """Origin, Host header and request target of an http or https URL (the target as it is: already escaped)."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("http", "https"):
        raise ValueError(f"not an http URL: {url!r}")
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = rest[:cut], rest[cut:].partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    host, _, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not host:
        host, port = authority, ""
    if not (url.isascii() and url.isprintable()) or " " in url or (port and not port.isdigit()) or not host:
        raise ValueError(f"malformed URL: {url!r}")
    tls = scheme == "https"
    return Origin(tls, host.strip("[]"), int(port) if port else 443 if tls else 80), authority, target


def _prepare(method: str, url: str, headers: HeaderList | None, body: bytes) -> _Call:
    origin, authority, target = split_url(url)
    fields = [] if headers is None else headers
    lines = [f"{method} {target} HTTP/1.1\r\n"]
    if not any(name.lower() == "host" for name, _ in fields):
        lines.append(f"Host: {authority}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in fields]
    if body or method in _WITH_BODY:
        lines.append(f"Content-Length: {len(body)}\r\n")
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise ValueError("line break in a request header")
    return _Call(method, origin, b"%b\r\n%b" % (text.encode("utf-8"), body))


class HttpClient:
    """Sends requests; keeps idle connections.

    `tls` makes the context for https (asked at each new connection, so that renewed certificates take effect);
    `server_name` is the name to verify where it is not the URL's host; with `unix_path` every connection goes to that
    socket, whatever the URL's host.
    """

    def __init__(
        self,
        tls: ContextFactory | ssl.SSLContext | None = None,
        *,
        clock: clocks.Clock,
        server_name: str | None = None,
        unix_path: str | None = None,
    ) -> None:
        self._context = tls
        self._clock = clock
        self._server_name = server_name
        self._unix_path = unix_path
        self._idle: dict[Origin, list[tuple[client_connection.ClientConnection, float]]] = {}
        self._open: set[client_connection.ClientConnection] = set()
        self._sweeper: clocks.Timer | None = None
        self._closed = False

    async def request(
        self,
        method: str,
        url: str,
        headers: HeaderList | None = None,
        body: bytes = b"",
        timeout: float | None = 30.0,
    ) -> ClientResponse:
        """Send, and read the whole answer; `timeout` is for all of it."""
        call = _prepare(method, url, headers, body)
        connection: client_connection.ClientConnection | None = None
        async with deadline.Deadline(self._clock, timeout, errors.ReadTimeout):
            connection, head = await self._send(call)
            try:
                data = await connection.read_all()
            finally:
                self._release(call.origin, connection)
        return ClientResponse(head.status, head.headers, data)

    async def stream(
        self,
        method: str,
        url: str,
        headers: HeaderList | None = None,
        body: bytes = b"",
        timeout: float | None = 30.0,
    ) -> "ClientStream":
        """Send, and return when the head of the answer is here (`timeout` is for that); the body comes as it comes."""
        call = _prepare(method, url, headers, body)
        async with deadline.Deadline(self._clock, timeout, errors.ReadTimeout):
            connection, head = await self._send(call)
        return ClientStream(head, connection, lambda: self._release(call.origin, connection))

    async def upgrade(
        self,
        method: str,
        url: str,
        headers: HeaderList | None = None,
        protocol: str = "websocket",
        timeout: float | None = 30.0,
    ) -> Upgraded:
        """Ask for another protocol; `UpgradeRefused` with the server's answer when it stays with HTTP."""
        fields = [*(headers or []), ("Connection", "Upgrade"), ("Upgrade", protocol)]
        call = _prepare(method, url, fields, b"")
        async with deadline.Deadline(self._clock, timeout, errors.ReadTimeout):
            connection, head = await self._send(call, fresh=True)
            if head.status == 101 and connection.stream is not None:
                return Upgraded(head.headers, connection.stream)
            try:
                data = await connection.read_all()
            finally:
                self._release(call.origin, connection)
        raise errors.UpgradeRefused(head.status, head.headers.items(), data)

    async def close(self) -> None:
        """Drop every connection."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.abort()

    # connections

    async def _send(
        self, call: _Call, *, fresh: bool = False
    ) -> tuple[client_connection.ClientConnection, client_connection.ResponseHead]:
        if self._closed:
            raise errors.ConnectError("the client is closed")
        pooled = None if fresh else self._take_idle(call.origin)
        connection = pooled or await self._connect(call.origin)
        try:
            return connection, await connection.exchange(call.method, call.data)
        except errors.ConnectionClosed:
            # the server closed an idle connection while we were about to use it
            if pooled is None or pooled.received or call.method not in _IDEMPOTENT:
                raise
        except BaseException:
            connection.abort()
            raise
        connection = await self._connect(call.origin)
        try:
            return connection, await connection.exchange(call.method, call.data)
        except BaseException:
            connection.abort()
            raise

    def _take_idle(self, origin: Origin) -> client_connection.ClientConnection | None:
        idle = self._idle.get(origin)
        while idle:
            connection, _ = idle.pop()
            if connection.usable:
                return connection
        return None

    async def _connect(self, origin: Origin) -> client_connection.ClientConnection:
        loop = asyncio.get_running_loop()
        context = None
        if origin.tls:
            if self._context is None:
                raise errors.ConnectError("https needs a TLS context")
            context = self._context if isinstance(self._context, ssl.SSLContext) else self._context()
        name = (self._server_name or origin.host) if context else None

        def made() -> client_connection.ClientConnection:
            return client_connection.ClientConnection(self._open.discard)

        try:
            if self._unix_path is not None:
                _, connection = await loop.create_unix_connection(
                    made, self._unix_path, ssl=context, server_hostname=name
                )
            else:
                _, connection = await loop.create_connection(
                    made, origin.host, origin.port, ssl=context, server_hostname=name
                )
        except OSError as error:  # ssl.SSLError is one too
            raise errors.ConnectError(self._problem(origin, name or "", error)) from error
        if self._closed:
            connection.abort()
            raise errors.ConnectError("the client is closed")
        self._open.add(connection)
        return connection

    def _problem(self, origin: Origin, name: str, error: OSError) -> str:
        """Why there is no connection, as Go tells it."""
        if isinstance(error, ssl.SSLCertVerificationError):
            text = _CERTIFICATE.get(error.verify_code, error.verify_message)
            return f"tls: failed to verify certificate: x509: {text.format(name=name)}"
        if isinstance(error, socket.gaierror):
            return f"dial tcp: lookup {origin.host}: no such host"
        where = f"unix {self._unix_path}" if self._unix_path else f"tcp {origin.host}:{origin.port}"
        text = os.strerror(error.errno).lower() if error.errno else str(error)
        return f"dial {where}: connect: {text}" if not isinstance(error, ssl.SSLError) else f"tls: {error.reason}"

    def _release(self, origin: Origin, connection: client_connection.ClientConnection) -> None:
        """Keep the connection for the next request if its answer was read to the end."""
        idle = self._idle.setdefault(origin, [])
        if self._closed or not connection.reusable or len(idle) >= _IDLE_PER_ORIGIN:
            connection.abort()
            return
        idle.append((connection, self._clock.monotonic()))
        if self._sweeper is None:
            self._sweeper = self._clock.call_later(_IDLE_TIMEOUT / 2, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for long."""
        self._sweeper = None
        oldest = self._clock.monotonic() - _IDLE_TIMEOUT
        for origin, idle in list(self._idle.items()):
            for connection, since in idle:
                if since < oldest:
                    connection.abort()
            kept = [entry for entry in idle if entry[1] >= oldest and entry[0].usable]
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]
        if self._idle and not self._closed:
            self._sweeper = self._clock.call_later(_IDLE_TIMEOUT / 2, self._sweep)


class ClientStream:
    """An answer whose body is read as it comes. Close it (or leave its `async with`) before its end to drop it."""

    def __init__(
        self,
        head: client_connection.ResponseHead,
        connection: client_connection.ClientConnection,
        release: Callable[[], None],
    ) -> None:
        self.status = head.status
        self.headers = head.headers
        self._connection = connection
        self._release: Callable[[], None] | None = release
        self._partial: list[bytes] = []

    async def read(self) -> bytes:
        """The next piece, as it came; empty at the end. `ConnectionClosed` when the body breaks off."""
        chunk = await self._connection.read()
        if not chunk:
            self.close()
        return chunk

    async def read_all(self) -> bytes:
        """The whole rest."""
        data = await self._connection.read_all()
        self.close()
        return data

    async def read_lines(self) -> list[bytes]:
        """All complete lines that are here, without their ends; waits for one. Empty at the end of the body."""
        while True:
            chunk = await self._connection.read()
            if not chunk:
                rest = b"".join(self._partial)
                self._partial = []
                self.close()
                return rest.split(b"\n") if rest else []
            pieces = [chunk, *self._connection.take()]
            if not any(b"\n" in piece for piece in pieces):
                self._partial += pieces
                continue
            lines = b"".join([*self._partial, *pieces]).split(b"\n")
            last = lines.pop()
            self._partial = [last] if last else []
            return lines

    async def lines(self) -> AsyncIterator[bytes]:
        """Line by line."""
        while lines := await self.read_lines():
            for line in lines:
                yield line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.read():
            yield chunk

    def close(self) -> None:
        """Done with it."""
        if self._release is not None:
            release, self._release = self._release, None
            release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
