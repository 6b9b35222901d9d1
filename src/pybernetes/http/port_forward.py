"""Port forwarding: pairs of streams, one for data and one for an error text, whichever wire they travel on.

Server: `serve` hands `Forwards` to a function: one `Forward` for each connection that the client's side accepts. Wires:
SPDY/3.1; the same inside a WebSocket (`SPDY/3.1+portforward.k8s.io`, kubectl's choice); the older WebSocket channels,
two for each port named in the request. Client: `connect`, over SPDY.

Upstream: client-go/tools/portforward, apimachinery/pkg/util/portforward, cri-streaming portforward (httpStreamHandler).
"""

import asyncio
import contextlib
import dataclasses
import itertools
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from pybernetes.aio import clock as clocks
from pybernetes.aio import deadline, tasks
from pybernetes.http import channels, errors, messages, relay, spdy, stream, websocket
from pybernetes.http import client as clients

PROTOCOL = "portforward.k8s.io"
TUNNEL = relay.TUNNEL_PREFIX + PROTOCOL
_LEGACY = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io", "")
_PAIR_TIMEOUT = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Forward:
    """One forwarded connection. What is written to `error` the user gets to read; close both in the end."""

    port: int
    data: stream.UpgradedStream
    error: stream.UpgradedStream

    def close(self) -> None:
        """Done with it."""
        self.data.close()
        self.error.close()


class Forwards:
    """The connections of one client, as they come; the iteration ends when no more will."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Forward | None] = asyncio.Queue()
        self.gone = asyncio.Event()
        """The client has gone."""

    def put(self, forward: Forward | None) -> None:
        """The wire: a connection was opened; None: no more will come."""
        self._queue.put_nowait(forward)

    async def __aiter__(self) -> AsyncIterator[Forward]:
        while (forward := await self._queue.get()) is not None:
            yield forward

    async def serve(self, handle: Callable[[Forward], Awaitable[None]]) -> None:
        """Handle each in a task of its own; an `OSError` of the handler is told to the client."""

        async def one(forward: Forward) -> None:
            try:
                await handle(forward)
            except OSError as error:
                forward.error.write_nowait(str(error).encode())
            except errors.HttpError:
                pass  # the client is gone
            finally:
                forward.close()

        async with tasks.TaskGroup("port-forward") as group:  # leaving it cancels what still runs
            gone = group.start(self._wait_gone(), "gone")
            running = {gone}
            async for forward in self:
                running.add(group.start(one(forward), f"port {forward.port}"))
            while len(running) > 1 and not gone.done():
                _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)

    async def _wait_gone(self) -> None:
        await self.gone.wait()


Run = Callable[[Forwards], Awaitable[None]]


def serve(request: messages.Request, run: Run, *, clock: clocks.Clock) -> messages.AnyResponse:
    """The answer to a port-forward request."""
    if websocket.is_upgrade(request):
        if any(name.startswith(relay.TUNNEL_PREFIX) for name in websocket.requested(request)):
            return websocket.accept(
                request, (TUNNEL,), lambda socket: _serve_spdy(websocket.MessageStream(socket), run, clock), clock=clock
            )
        ports = _ports(request)
        if ports is None:
            return channels.plain(400, 'query parameter "port" is required')
        return websocket.accept(request, _LEGACY, lambda socket: _serve_channels(socket, ports, run), clock=clock)
    if (request.headers.get("upgrade") or "").lower() != channels.SPDY_PROTOCOL.lower():
        return channels.plain(400, f"unable to upgrade: missing upgrade headers in request: {request.headers.items()}")
    chosen = channels.negotiate(request, (PROTOCOL,))
    if isinstance(chosen, messages.Response):
        return chosen
    return messages.UpgradeResponse(
        channels.SPDY_PROTOCOL, [(relay.VERSION_HEADER, chosen)], lambda raw: _serve_spdy(raw, run, clock)
    )


def _port(text: str) -> int | None:
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else None


def _ports(request: messages.Request) -> list[int] | None:
    texts = [
        text for value in request.query.get("port", []) + request.query.get("ports", []) for text in value.split(",")
    ]
    ports = [_port(text) for text in texts]
    return [port for port in ports if port is not None] if ports and None not in ports else None


class _Pairs:
    """Puts the two streams of a request together."""

    def __init__(self, forwards: Forwards, clock: clocks.Clock) -> None:
        self._forwards = forwards
        self._clock = clock
        self._waiting: dict[str, tuple[dict[str, spdy.Stream], clocks.Timer]] = {}

    def on_stream(self, opened: spdy.Stream) -> bool:
        kind, port = opened.headers.get("streamtype", ""), _port(opened.headers.get("port", ""))
        if kind not in ("data", "error") or port is None:
            return False
        # clients before 1.2 named no request: they opened the error stream and then the data stream
        request = opened.headers.get("requestid") or str(opened.id if kind == "error" else opened.id - 2)
        if request not in self._waiting:
            timer = self._clock.call_later(_PAIR_TIMEOUT, lambda: self._give_up(request))
            self._waiting[request] = ({}, timer)
        streams, timer = self._waiting[request]
        if kind in streams:
            return False
        streams[kind] = opened
        if len(streams) == 2:
            del self._waiting[request]
            timer.cancel()
            self._forwards.put(Forward(port, streams["data"], streams["error"]))
        return True

    def _give_up(self, request: str) -> None:
        streams, _ = self._waiting.pop(request)
        for opened in streams.values():
            opened.abort()

    def close(self) -> None:
        for _, timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()


async def _serve_spdy(raw: stream.UpgradedStream, run: Run, clock: clocks.Clock) -> None:
    forwards = Forwards()
    pairs = _Pairs(forwards, clock)
    session = spdy.Session(raw, clock=clock, on_stream=pairs.on_stream)

    async def read() -> None:
        try:
            await channels.until_gone(session.run)
        finally:
            forwards.put(None)
            forwards.gone.set()

    async with tasks.TaskGroup("port-forward") as group:
        group.start(read(), "read")
        try:
            await run(forwards)
        finally:
            pairs.close()
            await session.close()


async def _serve_channels(socket: websocket.WebSocket, ports: Sequence[int], run: Run) -> None:
    """Two channels for each port; each begins with the port's number, so that the client knows which is which."""
    forwards = Forwards()
    mux = channels.Mux(socket, 2 * len(ports))

    async def read() -> None:
        try:
            await channels.until_gone(mux.run)
        finally:
            forwards.gone.set()

    for port, data, error in zip(ports, mux.channels[::2], mux.channels[1::2], strict=True):
        data.write_nowait(struct.pack("<H", port))
        error.write_nowait(struct.pack("<H", port))
        forwards.put(Forward(port, data, error))
    forwards.put(None)
    async with tasks.TaskGroup("port-forward") as group:
        group.start(read(), "read")
        await run(forwards)


