"""WebSocket, both ends, over an upgraded stream.

`accept` answers an upgrade request and hands the open socket to a function; `connect` is the client's side. Pings are
answered while somebody receives. A socket as one plain byte stream is a `MessageStream` (SPDY travels through it).

Upstream: RFC 6455; golang.org/x/net/websocket and gorilla/websocket, whose answers to bad handshakes these are.
"""

import asyncio
import base64
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from pybernetes.aio import clock as clocks
from pybernetes.aio import deadline, tasks
from pybernetes.http import client as clients
from pybernetes.http import errors, frames, messages, stream

MESSAGE_LIMIT = 32 * 1024 * 1024
_CLOSE_TIMEOUT = 2.0
_VERSION = "13"


class Message(NamedTuple):
    """A data message; `text` says which of the two kinds."""

    text: bool
    data: bytes


class WebSocket:
    """An open socket. One task receives; any may send."""

    def __init__(
        self,
        raw: stream.UpgradedStream,
        *,
        clock: clocks.Clock,
        client: bool = False,
        subprotocol: str = "",
        limit: int = MESSAGE_LIMIT,
    ) -> None:
        self.subprotocol = subprotocol
        self.close_code: int | None = None
        """What the peer said when it closed; 1006 when it just went away; None while it is there."""
        self.close_reason = ""
        self.raw = raw
        self._clock = clock
        self._client = client
        self._limit = limit
        self._sent_close = False

    # sending

    def send_nowait(self, data: bytes, *, text: bool = False) -> bool:
        """Send a message; False when more is waiting than the peer takes."""
        return self._write(frames.TEXT if text else frames.BINARY, data)

    async def send(self, data: bytes, *, text: bool = False) -> None:
        """Send a message and wait until there is room for the next; `ConnectionClosed` when the peer is gone."""
        if not self.send_nowait(data, text=text):
            await self.drain()

    async def drain(self) -> None:
        """Wait until there is room for the next message; `ConnectionClosed` when the peer is gone."""
        if self._sent_close or self.close_code is not None:
            raise errors.ConnectionClosed("the socket is closed")
        await self.raw.drain()

    def ping(self, data: bytes = b"") -> None:
        """Ask for a sign of life."""
        self._write(frames.PING, data)

    def _write(self, opcode: int, data: bytes) -> bool:
        if self._sent_close:
            return False
        return self.raw.write_nowait(frames.frame(opcode, data, os.urandom(4) if self._client else None))

    # receiving

    async def receive(self) -> Message | None:
        """The next message; None when the socket was closed. `ProtocolError` when the peer broke the rules."""
        try:
            return await self._receive()
        except errors.ConnectionClosed:
            self._closed(1006, "")
            return None
        except errors.ProtocolError as error:
            self._say_close(1009 if "too large" in str(error) else 1002, str(error))
            raise

    async def _receive(self) -> Message | None:
        parts: list[bytes] = []
        size, kind = 0, 0
        while self.close_code is None:
            final, opcode, data = await self._read_frame(self._limit - size)
            if opcode >= frames.CLOSE:
                self._control(opcode, data)
                continue
            if (opcode == frames.CONTINUATION) != bool(kind):
                raise errors.ProtocolError("fragments out of order")
            kind = kind or opcode
            parts.append(data)
            size += len(data)
            if final:
                return self._message(kind, parts[0] if len(parts) == 1 else b"".join(parts))
        return None

    async def _read_frame(self, limit: int) -> tuple[bool, int, bytes]:
        first, second = await self.raw.read_exactly(2)
        opcode, size = first & 0x0F, second & 0x7F
        if first & 0x70 or opcode not in (0, 1, 2, 8, 9, 10):
            raise errors.ProtocolError("reserved bits or opcode used")
        if bool(second & 0x80) == self._client:
            raise errors.ProtocolError("wrong masking")
        if opcode >= frames.CLOSE and (size > 125 or not first & 0x80):
            raise errors.ProtocolError("malformed control frame")
        if size == 126:
            size = int.from_bytes(await self.raw.read_exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.raw.read_exactly(8), "big")
        if size > limit:
            raise errors.ProtocolError("message too large")
        if self._client:
            return bool(first & 0x80), opcode, await self.raw.read_exactly(size)
        key = await self.raw.read_exactly(4)
        return bool(first & 0x80), opcode, frames.mask(await self.raw.read_exactly(size), key)

    @staticmethod
    def _message(kind: int, data: bytes) -> Message:
        if kind == frames.TEXT:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise errors.ProtocolError("text is not UTF-8") from error
        return Message(kind == frames.TEXT, data)

    def _control(self, opcode: int, data: bytes) -> None:
        if opcode == frames.PING:
            self._write(frames.PONG, data)
        elif opcode == frames.CLOSE:
            code, reason = frames.parse_close(data)
            self._say_close(1000 if code == 1005 else code)
            self._closed(code, reason)

    # closing

    def _say_close(self, code: int, reason: str = "") -> None:
        self._write(frames.CLOSE, frames.close_payload(code, reason))
        self._sent_close = True

    def _closed(self, code: int, reason: str) -> None:
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason

    async def close(self, code: int = 1000, reason: str = "", *, wait: bool = True) -> None:
        """Say good-bye and close. With `wait` the peer gets a moment to answer: a connection closed over unread input
        would be reset, and the peer might lose what was sent last. Nobody else may be receiving then."""
        self._say_close(code, reason)
        if wait and self.close_code is None:
            try:
                async with deadline.Deadline(self._clock, _CLOSE_TIMEOUT, errors.ReadTimeout):
                    while await self.receive() is not None:
                        pass
            except errors.HttpError:
                pass  # it will be closed anyway
        self.raw.close()


