"""`proxy` of nodes, Pods and Services: plain HTTP through the API server.

Names may say more: `NAME:PORT`, `https:NAME:PORT`.
Upstream: pkg/registry/core/{pod,service,node}/rest, pkg/registry/core/pod/strategy.go (ResourceLocation).
"""

from typing import Any

from pybernetes.apimachinery import errors, goformat
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver import webhooks
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.subresources import links, relay
from pybernetes.http import client as http_client
from pybernetes.http import messages

Object = dict[str, Any]


def split(name: str, kind: str) -> tuple[str, str, str]:
    """Scheme ("" if not said), name and port ("" if not said). Raises BadRequest."""
    parts = name.split(":")
    if len(parts) == 1:
        return "", name, ""
    if len(parts) == 2:
        return "", parts[0], parts[1]
    if len(parts) == 3 and parts[0] in ("", "http", "https"):
        return parts[0], parts[1], parts[2]
    raise errors.BadRequest(f"invalid {kind} request {goformat.quote(name)}")


async def _relay(context: contexts.RequestContext, client: http_client.HttpClient, origin: str) -> contexts.AnyResponse:
    """What stands behind `proxy`, as the client escaped it, with its query; readers are sent to `/` first."""
    request = context.request
    path, mark, query = request.target.partition("?")
    # Counted, not searched, since names may read like it: /api/v1[/namespaces/NS]/RESOURCE/NAME/proxy.
    parts, before = path.split("/"), 8 if context.info.namespace else 6
    rest = parts[before:]
    if not rest and request.method in ("GET", "HEAD") and not relay.upgrade_protocol(request):
        return messages.Response(301, [("Location", f"{request.path}/{mark}{query}")])
    host = origin.partition("://")[2]
    known = links.Links("/".join(parts[:before]), (host, request.headers.get("host") or host))
    return await relay.relay(context, client, f"{origin}/{'/'.join(rest)}{mark}{query}", known)


async def node(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """A node's kubelet."""
    _, name, _ = split(context.info.name, "node")
    await relay.admit(context, store)
    await store.get("", name)
    kubelets = context.server.kubelets
    return await _relay(context, kubelets.client, await kubelets.url(name))


async def pod(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """A port of a Pod: the one named, else its first."""
    scheme, name, port = split(context.info.name, "pod")
    await relay.admit(context, store)
    found = (await store.get(context.info.namespace, name)).object()
    address = (found.get("status") or {}).get("podIP")
    if not address:
        raise errors.BadRequest("address not allowed")
    if not port:
        ports = (one for container in found["spec"].get("containers") or () for one in container.get("ports") or ())
        port = str(next((one["containerPort"] for one in ports), 80))
    host = f"[{address}]" if ":" in address else address
    return await _relay(context, context.server.kubelets.applications, f"{scheme or 'http'}://{host}:{port}")


async def service(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """A Service: one of its ready endpoints."""
    scheme, name, port = split(context.info.name, "service")
    await relay.admit(context, store)
    where = await webhooks.endpoint(context.server.stores, context.info.namespace, name, port)
    return await _relay(context, context.server.kubelets.applications, f"{scheme or 'http'}://{where}")
