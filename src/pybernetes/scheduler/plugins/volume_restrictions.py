"""VolumeRestrictions: a claim with ReadWriteOncePod serves one Pod at a time; some disks one node's writer at a time.

Upstream: plugins/volumerestrictions. Pure.
"""

from typing import Any

from pybernetes.api.types import core
from pybernetes.scheduler import cluster_events, framework, volume_matching
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.framework import Status
from pybernetes.scheduler.listers import Listers
from pybernetes.scheduler.node_info import NodeInfo, PodInfo
from pybernetes.scheduler.plugins.volume_binding import after_claim_change

ERR_REASON_DISK_CONFLICT = "node(s) had no available disk"
ERR_REASON_READ_WRITE_ONCE_POD_CONFLICT = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


class State:
    """The Pod's exclusive claims and how many of them are in use."""

    __slots__ = ("conflicts", "keys")

    def __init__(self, keys: frozenset[str], conflicts: int) -> None:
        self.keys = keys
        self.conflicts = conflicts

    def clone(self) -> "State":
        """With a count of its own."""
        return State(self.keys, self.conflicts)


class VolumeRestrictions:
    """The plugin."""

    name = "VolumeRestrictions"
    _disk = framework.unschedulable("VolumeRestrictions", ERR_REASON_DISK_CONFLICT)
    _in_use = framework.unschedulable("VolumeRestrictions", ERR_REASON_READ_WRITE_ONCE_POD_CONFLICT)

    def __init__(self, listers: Listers) -> None:
        self._listers = listers

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Find exclusive claims that some Pod uses already."""
        if not pod.pod.spec.volumes:
            return framework.SKIP
        keys = set()
        for key in pod.pvc_keys:
            namespace, _, name = key.partition("/")
            claim = self._listers.claims.get(namespace, name)
            if claim is None:
                return framework.unresolvable(self.name, f'persistentvolumeclaim "{name}" not found')
            if volume_matching.READ_WRITE_ONCE_POD in claim.spec.accessModes:
                keys.add(key)
        conflicts = sum(any(key in node.pvc_ref_counts for node in snapshot.nodes) for key in keys)
        if not conflicts and not any(map(_is_disk, pod.pod.spec.volumes)):
            return framework.SKIP
        state["PreFilter" + self.name] = State(frozenset(keys), conflicts)
        return None

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """No disk of the Pod is held on the node, no exclusive claim anywhere."""
        for volume in filter(_is_disk, pod.pod.spec.volumes):
            if any(_conflict(volume, other) for info in node for other in info.pod.spec.volumes):
                return self._disk
        kept: State = state["PreFilter" + self.name]
        return self._in_use if kept.conflicts > 0 else None

    def add_pod(self, state: framework.CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        """It may use such a claim."""
        self._update(state, added, 1)

    def remove_pod(self, state: framework.CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        """It no longer does."""
        self._update(state, removed, -1)

    def _update(self, state: framework.CycleState, other: PodInfo, delta: int) -> None:
        kept: State = state["PreFilter" + self.name]
        kept.conflicts += delta * sum(key in kept.keys for key in other.pvc_keys)

    def events_to_register(self) -> list[EventWithHint]:
        """Pods that used such volumes go; claims and nodes come."""
        claims = ClusterEvent(cluster_events.PERSISTENT_VOLUME_CLAIM, cluster_events.ADD | cluster_events.UPDATE)
        return [
            EventWithHint(cluster_events.ASSIGNED_POD_DELETE, self._after_pod_delete),
            EventWithHint(cluster_events.NODE_ADD),
            EventWithHint(claims, after_claim_change),
        ]

    @staticmethod
    def _after_pod_delete(pod: PodInfo, old: Any, new: Any) -> bool:
        gone = PodInfo(old)
        if any(key in gone.pvc_keys for key in pod.pvc_keys):
            return True
        disks = [volume for volume in pod.pod.spec.volumes if _is_disk(volume)]
        return any(_conflict(disk, other) for disk in disks for other in old.spec.volumes)


def _is_disk(volume: core.Volume) -> bool:
    return any((volume.gcePersistentDisk, volume.awsElasticBlockStore, volume.rbd, volume.iscsi))


def _conflict(one: core.Volume, other: core.Volume) -> bool:
    """Whether both are the same disk and one of them writes."""
    if one.gcePersistentDisk and other.gcePersistentDisk:
        gce, its_gce = one.gcePersistentDisk, other.gcePersistentDisk
        if gce.pdName == its_gce.pdName and not (gce.readOnly and its_gce.readOnly):
            return True
    if one.awsElasticBlockStore and other.awsElasticBlockStore:
        if one.awsElasticBlockStore.volumeID == other.awsElasticBlockStore.volumeID:
            return True
    if one.iscsi and other.iscsi and one.iscsi.iqn == other.iscsi.iqn:
        if not (one.iscsi.readOnly and other.iscsi.readOnly):
            return True
    if one.rbd and other.rbd:
        rbd, its_rbd = one.rbd, other.rbd
        same = (rbd.pool, rbd.image) == (its_rbd.pool, its_rbd.image)
        if same and {*rbd.monitors} & {*its_rbd.monitors} and not (rbd.readOnly and its_rbd.readOnly):
            return True
    return False
