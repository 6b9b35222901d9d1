"""Requests and responses as the rest of the project sees them; no bytes on the wire here.

A handler is `async def handler(request) -> AnyResponse`: a `Response` is complete, a `StreamResponse` is written bit by
bit by its own `run`, an `UpgradeResponse` takes the connection over after `101 Switching Protocols`.

Path: 2 bytes become a request. Upstream: net/http (Request, ResponseWriter, Hijacker). Pure.
"""

import asyncio
import functools
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, Protocol

from pybernetes.http import stream

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Headers:
    """Header fields in order of arrival; names compare without case.

    A connection whose client repeats the same header block (keep-alive clients do) hands out the same `Headers` object
    again, so what is derived from headers may be remembered in `state`.
    """

    __slots__ = ("_index", "raw", "state")

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self.raw = raw
        self._index: dict[str, list[str]] | None = None
        self.state: dict[str, Any] = {}

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Headers":
        """Headers from text pairs."""
        return cls([(name.encode("latin-1"), value.encode("utf-8")) for name, value in pairs])

    def _indexed(self) -> dict[str, list[str]]:
        index = self._index
        if index is None:
            index = self._index = {}
            for name, value in self.raw:
                key = name.decode("latin-1").lower()
                text = value.decode("utf-8", "surrogateescape")
                if key in index:
                    index[key].append(text)
                else:
                    index[key] = [text]
        return index

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of that header."""
        index = self._index or self._indexed()
        values = index.get(name) or index.get(name.lower())
        return values[0] if values else default

    def get_all(self, name: str) -> list[str]:
        """Every value of that header, in order."""
        return self._indexed().get(name.lower(), [])

    def names(self) -> Iterable[str]:
        """The names present, in lower case."""
        return self._indexed().keys()

    def items(self) -> list[tuple[str, str]]:
        """All fields as text pairs, in order, names as they came."""
        return [(name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in self.raw]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._indexed()

    def __iter__(self) -> Iterator[str]:
        return iter(self._indexed())

    def __len__(self) -> int:
        return len(self.raw)

    def __repr__(self) -> str:
        return f"Headers({self.items()!r})"


class ConnectionInfo:
    """What is true for all requests of one connection.

    `state` belongs to whoever answers the requests: what it learns once about a peer (its identity) it may keep there.
    """

    __slots__ = ("_certificate", "_load_certificate", "local", "peer", "state", "tls")

    def __init__(
        self,
        peer: tuple[str, int] = ("", 0),
        *,
        local: tuple[str, int] = ("", 0),
        tls: bool = False,
        load_certificate: Callable[[], bytes | None] | None = None,
    ) -> None:
        self.peer = peer
        self.local = local
        self.tls = tls
        self.state: dict[str, Any] = {}
        self._load_certificate = load_certificate
        self._certificate: bytes | None = None

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate the client proved to hold, DER; asked of TLS once per connection."""
        if self._load_certificate is not None:
            load, self._load_certificate = self._load_certificate, None
            self._certificate = load()
        return self._certificate


class InvalidTarget(ValueError):
    """The request target is not a valid URL."""


class Request:
    """One request, its body read whole.

    `target` is what stood in the request line, `path` its percent-decoded path, `raw_query` what follows the `?`.
    """

    __slots__ = ("_query", "body", "connection", "headers", "method", "path", "raw_query", "state", "target")

    def __init__(self, method: str, target: str, headers: Headers, body: bytes, connection: ConnectionInfo) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.connection = connection
        self.state: dict[str, Any] = {}
        self._query: dict[str, list[str]] | None = None
        if not target.startswith("/"):
            target = _strip_authority(target)
        path, _, self.raw_query = target.partition("?")
        self.path = unescape_path(path) if "%" in path else path

    @property
    def query(self) -> dict[str, list[str]]:
        """The query parameters, every value of each, in order."""
        if self._query is None:
            self._query = parse_query(self.raw_query) if self.raw_query else {}
        return self._query

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target}>"


