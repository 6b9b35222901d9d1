"""NodeName: a Pod that names its node fits no other.

Upstream: plugins/nodename. Pure.
"""

from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.cluster_events import EventWithHint
from pybernetes.scheduler.node_info import NodeInfo, PodInfo

ERR_REASON = "node(s) didn't match the requested node name"


class NodeName:
    """The plugin."""

    name = "NodeName"
    _no = framework.unresolvable("NodeName", ERR_REASON)

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Only that node."""
        wanted = pod.pod.spec.nodeName
        return framework.PreFilterResult(frozenset((wanted,))) if wanted else framework.SKIP

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> framework.Status | None:
        """The same question again for one node."""
        wanted = pod.pod.spec.nodeName
        return None if not wanted or wanted == node.name else self._no

    def events_to_register(self) -> list[EventWithHint]:
        """The node may appear."""
        return [EventWithHint(cluster_events.NODE_ADD)]
