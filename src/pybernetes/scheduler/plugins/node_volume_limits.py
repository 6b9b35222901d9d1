"""NodeVolumeLimits: a CSI driver attaches only so many volumes to a node.

Upstream: plugins/nodevolumelimits (csi.go; in-tree volumes are not translated to CSI here). Pure.
"""

from pybernetes.api.types import core, storage
from pybernetes.scheduler import cluster_events, framework, volume_matching
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.framework import Status
from pybernetes.scheduler.listers import Listers
from pybernetes.scheduler.node_info import NodeInfo, PodInfo
from pybernetes.scheduler.plugins.volume_binding import after_claim_change

ERR_REASON_MAX_VOLUME_COUNT_EXCEEDED = "node(s) exceed max volume count"


class NodeVolumeLimits:
    """The plugin."""

    name = "NodeVolumeLimits"
    _no = framework.unschedulable("NodeVolumeLimits", ERR_REASON_MAX_VOLUME_COUNT_EXCEEDED)

    def __init__(self, listers: Listers) -> None:
        self._listers = listers

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Only Pods with claims can exceed anything."""
        volumes = self._volumes(pod.pod)
        if not volumes:
            return framework.SKIP
        state["PreFilter" + self.name] = volumes
        return None

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """What is attached and what the Pod adds stay within the driver's limit."""
        wanted: dict[str, str] = state["PreFilter" + self.name]
        limits = _limits(self._listers.csi_nodes.get("", node.name))
        if not limits:
            return None
        attached: dict[str, str] = {}
        for info in node:
            attached.update(self._volumes(info.pod))
        for driver, limit in limits.items():
            new = sum(1 for handle, its in wanted.items() if its == driver and handle not in attached)
            if new and new + sum(1 for its in attached.values() if its == driver) > limit:
                return self._no
        return None

    def _volumes(self, pod: core.Pod) -> dict[str, str]:
        """The CSI volumes of a Pod: a name that is the same for the same volume → driver."""
        result: dict[str, str] = {}
        for name, _ in volume_matching.claim_names(pod):
            claim = self._listers.claims.get(pod.metadata.namespace, name)
            if claim is None:
                continue
            volume = self._listers.volumes.get("", claim.spec.volumeName) if claim.spec.volumeName else None
            if volume is not None:
                if volume.spec.csi is not None:
                    csi = volume.spec.csi
                    result[f"{csi.driver}/{csi.volumeHandle}"] = csi.driver
                continue
            found = self._listers.storage_classes.get("", volume_matching.claim_class(claim))
            if found is not None:
                result[f"{found.provisioner}/{pod.metadata.namespace}/{name}"] = found.provisioner
        return result

    def events_to_register(self) -> list[EventWithHint]:
        """Limits grow, Pods go, claims come."""
        add, update = cluster_events.ADD, cluster_events.UPDATE
        return [
            EventWithHint(ClusterEvent(cluster_events.CSI_NODE, add | update)),
            EventWithHint(cluster_events.ASSIGNED_POD_DELETE),
            EventWithHint(ClusterEvent(cluster_events.PERSISTENT_VOLUME_CLAIM, add), after_claim_change),
        ]


def _limits(csi_node: storage.CSINode | None) -> dict[str, int]:
    if csi_node is None:
        return {}
    return {
        driver.name: driver.allocatable.count
        for driver in csi_node.spec.drivers
        if driver.allocatable is not None and driver.allocatable.count is not None
    }