def _strip_authority(target: str) -> str:
    """The path and query of an absolute-form target (RFC 9112, 3.2.2); `*` and host:port pass unchanged."""
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return target
    for position, character in enumerate(rest):
        if character in "/?":
            return rest[position:] if character == "/" else "/" + rest[position:]
    return "/"


def unescape_path(path: str) -> str:
    """Percent-decode a path; `InvalidTarget` where net/http refuses it too."""
    if _BAD_ESCAPE.search(path):
        raise InvalidTarget(f"invalid URL escape in {path!r}")
    return urllib.parse.unquote(path, errors="surrogateescape")


def parse_query(text: str) -> dict[str, list[str]]:
    """Parse a query string as url.ParseQuery does: malformed parameters are left out, the others kept."""
    result: dict[str, list[str]] = {}
    for parameter in text.split("&"):
        if not parameter or ";" in parameter:
            continue
        key, _, value = parameter.partition("=")
        if "%" in parameter or "+" in parameter:
            if _BAD_ESCAPE.search(parameter):
                continue
            key, value = urllib.parse.unquote_plus(key), urllib.parse.unquote_plus(value)
        result.setdefault(key, []).append(value)
    return result


class Response:
    """A complete answer.

    `body` may be a list of pieces, written without joining. `raw_headers` is a block of finished header lines (each
    ending in CRLF) for callers that send the same ones again and again. With `compressible` a large body is gzipped for
    clients that accept it; `gzip_body` is that result made beforehand.
    """

    __slots__ = ("body", "compressible", "gzip_body", "headers", "raw_headers", "status")

    def __init__(
        self,
        status: int,
        headers: list[tuple[str, str]] | None = None,
        body: bytes | list[bytes] = b"",
        *,
        compressible: bool = False,
        raw_headers: bytes = b"",
        gzip_body: bytes | None = None,
    ) -> None:
        self.status = status
        self.headers = [] if headers is None else headers
        self.body = body
        self.compressible = compressible
        self.raw_headers = raw_headers
        self.gzip_body = gzip_body

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


class StreamWriter(Protocol):
    """Where a `StreamResponse` writes its body."""

    closed: "asyncio.Future[None]"
    """Done as soon as the reader is gone; never holds an exception."""

    def write_nowait(self, data: bytes) -> bool:
        """Hand over a piece; False when more is waiting than the reader takes (the piece is sent all the same)."""

    async def write(self, data: bytes) -> None:
        """Hand over a piece and wait until the reader has room again; `ConnectionClosed` when it is gone."""

    async def drain(self) -> None:
        """Wait until the reader has room."""


class StreamResponse:
    """An answer whose body is written over time (watch, log -f).

    `run(writer)` is awaited once the head is on its way; the body ends when it returns. It is cancelled when the client
    goes away and when the server stops. If it raises, the connection is cut: the client sees an incomplete body.
    """

    __slots__ = ("headers", "raw_headers", "run", "status")

    def __init__(
        self,
        status: int,
        headers: list[tuple[str, str]],
        run: Callable[[StreamWriter], Awaitable[None]],
        *,
        raw_headers: bytes = b"",
    ) -> None:
        self.status = status
        self.headers = headers
        self.run = run
        self.raw_headers = raw_headers


class UpgradeResponse:
    """The answer `101 Switching Protocols`; `run(stream)` then owns the connection until it returns.

    After the client has gone `run` reads the end of the stream and has a few seconds before it is cancelled.
    """

    __slots__ = ("headers", "protocol", "run")

    def __init__(
        self,
        protocol: str,
        headers: list[tuple[str, str]],
        run: Callable[["stream.UpgradedStream"], Awaitable[None]],
    ) -> None:
        self.protocol = protocol
        self.headers = headers
        self.run = run


AnyResponse = Response | StreamResponse | UpgradeResponse
Handler = Callable[[Request], Coroutine[Any, Any, AnyResponse]]


@functools.cache
def reason(status: int) -> str:
    """The phrase that goes with a status, as net/http has it."""
    return _REASONS.get(status, f"status code {status}")


_REASONS = {
    100: "Continue",
    101: "Switching Protocols",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    422: "Unprocessable Entity",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
