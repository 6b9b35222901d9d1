"""From a request that may be served to the code that serves it: kind, subresource and verb, or a path of its own.

Path: 3 path becomes verb + resource, 6 verb handler.
Upstream: k8s.io/apiserver/pkg/endpoints/installer.go, pkg/server/handler.go.
"""

from collections.abc import Awaitable, Callable

from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver import routes
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.subresources import table as subresources
from pybernetes.apiserver.verbs import create, delete, delete_collection, get, patch, update, watch
from pybernetes.apiserver.verbs import list as listing

Verb = Callable[[contexts.RequestContext, stores.Store], Awaitable[contexts.AnyResponse]]

VERBS: dict[str, Verb] = {
    "get": get.get,
    "list": listing.list_,
    "watch": watch.watch,
    "create": create.create,
    "update": update.update,
    "patch": patch.patch,
    "delete": delete.delete,
    "deletecollection": delete_collection.delete_collection,
}
ON_ONE = frozenset({"get", "update", "patch", "delete"})

DEPRECATED = {
    ("", "v1", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}
"""What clients of a resource are told in a Warning header."""

NOT_FOUND = "the server could not find the requested resource"
NOT_ALLOWED = "the server does not allow this method on the requested resource"


def not_found() -> errors.StatusError:
    """No such resource."""
    return errors.StatusError(NOT_FOUND, code=404, reason="NotFound", details={})


def not_allowed() -> errors.StatusError:
    """The resource is there, but not for this method."""
    return errors.StatusError(NOT_ALLOWED, code=405, reason="MethodNotAllowed", details={})


def resolve(context: contexts.RequestContext) -> bool:
    """Find the row of the request's resource and, if it names one, of its subresource; False for an unknown group.

    Raises a Status error for what is not served.
    """
    info = context.info
    served = context.server.served
    kind = served.by_resource(info.group, info.version, info.resource)
    if kind is None:
        if info.group and info.group not in served.groups():
            return False
        raise not_found()
    context.kind = kind
    if info.subresource:
        context.sub = kind.subresource(info.subresource)
        if context.sub is None:
            raise errors.NotFound(kind.group_resource, info.name) if kind.custom else not_found()
    # What is proxied has a path of its own behind the subresource.
    proxied = context.sub is not None and context.sub.name == "proxy"
    if len(info.parts) > (3 if info.subresource else 2) and not proxied:
        raise not_found()
    if kind.custom and bool(info.namespace) != kind.namespaced:
        # Upstream leaves these to the next server in its chain, which knows nothing of them.
        return not info.namespace and info.verb in ("list", "watch")
    in_namespace = bool(info.namespace) and info.resource != "namespaces"
    if in_namespace and not kind.namespaced:
        raise not_found()
    return True


def check_method(context: contexts.RequestContext) -> None:
    """Whether the resource has the verb. Raises MethodNotAllowed, NotFound."""
    info, kind, verb = context.info, context.kind, context.info.verb
    if context.sub is not None and context.sub.name == "proxy":
        return  # the method is for whoever is behind it
    if context.request.method == "HEAD":
        raise not_allowed()
    if context.sub is not None:
        if verb not in context.sub.verbs:
            raise not_allowed()
        return
    if verb not in kind.verbs:
        raise not_allowed()
    if kind.namespaced and not info.namespace:
        # Only whole collections may be read across namespaces.
        if verb in ON_ONE:
            raise not_found()
        if verb in ("create", "deletecollection"):
            raise not_allowed()
    if (verb == "create" and info.name) or (verb in ("update", "patch") and not info.name):
        raise not_allowed()


async def dispatch(context: contexts.RequestContext) -> contexts.AnyResponse:
    """Serve the request: the end of the chain of filters."""
    info = context.info
    if not info.is_resource:
        return await routes.serve(context)
    if not resolve(context):
        return routes.page_not_found()
    check_method(context)
    kind = context.kind
    deprecated = kind.custom.deprecation if kind.custom else DEPRECATED.get((kind.group, kind.version, kind.plural))
    if deprecated:
        context.warn(deprecated)
    if context.sub is not None:
        special = subresources.find(kind, context.sub.name, info.verb)
        if special is not None:
            return await special(context, context.server.stores.of(kind))
    else:
        virtual = subresources.VIRTUAL.get((kind.group, kind.plural))
        if virtual is not None:
            return await virtual(context)
    return await VERBS[info.verb](context, context.server.stores.of(kind))
