"""Bytes from one stream to another: how an upgraded connection passes through a proxy.

Upstream: apimachinery/pkg/util/proxy (UpgradeAwareHandler), apiserver/pkg/util/proxy (TunnelingHandler).
"""

import asyncio
from collections.abc import Iterable

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.http import client as clients
from pybernetes.http import errors, messages, stream, websocket

TUNNEL_PREFIX = "SPDY/3.1+"
VERSION_HEADER = "X-Stream-Protocol-Version"
_HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "content-length", "authorization"),
    )
)


async def copy(source: stream.UpgradedStream, target: stream.UpgradedStream) -> None:
    """Until the source ends or the target is gone."""
    try:
        while data := await source.read():
            await target.write(data)
    except errors.HttpError:
        pass  # the target is gone


async def relay(here: stream.UpgradedStream, there: stream.UpgradedStream) -> None:
    """Copy bytes both ways until the other side has said its last, or our client is gone; then close both.

    What the other side sent before it closed is still delivered: only the end of its stream ends the relay.
    """

    async def pump(source: stream.UpgradedStream, target: stream.UpgradedStream) -> None:
        await copy(source, target)
        target.write_eof()

    async with tasks.TaskGroup("relay") as group:  # leaving it cancels the other direction
        group.start(pump(here, there), "out")
        answers = group.start(pump(there, here), "in")
        await asyncio.wait((answers, here.closed), return_when=asyncio.FIRST_COMPLETED)
    here.close()
    there.close()


def forwardable(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The header fields that a proxy hands on."""
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


def _refusal(refused: errors.UpgradeRefused) -> messages.Response:
    return messages.Response(refused.status, forwardable(refused.headers), refused.body)


async def proxy_upgrade(
    http: clients.HttpClient, request: messages.Request, url: str, headers: list[tuple[str, str]]
) -> messages.AnyResponse:
    """Ask the server at `url` for what the client asks for, with `headers` (see `forwardable`), and pass all bytes on.

    A server that does not switch protocols has its answer passed on instead. Raises what `HttpClient.upgrade` raises.
    """
    protocol = request.headers.get("upgrade") or ""
    try:
        upgraded = await http.upgrade(request.method, url, headers, protocol)
    except errors.UpgradeRefused as refused:
        return _refusal(refused)

    async def run(downstream: stream.UpgradedStream) -> None:
        try:
            await relay(downstream, upgraded.stream)
        finally:
            upgraded.stream.close()

    return messages.UpgradeResponse(protocol, forwardable(upgraded.headers.items()), run)


async def proxy_tunnel(
    http: clients.HttpClient,
    request: messages.Request,
    url: str,
    headers: list[tuple[str, str]],
    *,
    clock: clocks.Clock,
) -> messages.AnyResponse:
    """For a server that speaks only SPDY: what the client tunnels through a WebSocket goes there as it is."""
    tunnelled = [name for name in websocket.requested(request) if name.startswith(TUNNEL_PREFIX)]
    if not tunnelled:
        return messages.Response(400, [], b"unable to upgrade: no tunneling spdy protocols provided\n")
    wanted = [(VERSION_HEADER, name.removeprefix(TUNNEL_PREFIX)) for name in tunnelled]
    try:
        upgraded = await http.upgrade("POST", url, [*headers, *wanted], "SPDY/3.1")
    except errors.UpgradeRefused as refused:
        return _refusal(refused)
    chosen = TUNNEL_PREFIX + (upgraded.headers.get(VERSION_HEADER) or "").strip()

    async def run(socket: websocket.WebSocket) -> None:
        try:
            await relay(websocket.MessageStream(socket), upgraded.stream)
        finally:
            upgraded.stream.close()

    answer = websocket.accept(request, (chosen,), run, clock=clock)
    if isinstance(answer, messages.Response):
        upgraded.stream.close()
    return answer
