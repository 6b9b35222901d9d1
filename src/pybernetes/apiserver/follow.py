"""Keep the authorizers in step with storage: they answer from memory.

Upstream: the informers of plugin/pkg/auth/authorizer/{rbac,node}.
"""

from collections.abc import Sequence

from pybernetes.apiserver.authz import node, rbac
from pybernetes.apiserver.registry import stores as all_stores
from pybernetes.storage import cached, listing, watcher

GROUP = "rbac.authorization.k8s.io"
RESOURCES = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")


async def follow(stores: all_stores.Stores, roles: rbac.RbacAuthorizer, nodes: node.NodeAuthorizer) -> None:
    """Load RBAC objects and Pods, and hear of every change from now on."""
    for resource in RESOURCES:
        await _attach(stores, GROUP, resource, _Roles(roles, resource).deliver)
    await _attach(stores, "", "pods", _Pods(nodes).deliver)


async def _attach(stores: all_stores.Stores, group: str, resource: str, deliver: watcher.Deliver) -> None:
    store = stores.by_resource(group, resource)
    assert store is not None
    cache = await store.ready()
    source = await cache.watch("", listing.WatchOptions(resource_version="0"))
    source.attach(deliver)


class _Roles:
    """Changes of one RBAC resource."""

    def __init__(self, roles: rbac.RbacAuthorizer, resource: str) -> None:
        self._roles = roles
        self._resource = resource

    def deliver(self, events: Sequence[cached.WatchEvent]) -> None:
        for event in events:
            if event.type is cached.WatchType.DELETED:
                self._roles.remove(self._resource, event.cached.object())
            else:
                self._roles.put(self._resource, event.cached.object())


class _Pods:
    """Pods as they are bound to nodes; later changes of a bound Pod do not concern the authorizer."""

    def __init__(self, nodes: node.NodeAuthorizer) -> None:
        self._nodes = nodes
        self._bound: dict[str, str] = {}

    def deliver(self, events: Sequence[cached.WatchEvent]) -> None:
        for event in events:
            key = event.cached.key
            if event.type is cached.WatchType.DELETED:
                if self._bound.pop(key, ""):
                    self._nodes.remove_pod(event.cached.object())
                continue
            where = event.cached.fields.get("spec.nodeName", "")
            if where and self._bound.get(key) != where:
                self._bound[key] = where
                self._nodes.put_pod(event.cached.object())
