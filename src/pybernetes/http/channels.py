"""The streams of a remote command (exec, attach), whichever wire they travel on.

Server: `serve` answers a WebSocket request (v5, v4 and the first version of the channel protocol, base64 variants) and
hands `Channels` to a function. Client: `connect`, over SPDY/3.1. `bridge` joins the two.

    channel   0 stdin   1 stdout   2 stderr   3 error (one Status at the end)   4 resize (JSON, one size a line)

Upstream: apimachinery/pkg/util/remotecommand, streaming/pkg/httpstream/wsstream (Conn), client-go/tools/remotecommand.
"""

import asyncio
import base64
import binascii
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import deadline, tasks
from pybernetes.http import client as clients
from pybernetes.http import errors, messages, relay, spdy, stream, websocket

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
NAMES = ("stdin", "stdout", "stderr", "error", "resize")
SPDY_PROTOCOL = "SPDY/3.1"
SPDY_VERSIONS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
WEBSOCKET_VERSIONS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)
_CLOSE_SIGNAL = 255
_CREATION_TIMEOUT = 30.0
_STATUS_LIMIT = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """Which streams the command has."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False

    def names(self, version: int) -> list[str]:
        """The streams that a client of that protocol version opens, in upstream's order."""
        wanted = (self.stdin, self.stdout, self.stderr and not self.tty)
        names = ["error", *(name for name, is_wanted in zip(NAMES, wanted, strict=False) if is_wanted)]
        return [*names, "resize"] if self.tty and version >= 3 else names


def version_of(protocol: str) -> int:
    """The version in a protocol's name; those without one are the first."""
    head = protocol.split(".")[0]
    return int(head[1:]) if head[:1] == "v" and head[1:].isdigit() else 1


@dataclasses.dataclass(slots=True)
class Channels:
    """The streams of one remote command; None for those it does not have."""

    version: int
    stdin: stream.UpgradedStream | None
    stdout: stream.UpgradedStream | None
    stderr: stream.UpgradedStream | None
    error: stream.UpgradedStream
    resize: stream.UpgradedStream | None
    closed: "asyncio.Future[None]"
    """Done when the peer is gone."""

    @classmethod
    def of(cls, version: int, streams: dict[str, stream.UpgradedStream], closed: "asyncio.Future[None]") -> "Channels":
        """From streams by name."""
        stdin, stdout, stderr, _, resize = (streams.get(name) for name in NAMES)
        return cls(version, stdin, stdout, stderr, streams["error"], resize, closed)

    async def finish(self, status: dict[str, Any]) -> None:
        """Tell how the command ended (a Status); before version 4 only failures are told, as text."""
        if self.version >= 4:
            await self.error.write(json.dumps(status, separators=(",", ":")).encode())
        elif status.get("status") != "Success":
            await self.error.write(str(status.get("message", "")).encode())

    async def outcome(self) -> dict[str, Any]:
        """Client: how the command ended; `ConnectionClosed` when the server never said so."""
        data = b""
        while piece := await self.error.read():
            data += piece
            if len(data) > _STATUS_LIMIT:
                raise errors.ProtocolError("status is too large")
        if self.version < 4:
            return {"status": "Failure", "message": data.decode(errors="replace")} if data else {"status": "Success"}
        if not data:
            raise errors.ConnectionClosed("the stream ended without a status")
        try:
            status = json.loads(data)
        except ValueError as error:
            raise errors.ProtocolError(f"malformed status: {data[:200]!r}") from error
        if not isinstance(status, dict):
            raise errors.ProtocolError(f"malformed status: {data[:200]!r}")
        return status


Run = Callable[[Channels], Awaitable[None]]


class Channel(stream.UpgradedStream):
    """One channel of a WebSocket."""

    def __init__(self, mux: "Mux", number: int) -> None:
        super().__init__()
        self._mux = mux
        self._number = number
        self._finished = False
        self.room = asyncio.Event()
        self.room.set()

    def write_nowait(self, data: bytes) -> bool:
        """Send a message."""
        return not self._gone and self._mux.send(self._number, data)

    async def drain(self) -> None:
        """Wait until the connection below has room."""
        await self._mux.socket.drain()

    def write_eof(self) -> None:
        """The fifth version can say so; in the others nothing is said."""
        if self._mux.says_close and not self._finished:
            self._finished = True
            self._mux.socket.send_nowait(bytes((_CLOSE_SIGNAL, self._number)))

    def close(self) -> None:
        """Nothing more will be written."""
        self.write_eof()

    def abort(self) -> None:
        """A channel ends with its socket."""

    def _pause_reading(self) -> None:
        self.room.clear()

    def _resume_reading(self) -> None:
        self.room.set()


