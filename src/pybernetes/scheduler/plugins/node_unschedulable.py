"""NodeUnschedulable: cordoned nodes take no new Pods.

Upstream: plugins/nodeunschedulable. Pure.
"""

from typing import Any

from pybernetes.api import node_matching
from pybernetes.api.types import core
from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.node_info import NodeInfo, PodInfo

ERR_REASON = "node(s) were unschedulable"
TAINT = core.Taint(key="node.kubernetes.io/unschedulable", effect=node_matching.NO_SCHEDULE)


class NodeUnschedulable:
    """The plugin."""

    name = "NodeUnschedulable"
    _no = framework.unresolvable("NodeUnschedulable", ERR_REASON)

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> framework.Status | None:
        """Cordoned, and the Pod does not tolerate it."""
        if not node.node.spec.unschedulable or node_matching.any_tolerates(pod.pod.spec.tolerations, TAINT):
            return None
        return self._no

    def events_to_register(self) -> list[EventWithHint]:
        """Nodes that are new or uncordoned; a new toleration."""
        nodes = ClusterEvent(cluster_events.NODE, cluster_events.ADD | cluster_events.UPDATE_NODE_TAINT)
        pod = ClusterEvent(cluster_events.TARGET_POD, cluster_events.UPDATE_POD_TOLERATION)
        return [EventWithHint(nodes, self._after_node_change), EventWithHint(pod, self._after_toleration_change)]

    @staticmethod
    def _after_node_change(pod: PodInfo, old: Any, new: Any) -> bool:
        return (old is None or old.spec.unschedulable) and not new.spec.unschedulable

    @staticmethod
    def _after_toleration_change(pod: PodInfo, old: Any, new: Any) -> bool:
        return node_matching.any_tolerates(new.spec.tolerations, TAINT)
