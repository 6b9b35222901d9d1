"""How a request reaches an API server: over HTTP, or in process without a socket, behind the same four methods.

The in-process transport hands the server's handler an ordinary request with the caller's certificate or token in it:
authentication, authorization and admission happen as for everybody else.

    TransportError            no answer was received (refused, reset, timed out)

Path: 1 a client builds and sends the request. Upstream: client-go/transport, client-go/rest.
"""

import asyncio
import base64
import collections
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Protocol
from urllib import parse

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.client import credentials
from pybernetes.http import client as http_client
from pybernetes.http import errors as http_errors
from pybernetes.http import messages, stream

Query = Iterable[tuple[str, str]]
Headers = Mapping[str, str] | Sequence[tuple[str, str]]

_STREAM_WINDOW = 1024 * 1024
_KNOWN_HEADERS = 64
_PLAIN = re.compile(r"[\w.~-]*", re.ASCII).fullmatch
"""What a query may hold that need not be escaped: most do."""


class TransportError(Exception):
    """No (complete) answer was received; whether the request had its effect is not known."""


class TransportResponse(msgspec.Struct, frozen=True):
    """An answer, whatever its status."""

    status: int
    headers: messages.Headers
    body: bytes


class Stream(Protocol):
    """An answer that comes line by line (watch, log)."""

    status: int
    headers: messages.Headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The lines, without their ends."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""

    async def read(self) -> bytes:
        """The whole rest of the body."""

    async def close(self) -> None:
        """Want no more of it."""


