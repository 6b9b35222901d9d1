"""What plugins may ask about the rest of the cluster, as one seam: informers behind it in production, lists in tests.

Upstream: client-go listers, pkg/scheduler/framework/plugins/helper/spread.go. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from pybernetes.api.types import apps, core, meta, policy, storage
from pybernetes.apimachinery import labels
from pybernetes.scheduler import node_info


class Listers(Protocol):
    """Reads from local caches."""

    def pod(self, namespace: str, name: str) -> core.Pod | None:
        """The newest known state of a Pod."""

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Empty if the namespace is not known."""

    def namespaces(self, selector: labels.Selector) -> Iterable[str]:
        """Names of the namespaces whose labels match."""

    def services(self, namespace: str) -> Iterable[core.Service]:
        """All of a namespace."""

    def replication_controller(self, namespace: str, name: str) -> core.ReplicationController | None:
        """One, if it exists."""

    def replica_set(self, namespace: str, name: str) -> apps.ReplicaSet | None:
        """One, if it exists."""

    def stateful_set(self, namespace: str, name: str) -> apps.StatefulSet | None:
        """One, if it exists."""

    def disruption_budgets(self) -> Iterable[policy.PodDisruptionBudget]:
        """All of them."""

    def claim(self, namespace: str, name: str) -> core.PersistentVolumeClaim | None:
        """One, if it exists."""

    def volume(self, name: str) -> core.PersistentVolume | None:
        """One, if it exists."""

    def volumes(self) -> Iterable[core.PersistentVolume]:
        """All of them."""

    def storage_class(self, name: str) -> storage.StorageClass | None:
        """One, if it exists."""

    def csi_driver(self, name: str) -> storage.CSIDriver | None:
        """One, if it exists."""

    def csi_node(self, name: str) -> storage.CSINode | None:
        """One, if it exists."""

    def storage_capacities(self) -> Iterable[storage.CSIStorageCapacity]:
        """All of them."""


def default_selector(pod: core.Pod, listers: Listers) -> labels.Selector:
    """The Pods that do the same work: those of its Services and of its controller; empty when it has neither."""
    namespace = pod.metadata.namespace
    wanted: dict[str, str] = {}
    for service in listers.services(namespace):
        selector = service.spec.selector
        if selector and labels.from_set(selector).matches(pod.metadata.labels):
            wanted.update(selector)
    result = labels.from_set(wanted)
    owner = meta.controller_of(pod)
    if owner is None:
        return result
    kind = (owner.apiVersion, owner.kind)
    if kind == ("v1", "ReplicationController"):
        controller = listers.replication_controller(namespace, owner.name)
        return result if controller is None else labels.from_set({**wanted, **controller.spec.selector})
    found: apps.ReplicaSet | apps.StatefulSet | None = None
    if kind == ("apps/v1", "ReplicaSet"):
        found = listers.replica_set(namespace, owner.name)
    elif kind == ("apps/v1", "StatefulSet"):
        found = listers.stateful_set(namespace, owner.name)
    if found is not None:
        own = node_info.selector_of(found.spec.selector)
        if own.selectable:
            return result.add(*own.requirements)
    return result
