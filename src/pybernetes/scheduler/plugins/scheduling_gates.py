"""SchedulingGates: a Pod with gates is not tried until the last one is taken away.

Upstream: plugins/schedulinggates. Pure.
"""

from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.node_info import PodInfo


class SchedulingGates:
    """The plugin."""

    name = "SchedulingGates"

    def pre_enqueue(self, pod: PodInfo) -> framework.Status | None:
        """Hold it back while it has gates."""
        gates = pod.pod.spec.schedulingGates
        if not gates:
            return None
        listed = " ".join(gate.name for gate in gates)
        return framework.unresolvable(self.name, f"waiting for scheduling gates: [{listed}]")

    def events_to_register(self) -> list[EventWithHint]:
        """Only the Pod's own gates matter."""
        gone = ClusterEvent(cluster_events.TARGET_POD, cluster_events.UPDATE_POD_SCHEDULING_GATES_ELIMINATED)
        return [EventWithHint(gone)]
