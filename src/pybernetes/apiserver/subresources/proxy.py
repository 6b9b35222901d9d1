"""`proxy` of nodes, Pods and Services: plain HTTP through the API server.

Names may say more: `NAME:PORT`, `https:NAME:PORT`.
Upstream: pkg/registry/core/{pod,service,node}/rest, pkg/registry/core/pod/strategy.go (ResourceLocation).
"""

from typing import Any

from pybernetes.apimachinery import errors, goformat
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver import webhooks
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.subresources import relay

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


def _path(context: contexts.RequestContext) -> str:
    """What stands behind `proxy`, as the client escaped it, with its query."""
    target = context.request.target
    path, mark, query = target.partition("?")
    # Counted, not searched, since names may read like it: /api/v1[/namespaces/NS]/RESOURCE/NAME/proxy.
    before = 8 if context.info.namespace else 6
    return "/" + "/".join(path.split("/")[before:]) + mark + query


async def node(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """A node's kubelet."""
    _, name, _ = split(context.info.name, "node")
    await store.get("", name)
    kubelets = context.server.kubelets
    return await relay.relay(context, kubelets.client, await kubelets.url(name) + _path(context))


async def pod(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """A port of a Pod: the one named, else its first."""
    scheme, name, port = split(context.info.name, "pod")
    found = (await store.get(context.info.namespace, name)).object()
    address = (found.get("status") or {}).get("podIP")
    if not address:
        raise errors.BadRequest("address not allowed")
    if not port:
        ports = (one for container in found["spec"].get("containers") or () for one in container.get("ports") or ())
        port = str(next((one["containerPort"] for one in ports), 80))
    host = f"[{address}]" if ":" in address else address
    url = f"{scheme or 'http'}://{host}:{port}{_path(context)}"
    return await relay.relay(context, context.server.kubelets.applications, url)


async def service(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """A Service: one of its ready endpoints."""
    scheme, name, port = split(context.info.name, "service")
    where = await webhooks.endpoint(context.server.stores, context.info.namespace, name, port)
    return await relay.relay(
        context, context.server.kubelets.applications, f"{scheme or 'http'}://{where}{_path(context)}"
    )
