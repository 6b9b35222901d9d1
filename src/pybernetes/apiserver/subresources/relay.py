"""Requests handed on to somebody else (a kubelet, a Pod, a Service): answers and upgraded connections come back as is.

Upstream: k8s.io/apimachinery/pkg/util/proxy (upgradeaware.go), pkg/registry/core/rest.
"""

import asyncio
from collections.abc import Awaitable

from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.http import client as http_client
from pybernetes.http import errors as http_errors
from pybernetes.http import messages, stream

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "authorization",
    }
)


async def relay(context: contexts.RequestContext, client: http_client.HttpClient, url: str) -> contexts.AnyResponse:
    """Send the request on to that URL and answer with what comes back."""
    protocol = upgrade_protocol(context.request)
    if protocol:
        return await _upgrade(context, client, url, protocol)
    request = context.request
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
    headers.append(("X-Forwarded-For", request.connection.peer[0]))
    try:
        source = await client.stream(request.method, url, headers, request.body, None)
    except (http_errors.HttpError, OSError) as error:
        raise unreachable(error) from error
    kept = [(name, value) for name, value in source.headers.items() if name.lower() not in HOP_BY_HOP]
    return messages.StreamResponse(source.status, kept, lambda writer: copy(source, writer))


def upgrade_protocol(request: messages.Request) -> str:
    """The protocol that the client wants to switch to, "" if none."""
    if "upgrade" not in (request.headers.get("connection") or "").lower():
        return ""
    return request.headers.get("upgrade") or ""


async def copy(source: http_client.ClientStream, writer: messages.StreamWriter) -> None:
    """Hand the body on as it comes."""
    async with source:
        async for chunk in source:
            await writer.write(chunk)


def unreachable(error: Exception) -> errors.StatusError:
    """Nobody answers there."""
    return errors.ServiceUnavailable(f"error trying to reach service: {error}")


async def _upgrade(
    context: contexts.RequestContext, client: http_client.HttpClient, url: str, protocol: str
) -> contexts.AnyResponse:
    request = context.request
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
    try:
        there = await client.upgrade(request.method, url, headers, protocol)
    except http_errors.UpgradeRefused as refused:
        kept = [(name, value) for name, value in refused.headers if name.lower() not in HOP_BY_HOP]
        return messages.Response(refused.status, kept, refused.body)
    except (http_errors.HttpError, OSError) as error:
        raise unreachable(error) from error
    answered = [(name, value) for name, value in there.headers.items() if name.lower() not in ("connection", "upgrade")]
    return messages.UpgradeResponse(protocol, answered, lambda here: join(here, there.stream))


async def join(here: stream.UpgradedStream, there: stream.UpgradedStream) -> None:
    """Copy bytes both ways until the other side has said its last, or our client is gone.

    What the other side sent before it closed is still delivered: only the end of its stream ends the relay.
    """

    async def pump(source: stream.UpgradedStream, sink: stream.UpgradedStream) -> None:
        while chunk := await source.read():
            await sink.write(chunk)
        sink.write_eof()

    async with tasks.TaskGroup("relay") as group:
        group.start(_quietly(pump(here, there)), "out")
        answers = group.start(_quietly(pump(there, here)), "in")
        await asyncio.wait([answers, here.closed], return_when=asyncio.FIRST_COMPLETED)
    here.close()
    there.close()


async def _quietly(pumping: Awaitable[None]) -> None:
    """The other end may go at any time: that ends the relay, it does not fail it."""
    try:
        await pumping
    except http_errors.ConnectionClosed:
        return
