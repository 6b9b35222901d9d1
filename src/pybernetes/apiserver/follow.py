"""Keep the authorizers and the list of webhooks in step with storage: they answer from memory.

Upstream: the informers of plugin/pkg/auth/authorizer/{rbac,node}, k8s.io/apiserver/pkg/admission/configuration.
"""

import functools
from collections.abc import Callable, Sequence

from pybernetes.aio import tasks
from pybernetes.apiserver.admission import webhook
from pybernetes.apiserver.authz import node, rbac
from pybernetes.apiserver.registry import follower
from pybernetes.apiserver.registry import store as object_stores
from pybernetes.apiserver.registry import stores as all_stores
from pybernetes.storage import cached

RBAC = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
WEBHOOKS = (webhook.MUTATING, webhook.VALIDATING)


async def follow(
    stores: all_stores.Stores,
    roles: rbac.RbacAuthorizer,
    nodes: node.NodeAuthorizer,
    webhooks: webhook.Dispatcher,
    group: tasks.TaskGroup,
) -> None:
    """Load RBAC objects, Pods and the configurations of webhooks, and hear of every change from now on."""
    heard: tuple[tuple[str, Sequence[str], rbac.RbacAuthorizer | webhook.Dispatcher], ...] = (
        ("rbac.authorization.k8s.io", RBAC, roles),
        (webhook.GROUP, WEBHOOKS, webhooks),
    )
    for api_group, resources, told in heard:
        for resource in resources:
            put, remove = (functools.partial(_tell, call, resource) for call in (told.put, told.remove))
            await follower.Follower(stores.by_resource(api_group, resource), put, remove, group).attach()
    pods = _Pods(nodes)
    await follower.Follower(stores.by_resource("", "pods"), pods.put, pods.remove, group).attach()


def _tell(call: Callable[[str, object_stores.Object], None], resource: str, one: cached.Cached) -> None:
    call(resource, one.object())


class _Pods:
    """Pods as they are bound to nodes; later changes of a bound Pod do not concern the authorizer."""

    def __init__(self, nodes: node.NodeAuthorizer) -> None:
        self._nodes = nodes
        self._bound: dict[str, str] = {}

    def put(self, one: cached.Cached) -> None:
        where = one.fields.get("spec.nodeName", "")
        if where and self._bound.get(one.key) != where:
            self._bound[one.key] = where
            self._nodes.put_pod(one.object())

    def remove(self, one: cached.Cached) -> None:
        if self._bound.pop(one.key, ""):
            self._nodes.remove_pod(one.object())
