"""Exec, attach and port-forward: from the caller's connection to the runtime's streaming server and back.

The runtime serves these sessions itself, on loopback, in SPDY. A caller that speaks SPDY is connected through, byte by
byte. A caller that speaks WebSocket is translated: each channel of the socket is a stream of the SPDY session; the
close signal of protocol v5, which SPDY says by ending the stream, needs no translation back.

    caller ──SPDY──────────────────────────► runtime
    caller ──WebSocket channels──translate──► runtime
    caller ──SPDY inside WebSocket──unwrap──► runtime     (port-forward)

Upstream: pkg/kubelet/server/server.go (proxyStream), apiserver/pkg/util/proxy (streamtranslator.go, streamtunnel.go).
"""

import asyncio
import logging

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.http import client as http_client
from pybernetes.http import errors, messages, spdy, stream, websocket
from pybernetes.kubelet.cri import runtime

logger = logging.getLogger(__name__)

SPDY = "SPDY/3.1"
PROTOCOL_HEADER = "X-Stream-Protocol-Version"
_CHANNEL_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
_PORT_FORWARD = "portforward.k8s.io"
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255


class Streaming:
    """Connects callers with sessions of the runtime."""

    def __init__(self, http: http_client.HttpClient, clock: clocks.Clock) -> None:
        self._http = http
        self._clock = clock

    async def command(
        self, request: messages.Request, url: str, options: runtime.StreamOptions
    ) -> messages.AnyResponse:
        """An exec or attach session at `url`."""
        if websocket.is_upgrade(request):

            async def run(socket: websocket.WebSocket) -> None:
                await self._translate(socket, url, options)

            return websocket.accept(request, _CHANNEL_PROTOCOLS, run, clock=self._clock)
        return await self._connect_through(request, url)

    async def port_forward(self, request: messages.Request, url: str) -> messages.AnyResponse:
        """A port-forward session at `url`."""
        if websocket.is_upgrade(request):

            async def run(socket: websocket.WebSocket) -> None:
                headers = [(PROTOCOL_HEADER, _PORT_FORWARD)]
                upgraded = await self._http.upgrade("POST", url, headers, SPDY)
                await relay(websocket.MessageStream(socket), upgraded.stream)

            return websocket.accept(request, (_TUNNEL_PROTOCOL,), run, clock=self._clock)
        return await self._connect_through(request, url)

    async def _connect_through(self, request: messages.Request, url: str) -> messages.AnyResponse:
        """Upgrade the runtime's side first: what it refuses, the caller is told as it is."""
        if (request.headers.get("upgrade") or "").lower() != SPDY.lower():
            return messages.Response(
                400, [("Content-Type", "text/plain")], b"unable to upgrade: missing upgrade headers in request\n"
            )
        offered = [(PROTOCOL_HEADER, text) for text in request.headers.get_all(PROTOCOL_HEADER)]
        try:
            upgraded = await self._http.upgrade("POST", url, offered, SPDY)
        except errors.UpgradeRefused as refused:
            return messages.Response(refused.status, [("Content-Type", "text/plain")], refused.body)
        except errors.HttpError as failure:
            return messages.Response(502, [("Content-Type", "text/plain")], f"{failure}\n".encode())
        chosen = upgraded.headers.get(PROTOCOL_HEADER)
        headers = [(PROTOCOL_HEADER, chosen)] if chosen else []

        async def run(caller: stream.UpgradedStream) -> None:
            await relay(caller, upgraded.stream)

        return messages.UpgradeResponse(SPDY, headers, run)

    # -- WebSocket channels to SPDY streams --------------------------------------------------------------------------

    async def _translate(self, socket: websocket.WebSocket, url: str, options: runtime.StreamOptions) -> None:
        headers = [(PROTOCOL_HEADER, "v4.channel.k8s.io")]
        upgraded = await self._http.upgrade("POST", url, headers, SPDY)
        session = spdy.Session(upgraded.stream, clock=self._clock)
        async with tasks.TaskGroup("streaming") as group:
            group.start(session.run(), "session")
            streams = {_ERROR: session.open({"streamtype": "error"})}
            if options.stdin:
                streams[_STDIN] = session.open({"streamtype": "stdin"})
            if options.stdout:
                streams[_STDOUT] = session.open({"streamtype": "stdout"})
            if options.stderr and not options.tty:
                streams[_STDERR] = session.open({"streamtype": "stderr"})
            if options.tty:
                streams[_RESIZE] = session.open({"streamtype": "resize"})
            output = [
                group.start(_copy_out(socket, number, one), f"channel {number}")
                for number, one in streams.items()
                if number in (_STDOUT, _STDERR, _ERROR)
            ]
            incoming = group.start(_copy_in(socket, streams), "input")
            everything = group.start(_all_done(output), "output")
            await asyncio.wait((everything, incoming), return_when=asyncio.FIRST_COMPLETED)
            await session.close()


async def _all_done(output: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(output)


async def _copy_out(socket: websocket.WebSocket, channel: int, source: spdy.Stream) -> None:
    prefix = bytes((channel,))
    try:
        while data := await source.read():
            await socket.send(prefix + data)
    except errors.HttpError:
        logger.debug("caller went away")


async def _copy_in(socket: websocket.WebSocket, streams: dict[int, spdy.Stream]) -> None:
    """What the caller sends, until it goes away."""
    try:
        while (message := await socket.receive()) is not None:
            if not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == _CLOSE and data and data[0] in streams:
                streams[data[0]].write_eof()
            elif channel in (_STDIN, _RESIZE) and channel in streams and data:
                await streams[channel].write(data)
    except errors.HttpError:
        logger.debug("caller or session went away")


async def relay(first: stream.UpgradedStream, second: stream.UpgradedStream) -> None:
    """Copy both ways until one side is gone or both have said their last."""
    async with tasks.TaskGroup("relay") as group:
        there = group.start(_copy(first, second), "there")
        back = group.start(_copy(second, first), "back")
        await asyncio.wait((there, back))
    first.close()
    second.close()


async def _copy(source: stream.UpgradedStream, target: stream.UpgradedStream) -> None:
    try:
        while data := await source.read():
            await target.write(data)
        target.write_eof()
    except errors.HttpError:
        source.abort()
    if source.closed.done():
        target.close()
