"""What plugins may ask about the rest of the cluster, as one seam: informers behind it in production, lists in tests.

Upstream: client-go listers, pkg/scheduler/framework/plugins/helper/spread.go. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from pybernetes.api.types import apps, core, meta, policy, storage
from pybernetes.apimachinery import labels
from pybernetes.scheduler import node_info

UNFINISHED_PODS = "status.phase!=Succeeded,status.phase!=Failed"
"""Finished Pods take no room and are never scheduled: they are not even watched."""

T_co = TypeVar("T_co", covariant=True)
O = TypeVar("O", bound=meta.Object)  # noqa: E741


class Store(Protocol[T_co]):
    """A local cache of one kind."""

    def get(self, namespace: str, name: str) -> T_co | None:
        """One, if it exists."""

    def list(self, namespace: str = "", selector: labels.Selector | None = None) -> Iterable[T_co]:
        """All of a namespace ("": of all)."""


class Source(Protocol):
    """Gives the cache of a kind."""

    def __call__(self, kind: type[O], *, field_selector: str = "") -> Store[O]: ...


class Listers:
    """Local caches of what plugins ask about."""

    def __init__(self, store: Source) -> None:
        self.pods = store(core.Pod, field_selector=UNFINISHED_PODS)
        self.services = store(core.Service)
        self.replication_controllers = store(core.ReplicationController)
        self.replica_sets = store(apps.ReplicaSet)
        self.stateful_sets = store(apps.StatefulSet)
        self.disruption_budgets = store(policy.PodDisruptionBudget)
        self.claims = store(core.PersistentVolumeClaim)
        self.volumes = store(core.PersistentVolume)
        self.storage_classes = store(storage.StorageClass)
        self.csi_drivers = store(storage.CSIDriver)
        self.csi_nodes = store(storage.CSINode)
        self.storage_capacities = store(storage.CSIStorageCapacity)
        self._namespaces = store(core.Namespace)

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Empty if the namespace is not known."""
        found = self._namespaces.get("", name)
        return {} if found is None else found.metadata.labels

    def namespaces(self, selector: labels.Selector) -> Iterable[str]:
        """Names of the namespaces whose labels match."""
        return [one.metadata.name for one in self._namespaces.list("", selector)]


def default_selector(pod: core.Pod, listers: Listers) -> labels.Selector:
    """The Pods that do the same work: those of its Services and of its controller; empty when it has neither."""
    namespace = pod.metadata.namespace
    wanted: dict[str, str] = {}
    for service in listers.services.list(namespace):
        selector = service.spec.selector
        if selector and labels.from_set(selector).matches(pod.metadata.labels):
            wanted.update(selector)
    result = labels.from_set(wanted)
    owner = meta.controller_of(pod)
    if owner is None:
        return result
    kind = (owner.apiVersion, owner.kind)
    if kind == ("v1", "ReplicationController"):
        controller = listers.replication_controllers.get(namespace, owner.name)
        return result if controller is None else labels.from_set({**wanted, **controller.spec.selector})
    found: apps.ReplicaSet | apps.StatefulSet | None = None
    if kind == ("apps/v1", "ReplicaSet"):
        found = listers.replica_sets.get(namespace, owner.name)
    elif kind == ("apps/v1", "StatefulSet"):
        found = listers.stateful_sets.get(namespace, owner.name)
    if found is not None:
        own = node_info.selector_of(found.spec.selector)
        if own.selectable:
            return result.add(*own.requirements)
    return result