class Mux:
    """Channels over a WebSocket: the first byte of a message is the channel's number."""

    def __init__(self, socket: websocket.WebSocket, count: int) -> None:
        self.socket = socket
        self.says_close = socket.subprotocol == "v5.channel.k8s.io"
        self._base64 = "base64" in socket.subprotocol
        self.channels = [Channel(self, number) for number in range(count)]

    def send(self, number: int, data: bytes) -> bool:
        """Send a message on that channel; False when more is waiting than the peer takes."""
        if self._base64:
            return self.socket.send_nowait(b"%d" % number + base64.b64encode(data), text=True)
        return self.socket.send_nowait(bytes((number,)) + data)

    async def run(self) -> None:
        """Hand out what comes in, until the socket is closed; then every channel has ended."""
        try:
            while (message := await self.socket.receive()) is not None:
                if message.data:
                    await self._receive(message.data)
        finally:
            for channel in self.channels:
                channel._ended()
                channel.room.set()

    async def _receive(self, data: bytes) -> None:
        number = data[0]
        if self.says_close and number == _CLOSE_SIGNAL:
            if len(data) != 2 or data[1] >= len(self.channels):
                raise errors.ProtocolError("malformed close signal")
            self.channels[data[1]].feed_eof()
            return
        payload = data[1:]
        if self._base64:
            number -= ord("0")
            try:
                payload = base64.b64decode(payload, validate=True)
            except binascii.Error as error:
                raise errors.ProtocolError("malformed base64") from error
        if 0 <= number < len(self.channels):
            self.channels[number].feed(payload)
            await self.channels[number].room.wait()


async def until_gone(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a reading loop whose end, however it comes, its streams have already been told."""
    with contextlib.suppress(errors.HttpError):
        await loop()


def serve(request: messages.Request, options: Options, run: Run, *, clock: clocks.Clock) -> messages.AnyResponse:
    """The answer to a WebSocket exec or attach request; `run` has the streams, and calls `finish` before it returns."""
    return websocket.accept(
        request, WEBSOCKET_VERSIONS, lambda socket: _serve_websocket(socket, options, run), clock=clock
    )


async def _serve_websocket(socket: websocket.WebSocket, options: Options, run: Run) -> None:
    mux = Mux(socket, len(NAMES))
    has = {"stdin": options.stdin, "stdout": options.stdout, "stderr": options.stderr and not options.tty}
    has |= {"error": True, "resize": options.tty}
    streams: dict[str, stream.UpgradedStream] = {
        name: channel for name, channel in zip(NAMES, mux.channels, strict=True) if has[name]
    }
    closed = mux.channels[ERROR].closed
    first = "stdout" if options.stdout else "stderr" if "stderr" in streams else "error"
    streams[first].write_nowait(b"")  # tells the client that the connection stands
    async with tasks.TaskGroup("channels") as group:
        group.start(until_gone(mux.run), "read")
        await run(Channels.of(version_of(socket.subprotocol), streams, closed))


@contextlib.asynccontextmanager
async def connect(
    http: clients.HttpClient,
    url: str,
    options: Options,
    *,
    clock: clocks.Clock,
    headers: list[tuple[str, str]] | None = None,
) -> AsyncIterator[Channels]:
    """Client: run a command at a server that speaks SPDY; leaving the block ends it."""
    fields = [*(headers or []), *((relay.VERSION_HEADER, name) for name in SPDY_VERSIONS)]
    upgraded = await http.upgrade("POST", url, fields, SPDY_PROTOCOL)
    version = version_of((upgraded.headers.get(relay.VERSION_HEADER) or "").strip())
    session = spdy.Session(upgraded.stream, clock=clock)
    async with tasks.TaskGroup("spdy") as group:
        group.start(until_gone(session.run), "read")
        try:
            streams: dict[str, stream.UpgradedStream] = {}
            for name in options.names(version):
                opened = streams[name] = session.open({"streamtype": name})
                async with deadline.Deadline(clock, _CREATION_TIMEOUT, errors.ReadTimeout):
                    await opened.accepted
            yield Channels.of(version, streams, upgraded.stream.closed)
        finally:
            upgraded.stream.close()


async def bridge(server: Channels, client: Channels) -> None:
    """Join what a client of ours asked for with a command that runs elsewhere, until it ends or a side is gone."""
    async with tasks.TaskGroup("bridge") as group:
        for source, target in ((server.stdin, client.stdin), (server.resize, client.resize)):
            if source is not None and target is not None:
                group.start(_feed(source, target), "input")
        output = [
            group.start(relay.copy(source, target), "output")
            for source, target in ((client.stdout, server.stdout), (client.stderr, server.stderr))
            if source is not None and target is not None
        ]
        command = group.start(_finish(output, server, client), "command")
        gone = group.start(_wait(server.closed), "client")
        await asyncio.wait((command, gone), return_when=asyncio.FIRST_COMPLETED)


async def _feed(source: stream.UpgradedStream, target: stream.UpgradedStream) -> None:
    await relay.copy(source, target)
    target.write_eof()


async def _wait(closed: "asyncio.Future[None]") -> None:
    await asyncio.shield(closed)


async def _finish(output: "list[asyncio.Task[None]]", server: Channels, client: Channels) -> None:
    try:
        status = await client.outcome()
    except errors.HttpError as error:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": str(error), "code": 500}
    for task in output:
        await task
    with contextlib.suppress(errors.HttpError):
        await server.finish(status)
