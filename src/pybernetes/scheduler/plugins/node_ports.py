"""NodePorts: host ports are taken once per node.

Upstream: plugins/nodeports. Pure.
"""

from typing import Any

from pybernetes.api import host_ports
from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.cluster_events import EventWithHint
from pybernetes.scheduler.node_info import NodeInfo, PodInfo

ERR_REASON = "node(s) didn't have free ports for the requested pod ports"


class NodePorts:
    """The plugin."""

    name = "NodePorts"
    _no = framework.unschedulable("NodePorts", ERR_REASON)

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Nothing to say about Pods without host ports."""
        return None if pod.host_ports else framework.SKIP

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> framework.Status | None:
        """All of them are free."""
        return self._no if any(map(node.used_ports.conflicts, pod.host_ports)) else None

    def events_to_register(self) -> list[EventWithHint]:
        """Ports become free, nodes appear."""
        return [
            EventWithHint(cluster_events.ASSIGNED_POD_DELETE, self._after_pod_delete),
            EventWithHint(cluster_events.NODE_ADD),
        ]

    @staticmethod
    def _after_pod_delete(pod: PodInfo, old: Any, new: Any) -> bool:
        if not old.spec.nodeName and not old.status.nominatedNodeName:
            return False
        freed = host_ports.HostPorts()
        for port in host_ports.of(old):
            freed.add(port)
        return any(map(freed.conflicts, pod.host_ports))
