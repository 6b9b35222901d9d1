"""Requests handed on to somebody else (a kubelet, a Pod, a Service): answers and upgraded connections come back as is.

Upstream: k8s.io/apimachinery/pkg/util/proxy (upgradeaware.go), pkg/registry/core/rest.
"""

from typing import Any

from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import operation
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.subresources import links
from pybernetes.apiserver.verbs import options
from pybernetes.http import client as http_client
from pybernetes.http import errors as http_errors
from pybernetes.http import messages
from pybernetes.http import relay as http_relay

Object = dict[str, Any]

STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
"""What an exec or attach may ask for, and what its kubelet calls that."""


async def admit(context: contexts.RequestContext, store: stores.Store) -> None:
    """Let admission judge the connection. Raises what a plugin refuses with."""
    info, sub, query = context.info, context.sub, context.request.query
    assert sub is not None
    asked: Object = {"kind": sub.kind, "apiVersion": "v1"}
    if info.subresource == "proxy":
        asked["path"] = "/" + "/".join(info.parts[3:])
    elif info.subresource == "portforward":
        asked["ports"] = [int(text) for one in query.get("ports", ()) for text in one.split(",") if text.isdecimal()]
    else:
        asked |= {name: True for name in STREAMS if options.boolean(context, name)}
        asked |= {"container": context.parameter("container"), "command": query.get("command", ())}
    op = operation.Operation(
        context.kind,
        context.user,
        info.namespace,
        info.name,
        info.subresource,
        warnings=context.warnings,
        audit_annotations=context.audit,
    )
    filled = {name: value for name, value in asked.items() if value}
    await store.environment.admission.both(store.attributes(op, "CONNECT", filled, None))


async def relay(
    context: contexts.RequestContext, client: http_client.HttpClient, url: str, known: links.Links | None = None
) -> contexts.AnyResponse:
    """Send the request on to that URL and answer with what comes back; links to that host lead here again."""
    request = context.request
    headers = http_relay.forwardable(request.headers.items())
    try:
        if upgrade_protocol(request):
            return await http_relay.proxy_upgrade(client, request, url, headers)
        headers.append(("X-Forwarded-For", request.connection.peer[0]))
        source = await client.stream(request.method, url, headers, request.body, None)
    except (http_errors.HttpError, OSError) as error:
        raise unreachable(error) from error
    kept = http_relay.forwardable(source.headers.items())
    location, kind = source.headers.get("location"), (source.headers.get("content-type") or "").partition(";")[0]
    if known is not None and location:
        kept = [(name, known.url(location) if name.lower() == "location" else value) for name, value in kept]
    elif known is not None and kind.strip() == "text/html" and not source.headers.get("content-encoding"):
        kept = [(name, value) for name, value in kept if name.lower() != "content-length"]
        page = links.Page(known)
        return messages.StreamResponse(source.status, kept, lambda writer: _copy_page(source, writer, page))
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


async def _copy_page(source: http_client.ClientStream, writer: messages.StreamWriter, page: links.Page) -> None:
    async with source:
        async for chunk in source:
            await writer.write(page.through(chunk))
        await writer.write(page.through(b"", last=True))


def unreachable(error: Exception) -> errors.StatusError:
    """Nobody answers there."""
    return errors.ServiceUnavailable(f"error trying to reach service: {error}")
