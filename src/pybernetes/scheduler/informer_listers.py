"""`Listers` over the component's informers.

Upstream: client-go listers.
"""

from collections.abc import Iterable, Mapping

from pybernetes.api.types import apps, core, policy, storage
from pybernetes.apimachinery import labels
from pybernetes.client.informer import InformerFactory

UNFINISHED_PODS = "status.phase!=Succeeded,status.phase!=Failed"
"""Finished Pods take no room and are never scheduled: they are not even watched."""


class InformerListers:
    """Local caches of what plugins ask about."""

    def __init__(self, informers: InformerFactory) -> None:
        self.pods = informers.informer(core.Pod, field_selector=UNFINISHED_PODS)
        self.nodes = informers.informer(core.Node)
        self._namespaces = informers.informer(core.Namespace)
        self._services = informers.informer(core.Service)
        self._replication_controllers = informers.informer(core.ReplicationController)
        self._replica_sets = informers.informer(apps.ReplicaSet)
        self._stateful_sets = informers.informer(apps.StatefulSet)
        self._budgets = informers.informer(policy.PodDisruptionBudget)
        self.claims = informers.informer(core.PersistentVolumeClaim)
        self.persistent_volumes = informers.informer(core.PersistentVolume)
        self.storage_classes = informers.informer(storage.StorageClass)
        self.csi_drivers = informers.informer(storage.CSIDriver)
        self.csi_nodes = informers.informer(storage.CSINode)
        self.capacities = informers.informer(storage.CSIStorageCapacity)

    def pod(self, namespace: str, name: str) -> core.Pod | None:
        """The newest known state of a Pod."""
        return self.pods.get(namespace, name)

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Empty if the namespace is not known."""
        found = self._namespaces.get("", name)
        return {} if found is None else found.metadata.labels

    def namespaces(self, selector: labels.Selector) -> Iterable[str]:
        """Names of the namespaces whose labels match."""
        return [one.metadata.name for one in self._namespaces.list("", selector)]

    def services(self, namespace: str) -> Iterable[core.Service]:
        """All of a namespace."""
        return self._services.list(namespace)

    def replication_controller(self, namespace: str, name: str) -> core.ReplicationController | None:
        """One, if it exists."""
        return self._replication_controllers.get(namespace, name)

    def replica_set(self, namespace: str, name: str) -> apps.ReplicaSet | None:
        """One, if it exists."""
        return self._replica_sets.get(namespace, name)

    def stateful_set(self, namespace: str, name: str) -> apps.StatefulSet | None:
        """One, if it exists."""
        return self._stateful_sets.get(namespace, name)

    def disruption_budgets(self) -> Iterable[policy.PodDisruptionBudget]:
        """All of them."""
        return self._budgets.list()

    def claim(self, namespace: str, name: str) -> core.PersistentVolumeClaim | None:
        """One, if it exists."""
        return self.claims.get(namespace, name)

    def volume(self, name: str) -> core.PersistentVolume | None:
        """One, if it exists."""
        return self.persistent_volumes.get("", name)

    def volumes(self) -> Iterable[core.PersistentVolume]:
        """All of them."""
        return self.persistent_volumes.list()

    def storage_class(self, name: str) -> storage.StorageClass | None:
        """One, if it exists."""
        return self.storage_classes.get("", name)

    def csi_driver(self, name: str) -> storage.CSIDriver | None:
        """One, if it exists."""
        return self.csi_drivers.get("", name)

    def csi_node(self, name: str) -> storage.CSINode | None:
        """One, if it exists."""
        return self.csi_nodes.get("", name)

    def storage_capacities(self) -> Iterable[storage.CSIStorageCapacity]:
        """All of them."""
        return self.capacities.list()