class Forwarder:
    """The client's end: opens connections to ports at the other side."""

    def __init__(self, session: spdy.Session, clock: clocks.Clock) -> None:
        self._session = session
        self._clock = clock
        self._requests = itertools.count()

    async def open(self, port: int) -> Forward:
        """A connection to that port; `error` says why when it does not work."""
        request = str(next(self._requests))
        opened = {}
        for kind in ("error", "data"):
            headers = {"streamtype": kind, "port": str(port), "requestid": request}
            opened[kind] = self._session.open(headers)
            async with deadline.Deadline(self._clock, _PAIR_TIMEOUT, errors.ReadTimeout):
                await opened[kind].accepted
        opened["error"].write_eof()
        return Forward(port, opened["data"], opened["error"])


@contextlib.asynccontextmanager
async def connect(
    http: clients.HttpClient,
    url: str,
    *,
    clock: clocks.Clock,
    headers: list[tuple[str, str]] | None = None,
) -> AsyncIterator[Forwarder]:
    """Client: forward ports through a server that speaks SPDY; leaving the block ends all connections."""
    fields = [*(headers or []), (relay.VERSION_HEADER, PROTOCOL)]
    upgraded = await http.upgrade("POST", url, fields, channels.SPDY_PROTOCOL)
    session = spdy.Session(upgraded.stream, clock=clock)
    async with tasks.TaskGroup("spdy") as group:
        group.start(channels.until_gone(session.run), "read")
        try:
            yield Forwarder(session, clock)
        finally:
            await session.close()
