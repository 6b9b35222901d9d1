"""Bytes of a client become requests: the reading half of a server connection, without any I/O.

`feed` parses; what is complete waits in `ready`, in order. What must be refused (malformed, too large) waits there too,
as the answer it gets, and ends the reading. Repeated header blocks are recognised and share one `Headers`.

    IDLE --first byte--> HEAD --headers complete--> BODY --message complete--> queued, back to IDLE
    any state --malformed, too large--> DEAF (input is ignored)
    upgrade asked for --> HELD (input is kept) --`take_held`, or `decline_upgrade`: back to IDLE

Path: 2 bytes become a request. Upstream: net/http (readRequest). Pure.
"""

import collections
import dataclasses
import enum
import re
from collections.abc import Callable
from typing import Any

import httptools

from pybernetes.http import messages


class State(enum.Enum):
    """Where a connection stands with its input."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    HELD = enum.auto()
    DEAF = enum.auto()


# looked up on every call otherwise
_IDLE, _HEAD, _BODY, _HELD, _DEAF = State.IDLE, State.HEAD, State.BODY, State.HELD, State.DEAF


@dataclasses.dataclass(slots=True, eq=False)
class Exchange:
    """A request waiting for its answer; `refusal` is the answer of one that never became a request."""

    request: messages.Request | None
    keep_alive: bool
    http_1_1: bool
    refusal: messages.Response | None = None


#: What a host in a request may be made of.
_HOST = re.compile(r"[A-Za-z0-9.:\[\]%!$&'()*+,;=_~-]*").fullmatch


@dataclasses.dataclass(slots=True)
class _Block:
    """What the connection itself needs of a header block."""

    headers: messages.Headers
    hosts: int
    expect: str | None
    length: int
    has_body: bool
    upgrade: str | None

    @classmethod
    def of(cls, raw: list[tuple[bytes, bytes]]) -> "_Block":
        headers = messages.Headers(raw)
        length = headers.get("content-length")
        size = int(length) if length is not None and length.isdigit() else 0
        return cls(
            headers,
            len(headers.get_all("host")),
            headers.get("expect"),
            size,
            size > 0 or "transfer-encoding" in headers,
            headers.get("upgrade"),
        )


class _Refused(Exception):
    """Ends parsing from inside a parser callback."""


class RequestReader:
    """The parser of one connection."""

    __slots__ = (
        "_block",
        "_body",
        "_body_limit",
        "_body_size",
        "_error_response",
        "_exchange",
        "_fed",
        "_head_limit",
        "_held",
        "_info",
        "_known",
        "_known_headers",
        "_parser",
        "_raw",
        "_refusal",
        "_replay",
        "_url",
        "continue_due",
        "ready",
        "state",
    )

    def __init__(
        self,
        info: messages.ConnectionInfo,
        head_limit: int,
        body_limit: int,
        error_response: Callable[[int, str], messages.Response],
    ) -> None:
        self.state = _HEAD  # a new connection owes a request within the head timeout
        self.ready: collections.deque[Exchange] = collections.deque()
        self.continue_due = False
        """The client waits for `100 Continue` before it sends the body."""
        self._info = info
        self._head_limit = head_limit
        self._body_limit = body_limit
        self._error_response = error_response
        self._parser: Any = httptools.HttpRequestParser(self)
        self._block: _Block | None = None
        self._known = b""  # everything from the end of the first line on
        self._known_headers: messages.Headers | None = None  # what it says; `_block` may be a later request's
        self._held: list[bytes] = []
        self._refusal: messages.Response | None = None
        # of the message being read
        self._url = b""
        self._raw: list[tuple[bytes, bytes]] = []
        self._fed = 0
        self._body: list[bytes] = []
        self._body_size = 0
        self._exchange: Exchange | None = None
        self._replay = False

    def feed(self, data: bytes) -> None:
        """Parse what came in."""
        state = self.state
        if state is _IDLE:
            if self._feed_known(data):
                return
            self.state = _HEAD
        elif state is _DEAF:
            return
        elif state is _HELD:
            self._held.append(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade_asked(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refusal or self._error_response(400, ""))
        else:
            if self.state is _IDLE:
                if state is _IDLE:  # all of it is in this piece
                    self._learn(data)
            else:
                self._fed += len(data)
                # in a body all but the body itself is framing, which cannot need more than a few bytes for each byte
                if self._fed > self._head_limit + 16 * self._body_size:
                    self._refuse(self._error_response(431, ""))

    def _feed_known(self, data: bytes) -> bool:
        """A GET that differs from an earlier one only in its target needs no parser: half the cost of a request."""
        end = data.find(b"\r\n")
        if data[end:] != self._known or data[:5] != b"GET /" or data[end - 9 : end] != b" HTTP/1.1":
            return False
        target = data[4 : end - 9]
        if not target.isascii():
            return False
        text = target.decode("ascii")
        if not text.isprintable() or " " in text or "%" in text:
            return False
        assert self._known_headers is not None
        request = messages.Request("GET", text, self._known_headers, b"", self._info)
        self.ready.append(Exchange(request, True, True))
        return True

    def _learn(self, data: bytes) -> None:
        """After one bodyless GET that came in one piece: remember all of it but its first line."""
        if data.startswith(b"GET ") and len(self.ready) == 1 and self.ready[0].keep_alive:
            block = self._block
            if block is not None and not block.has_body and block.upgrade is None and block.expect is None:
                self._known, self._known_headers = data[data.find(b"\r\n") :], block.headers

    @property
    def held_size(self) -> int:
        """How many bytes are kept until an upgrade is decided."""
        return sum(map(len, self._held))

    def take_held(self) -> bytes:
        """The upgrade was granted: what came after the request belongs to the new protocol."""
        held, self._held = self._held, []
        self.close()
        return b"".join(held)

    def decline_upgrade(self) -> bytes:
        """The upgrade was not granted: go on with HTTP; what has been kept is to be fed again."""
        held, self._held = self._held, []
        self.state = _IDLE
        return b"".join(held)

    def close(self) -> None:
        """Read no more."""
        self.state = _DEAF
        self._parser = None  # it holds our methods: break the cycle

    # the parser calls

    def on_url(self, url: bytes) -> None:
        """Parser: (a part of) the request target."""
        self._url += url
        self.state = _HEAD

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser: one header field, or a trailer field (those are dropped)."""
        self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        """Parser: the head is whole; refuse what must not be read further."""
        raw, self._raw = self._raw, []
        block = self._block
        if block is None or block.headers.raw != raw:
            if sum(len(name) + len(value) + 4 for name, value in raw) > self._head_limit:
                self._stop(431, "")
            block = self._block = _Block.of(raw)
        parser = self._parser
        http_1_1 = parser.get_http_version() == "1.1"
        self.state = _BODY
        self._fed = self._body_size = 0
        if http_1_1 and block.hosts != 1:
            self._stop(400, "" if block.hosts else "missing required Host header")
        if not _HOST(block.headers.get("host") or ""):
            self._stop(400, "malformed Host header")
        if parser.get_http_version() not in ("1.0", "1.1"):
            old = parser.get_http_version() == "0.9"
            self._stop(*((400, "") if old else (505, "unsupported protocol version")))
        if block.length > self._body_limit:
            self._stop(413, "")
        try:
            target = self._url.decode("utf-8")
            request = messages.Request(parser.get_method().decode("ascii"), target, block.headers, b"", self._info)
        except ValueError:
            self._stop(400, "")
        self._exchange = Exchange(request, http_1_1 and parser.should_keep_alive(), http_1_1)
        if block.has_body and block.upgrade is not None:
            self._replay = True  # the parser takes every upgrade for one without a body
        elif block.expect is not None and http_1_1:
            if block.expect.lower() != "100-continue":
                self._stop(417, "")
            self.continue_due = block.has_body

    def on_body(self, data: bytes) -> None:
        """Parser: a part of the body."""
        self.continue_due = False
        self._body.append(data)
        self._body_size += len(data)
        if self._body_size > self._body_limit:
            self._stop(413, "")

    def on_message_complete(self) -> None:
        """Parser: the request is whole; queue it."""
        exchange = self._exchange
        if self._replay or exchange is None or exchange.request is None:
            return
        if self._body:
            exchange.request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body = []
        self._raw.clear()
        self._url = b""
        self._exchange = None
        self.continue_due = False
        self.state = _IDLE
        self.ready.append(exchange)

    # special input

    def _stop(self, status: int, text: str) -> None:
        self._refusal = self._error_response(status, text)
        raise _Refused

    def _refuse(self, answer: messages.Response) -> None:
        self.close()
        self.ready.append(Exchange(None, False, True, answer))

    def _upgrade_asked(self, rest: bytes) -> None:
        """A request with an Upgrade header has ended: whether what follows is HTTP depends on its answer."""
        self._parser = httptools.HttpRequestParser(self)
        if not self._replay:
            self.state = _HELD
            if rest:
                self._held.append(rest)
            return
        # It has a body, which net/http reads first: parse the same message again, without the Upgrade header.
        assert self._exchange is not None
        assert self._exchange.request is not None
        assert self._block is not None
        line = f"{self._exchange.request.method} ".encode() + self._url + b" HTTP/1.1\r\n"
        fields = [b"%b: %b\r\n" % field for field in self._block.headers.raw if field[0].lower() != b"upgrade"]
        self._replay = False
        self._exchange = None
        self._url = b""
        self.feed(b"".join([line, *fields, b"\r\n", rest]))
