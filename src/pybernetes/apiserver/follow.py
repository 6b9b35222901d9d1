"""Keep the authorizers and the list of webhooks in step with storage: they answer from memory.

A watch that ends (its cache lost track of the store) is opened again, and what vanished meanwhile is removed.
Upstream: the informers of plugin/pkg/auth/authorizer/{rbac,node}, k8s.io/apiserver/pkg/admission/configuration.
"""

import functools
from collections.abc import Callable, Sequence

from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.apiserver.admission import webhook
from pybernetes.apiserver.authz import node, rbac
from pybernetes.apiserver.registry import store as object_stores
from pybernetes.apiserver.registry import stores as all_stores
from pybernetes.storage import cached, listing

RBAC = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
WEBHOOKS = (webhook.MUTATING, webhook.VALIDATING)
AGAIN_SECONDS = 1.0

Tell = Callable[[cached.Cached], None]


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
            await _Follower(stores.by_resource(api_group, resource), put, remove, group).attach()
    pods = _Pods(nodes)
    await _Follower(stores.by_resource("", "pods"), pods.put, pods.remove, group).attach()


def _tell(call: Callable[[str, object_stores.Object], None], resource: str, one: cached.Cached) -> None:
    call(resource, one.object())


class _Follower:
    """One resource, and who is told of its objects."""

    def __init__(self, store: object_stores.Store | None, put: Tell, remove: Tell, group: tasks.TaskGroup) -> None:
        assert store is not None
        self._store = store
        self._put = put
        self._remove = remove
        self._group = group
        self._known: dict[str, cached.Cached] = {}

    async def attach(self) -> None:
        """Tell of what is there now, and no longer there, then of every change."""
        source = await (await self._store.ready()).watch("", listing.WatchOptions(resource_version="0"))
        before, self._known = self._known, {}
        source.attach(self._deliver, self._ended)
        for key, one in before.items():
            if key not in self._known:
                self._remove(one)

    def _deliver(self, events: Sequence[cached.WatchEvent]) -> None:
        for event in events:
            one = event.cached
            if event.type is cached.WatchType.DELETED:
                self._known.pop(one.key, None)
                self._remove(one)
            else:
                self._known[one.key] = one
                self._put(one)

    def _ended(self) -> None:
        self._group.start(self._again(), "follow again")

    async def _again(self) -> None:
        while True:
            await self._store.environment.clock.sleep(AGAIN_SECONDS)
            try:
                await self.attach()
                return
            except errors.StatusError:
                """The cache has no state yet."""


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