def requested(request: messages.Request) -> list[str]:
    """The subprotocols that the client offers, best first."""
    values = request.headers.get_all("sec-websocket-protocol")
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def is_upgrade(request: messages.Request) -> bool:
    """Does that request ask for a WebSocket?"""
    return request.headers.get("upgrade", "").lower() == "websocket" and any(  # type: ignore[union-attr]
        "upgrade" in value.lower() for value in request.headers.get_all("connection")
    )


def accept(
    request: messages.Request,
    subprotocols: Sequence[str],
    run: Callable[[WebSocket], Awaitable[None]],
    *,
    clock: clocks.Clock,
) -> messages.AnyResponse:
    """The answer to an upgrade request: `run` owns the socket, which is closed when it returns.

    The first subprotocol of the client's that is in `subprotocols` is chosen ("" there lets clients without any pass).
    """
    key = request.headers.get("sec-websocket-key", "") or ""
    if not is_upgrade(request) or request.method != "GET" or not frames.is_key(key):
        return messages.Response(400, [("Content-Type", "text/plain; charset=utf-8")], b"not a websocket handshake\n")
    if request.headers.get("sec-websocket-version") != _VERSION:
        return messages.Response(426, [("Sec-WebSocket-Version", _VERSION), ("Upgrade", "websocket")])
    offered = requested(request)
    chosen = next((name for name in offered or [""] if name in subprotocols), None)
    if chosen is None:
        text = f"requested protocol(s) are not supported: {offered}; supports {list(subprotocols)}\n"
        return messages.Response(403, [("Content-Type", "text/plain; charset=utf-8")], text.encode())
    headers = [("Sec-WebSocket-Accept", frames.accept_key(key))]
    if chosen:
        headers.append(("Sec-WebSocket-Protocol", chosen))

    async def serve(raw: stream.UpgradedStream) -> None:
        socket = WebSocket(raw, clock=clock, subprotocol=chosen)
        try:
            await run(socket)
        except errors.HttpError:
            raw.close()  # the peer is gone or broke the rules: nobody is left to tell
        else:
            await socket.close()

    return messages.UpgradeResponse("websocket", headers, serve)


async def connect(
    http: clients.HttpClient,
    url: str,
    headers: list[tuple[str, str]] | None = None,
    subprotocols: Sequence[str] = (),
    *,
    clock: clocks.Clock,
) -> WebSocket:
    """Open a socket to an http or https URL; `UpgradeRefused` with the server's answer if it does not want to."""
    key = frames.new_key()
    fields = [*(headers or []), ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", _VERSION)]
    if subprotocols:
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    upgraded = await http.upgrade("GET", url, fields, "websocket")
    chosen = upgraded.headers.get("sec-websocket-protocol", "") or ""
    if upgraded.headers.get("sec-websocket-accept") != frames.accept_key(key) or (
        chosen and chosen not in subprotocols
    ):
        upgraded.stream.abort()
        raise errors.ProtocolError("malformed websocket handshake")
    return WebSocket(upgraded.stream, clock=clock, client=True, subprotocol=chosen)


class MessageStream(stream.UpgradedStream):
    """A socket as one byte stream: it reads the payload of the messages; what is written becomes a message each."""

    def __init__(self, socket: WebSocket) -> None:
        super().__init__()
        self._socket = socket
        socket.raw.closed.add_done_callback(lambda _: self._ended())

    async def _wait_readable(self) -> None:
        message = await self._socket.receive()
        if message is None:
            self.feed_eof()
        else:
            self.feed(message.data)

    def write_nowait(self, data: bytes) -> bool:
        """Send a message."""
        return self._socket.send_nowait(data)

    async def drain(self) -> None:
        """Wait until the connection below has room."""
        await self._socket.drain()

    def _pause_reading(self) -> None:
        """Nothing is read unless somebody asks."""

    def _resume_reading(self) -> None:
        """Nothing is read unless somebody asks."""

    def write_eof(self) -> None:
        """A socket cannot be closed by half."""

    def close(self) -> None:
        """Say good-bye and close."""
        self._socket._say_close(1000)
        self._socket.raw.close()

    def abort(self) -> None:
        """Drop the connection."""
        self._socket.raw.abort()


def as_messages(
    request: messages.Request, response: messages.StreamResponse, *, clock: clocks.Clock
) -> messages.AnyResponse:
    """A streamed answer (log, watch) for a client that asked for it over a WebSocket: each piece becomes a message.

    Upstream: streaming/pkg/httpstream/wsstream (Reader).
    """

    async def run(socket: WebSocket) -> None:
        async with tasks.TaskGroup("websocket") as group:  # leaving it cancels the other one
            writing = group.start(_write(socket, response), "write")
            reading = group.start(_ignore_input(socket), "read")
            await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)

    return accept(request, ("", "binary.k8s.io", "base64.binary.k8s.io"), run, clock=clock)


async def _write(socket: WebSocket, response: messages.StreamResponse) -> None:
    with contextlib.suppress(errors.HttpError):
        await response.run(_MessageWriter(socket))


async def _ignore_input(socket: WebSocket) -> None:
    with contextlib.suppress(errors.HttpError):
        while await socket.receive() is not None:
            pass


class _MessageWriter:
    """Implements `messages.StreamWriter` on a socket."""

    def __init__(self, socket: WebSocket) -> None:
        self.closed = socket.raw.closed
        self._socket = socket
        self._base64 = socket.subprotocol.startswith("base64.")

    def write_nowait(self, data: bytes) -> bool:
        if self._base64:
            return self._socket.send_nowait(base64.b64encode(data), text=True)
        return self._socket.send_nowait(data)

    async def write(self, data: bytes) -> None:
        if not self.write_nowait(data):
            await self.drain()

    async def drain(self) -> None:
        await self._socket.drain()