class Transport(Protocol):
    """The four ways to speak to a server; none of them raises on an HTTP status."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Headers | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> TransportResponse:
        """Send and read the whole answer."""

    async def stream(
        self, method: str, path: str, *, query: Query | None = None, headers: Headers | None = None
    ) -> Stream:
        """Send and read the answer line by line."""

    async def upgrade(
        self, path: str, *, query: Query | None = None, subprotocols: Sequence[str] = ()
    ) -> http_client.Upgraded:
        """Ask for a WebSocket with one of those subprotocols: the answer's headers and the raw connection.

        `http.errors.UpgradeRefused` when the server answers with anything else.
        """

    async def close(self) -> None:
        """Give up all connections."""


def target(path: str, query: Query | None) -> str:
    """Path and query as they stand in a request line."""
    pairs = tuple(query or ())
    if not pairs:
        return path
    plain = _PLAIN("".join(map("".join, pairs)))
    return f"{path}?{'&'.join(map('='.join, pairs)) if plain else parse.urlencode(pairs)}"


def _pairs(headers: Headers | None) -> list[tuple[str, str]]:
    if not headers:
        return []
    return list(headers.items() if isinstance(headers, Mapping) else headers)


class HttpStream:
    """A streamed answer over HTTP."""

    def __init__(self, source: http_client.ClientStream) -> None:
        self.status = source.status
        self.headers = source.headers
        self._source = source

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for line in self._source.lines():
                if line:
                    yield line
        except http_errors.HttpError as error:
            raise TransportError(str(error)) from error

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        try:
            async for chunk in self._source:
                yield chunk
        except http_errors.HttpError as error:
            raise TransportError(str(error)) from error

    async def read(self) -> bytes:
        """The whole rest of the body."""
        try:
            return await self._source.read_all()
        except http_errors.HttpError as error:
            raise TransportError(str(error)) from error

    async def close(self) -> None:
        """Want no more of it."""
        self._source.close()


class HttpTransport:
    """Requests over pooled connections, with the credentials of one caller."""

    def __init__(self, caller: credentials.Credentials, clock: clocks.Clock) -> None:
        self.credentials = caller
        self._identity = credentials.Identity(caller, clock)
        self._base = caller.server.rstrip("/")
        context = self._identity.context if self._base.startswith("https:") else None
        self._client = http_client.HttpClient(context, clock=clock, server_name=caller.server_name or None)

    def _headers(self, headers: Headers | None) -> list[tuple[str, str]]:
        pairs = _pairs(headers)
        pairs += self._identity.headers().items()
        pairs += (("Impersonate-Group", group) for group in self.credentials.impersonate_groups)
        return pairs

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Headers | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> TransportResponse:
        """Send and read the whole answer."""
        url = self._base + target(path, query)
        try:
            answer = await self._client.request(method, url, self._headers(headers), body, timeout)
        except (http_errors.HttpError, OSError) as error:
            raise TransportError(f'{method.title()} "{url}": {error}') from error
        if answer.status == 401:
            self._identity.refused()
        return TransportResponse(answer.status, answer.headers, answer.body)

    async def stream(
        self, method: str, path: str, *, query: Query | None = None, headers: Headers | None = None
    ) -> Stream:
        """Send and read the answer bit by bit."""
        url = self._base + target(path, query)
        try:
            return HttpStream(await self._client.stream(method, url, self._headers(headers)))
        except (http_errors.HttpError, OSError) as error:
            raise TransportError(f'{method.title()} "{url}": {error}') from error

    async def upgrade(
        self, path: str, *, query: Query | None = None, subprotocols: Sequence[str] = ()
    ) -> http_client.Upgraded:
        """Ask for a WebSocket."""
        url = self._base + target(path, query)
        headers = self._headers(_websocket_headers(subprotocols))
        try:
            return await self._client.upgrade("GET", url, headers)
        except http_errors.UpgradeRefused:
            raise
        except (http_errors.HttpError, OSError) as error:
            raise TransportError(f'Get "{url}": {error}') from error

    async def close(self) -> None:
        """Give up all connections."""
        await self._client.close()


def _websocket_headers(subprotocols: Sequence[str]) -> list[tuple[str, str]]:
    headers = [
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode("ascii")),
    ]
    if subprotocols:
        headers.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    return headers


class MemoryStream:
    """A streamed answer in process: the server's `run` writes into it from a task of its own."""

    def __init__(self, answer: messages.StreamResponse) -> None:
        self.status = answer.status
        self.headers = messages.Headers.of(answer.headers)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pieces: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._failure: Exception | None = None
        self._group = tasks.TaskGroup("in-process stream")
        self._group.start(self._run(answer), "body")

    async def _run(self, answer: messages.StreamResponse) -> None:
        try:
            await answer.run(self)
        except Exception as failure:
            self._failure = failure
            raise
        finally:
            self._end()

    def _end(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._changed.set()
        self._room.set()

    def write_nowait(self, data: bytes) -> bool:
        """The server's side: hand over a piece."""
        if self.closed.done():
            return False
        self._pieces.append(data)
        self._size += len(data)
        self._changed.set()
        if self._size > _STREAM_WINDOW:
            self._room.clear()
            return False
        return True

    async def write(self, data: bytes) -> None:
        """The server's side: hand over a piece and wait for room."""
        self.write_nowait(data)
        await self.drain()

    async def drain(self) -> None:
        """The server's side: wait for room."""
        await self._room.wait()
        if self.closed.done():
            raise http_errors.ConnectionClosed("the reader is gone")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while True:
            while not self._pieces:
                if self.closed.done():
                    self._check()
                    return
                self._changed.clear()
                await self._changed.wait()
            pieces = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._room.set()
            yield pieces

    def _check(self) -> None:
        """A `run` that failed has cut the body short."""
        if self._failure is not None:
            text = f"the server failed in the middle of its answer: {self._failure}"
            raise TransportError(text) from self._failure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line:
                    yield line
        if rest:
            yield rest

    async def read(self) -> bytes:
        """The whole rest of the body."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def close(self) -> None:
        """Want no more of it: the server's `run` is cancelled."""
        self._end()
        await self._group.cancel()


class _FinishedStream:
    """An answer that was complete at once, read as a stream."""

    def __init__(self, answer: TransportResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._body = answer.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for line in self._body.split(b"\n"):
            if line:
                yield line

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body

    async def read(self) -> bytes:
        return self._body

    async def close(self) -> None:
        pass


class InProcessTransport:
    """Requests handed straight to a server's handler, from one peer with its certificate (DER) or headers (a token)."""

    def __init__(
        self, handler: messages.Handler, *, headers: Headers | None = None, client_certificate: bytes | None = None
    ) -> None:
        self._handler = handler
        self._own_headers = _pairs(headers)
        self._connection = messages.ConnectionInfo(
            ("127.0.0.1", 0), local=("127.0.0.1", 443), tls=True, load_certificate=lambda: client_certificate
        )
        # a caller sends the same few headers again and again; what the server derives from them it keeps in their state
        self._headers: dict[tuple[tuple[str, str], ...], messages.Headers] = {}
        self._streams: dict[MemoryStream, None] = {}
        self._upgrades: list[tasks.TaskGroup] = []

    async def _send(
        self, method: str, path: str, query: Query | None, headers: Sequence[tuple[str, str]], body: bytes
    ) -> messages.AnyResponse:
        fields = (*headers, *self._own_headers)
        known = self._headers.get(fields)
        if known is None:
            if len(self._headers) >= _KNOWN_HEADERS:
                self._headers.clear()
            known = self._headers[fields] = messages.Headers.of(fields)
        request = messages.Request(method, target(path, query), known, body, self._connection)
        return await self._handler(request)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Headers | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> TransportResponse:
        """Have the handler answer; a body that comes as a stream is read to its end."""
        answer = await self._send(method, path, query, _pairs(headers), body)
        if isinstance(answer, messages.StreamResponse):
            source = MemoryStream(answer)
            try:
                return TransportResponse(answer.status, source.headers, await source.read())
            finally:
                await source.close()
        return _complete(answer)

    async def stream(
        self, method: str, path: str, *, query: Query | None = None, headers: Headers | None = None
    ) -> Stream:
        """Have the handler answer bit by bit."""
        answer = await self._send(method, path, query, _pairs(headers), b"")
        if isinstance(answer, messages.StreamResponse):
            source = MemoryStream(answer)
            self._streams[source] = None
            source.closed.add_done_callback(lambda _: self._streams.pop(source, None))
            return source
        return _FinishedStream(_complete(answer))

    async def upgrade(
        self, path: str, *, query: Query | None = None, subprotocols: Sequence[str] = ()
    ) -> http_client.Upgraded:
        """Have the handler take over one end of a pair of streams."""
        headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), *_websocket_headers(subprotocols)]
        answer = await self._send("GET", path, query, headers, b"")
        if not isinstance(answer, messages.UpgradeResponse):
            whole = _complete(answer) if isinstance(answer, messages.Response) else None
            body = whole.body if whole else b""
            raise http_errors.UpgradeRefused(answer.status, answer.headers, body)
        ours, theirs = stream.pipe()
        group = tasks.TaskGroup("in-process upgrade")
        group.start(_run_upgrade(answer, theirs), path)
        self._upgrades = [*(one for one in self._upgrades if len(one)), group]
        return http_client.Upgraded(messages.Headers.of(answer.headers), ours)

    async def close(self) -> None:
        """End all streams."""
        for one in [*self._streams]:
            await one.close()
        for group in self._upgrades:
            await group.cancel()


async def _run_upgrade(answer: messages.UpgradeResponse, theirs: stream.MemoryStream) -> None:
    try:
        await answer.run(theirs)
    finally:
        theirs.close()


def _complete(answer: messages.AnyResponse) -> TransportResponse:
    if not isinstance(answer, messages.Response):
        raise TransportError(f"unexpected answer {answer!r}")
    body = b"".join(answer.body) if isinstance(answer.body, list) else answer.body
    return TransportResponse(answer.status, messages.Headers.of(answer.headers), body)
