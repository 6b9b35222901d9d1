"""VolumeZone: volumes that carry zone or region labels are used in that zone or region only.

Upstream: plugins/volumezone. Pure.
"""

from pybernetes.api import node_matching
from pybernetes.scheduler import cluster_events, framework, volume_matching
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.framework import Status
from pybernetes.scheduler.listers import Listers
from pybernetes.scheduler.node_info import NodeInfo, PodInfo
from pybernetes.scheduler.plugins.volume_binding import after_claim_change

ERR_REASON_CONFLICT = "node(s) had no available volume zone"
_GA = {
    "failure-domain.beta.kubernetes.io/zone": node_matching.ZONE,
    "failure-domain.beta.kubernetes.io/region": node_matching.REGION,
}
_TOPOLOGY_LABELS = (*_GA, *_GA.values())
_SEPARATOR = "__"


class VolumeZone:
    """The plugin."""

    name = "VolumeZone"
    _no = framework.unresolvable("VolumeZone", ERR_REASON_CONFLICT)

    def __init__(self, listers: Listers) -> None:
        self._listers = listers

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Collect where the Pod's volumes are."""
        places: list[tuple[str, frozenset[str]]] = []
        for key in pod.pvc_keys:
            namespace, _, name = key.partition("/")
            found = self._places(namespace, name)
            if isinstance(found, str):
                return framework.unresolvable(self.name, found)
            places += found
        if not places:
            return framework.SKIP
        state["PreFilter" + self.name] = places
        return None

    def _places(self, namespace: str, name: str) -> list[tuple[str, frozenset[str]]] | str:
        claim = self._listers.claims.get(namespace, name)
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if not claim.spec.volumeName:
            class_name = volume_matching.claim_class(claim)
            if not class_name:
                return "PersistentVolumeClaim had no pv name and storageClass name"
            found = self._listers.storage_classes.get("", class_name)
            if found is None:
                return f'storageclass.storage.k8s.io "{class_name}" not found'
            if found.volumeBindingMode is None:
                return f'VolumeBindingMode not set for StorageClass "{class_name}"'
            waits = found.volumeBindingMode == volume_matching.WAIT_FOR_FIRST_CONSUMER
            return [] if waits else "PersistentVolume had no name"
        volume = self._listers.volumes.get("", claim.spec.volumeName)
        if volume is None:
            return f'persistentvolume "{claim.spec.volumeName}" not found'
        return [
            (key, frozenset(volume.metadata.labels[key].split(_SEPARATOR)))
            for key in _TOPOLOGY_LABELS
            if key in volume.metadata.labels
        ]

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """The node is there, or says nothing of where it is."""
        present = node.labels
        if not any(key in present for key in _TOPOLOGY_LABELS):
            return None
        for key, values in state["PreFilter" + self.name]:
            value = present.get(key)
            if value is None:
                value = present.get(_GA.get(key, key))
            if value not in values:
                return self._no
        return None

    def events_to_register(self) -> list[EventWithHint]:
        """Classes, nodes, claims and volumes come or change."""
        add, update = cluster_events.ADD, cluster_events.UPDATE
        return [
            EventWithHint(ClusterEvent(cluster_events.STORAGE_CLASS, add)),
            EventWithHint(ClusterEvent(cluster_events.NODE, add | cluster_events.UPDATE_NODE_LABEL)),
            EventWithHint(ClusterEvent(cluster_events.PERSISTENT_VOLUME_CLAIM, add | update), after_claim_change),
            EventWithHint(ClusterEvent(cluster_events.PERSISTENT_VOLUME, add | update)),
        ]
