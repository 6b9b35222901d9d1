"""TaintToleration: taints keep Pods off that do not tolerate them; PreferNoSchedule only costs points.

Upstream: plugins/tainttoleration. Pure.
"""

from collections.abc import Sequence
from typing import Any

from pybernetes.api import node_matching
from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.node_info import NodeInfo, PodInfo

ERR_REASON = "node(s) had untolerated taint(s)"


class TaintToleration:
    """The plugin."""

    name = "TaintToleration"
    _no = framework.unresolvable("TaintToleration", ERR_REASON)

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> framework.Status | None:
        """No taint that keeps the Pod off."""
        taints = node.taints
        if not taints or node_matching.untolerated_taint(taints, pod.pod.spec.tolerations) is None:
            return None
        return self._no

    def pre_score(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> framework.Status | None:
        """Keep the tolerations that can cover PreferNoSchedule."""
        state["PreScore" + self.name] = [
            one for one in pod.pod.spec.tolerations if one.effect in ("", node_matching.PREFER_NO_SCHEDULE)
        ]
        return None

    def score(self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """How many such taints are not covered."""
        tolerations = state["PreScore" + self.name]
        scores = []
        for node in nodes:
            taints = node.taints
            score = 0
            if taints:
                for taint in taints:
                    if taint.effect == node_matching.PREFER_NO_SCHEDULE:
                        score += not node_matching.any_tolerates(tolerations, taint)
            scores.append(score)
        return scores

    def normalize(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
    ) -> None:
        """The fewer the better."""
        framework.default_normalize_score(scores, reverse=True)

    def events_to_register(self) -> list[EventWithHint]:
        """Nodes that are new or lose taints; a new toleration."""
        nodes = ClusterEvent(cluster_events.NODE, cluster_events.ADD | cluster_events.UPDATE_NODE_TAINT)
        pod = ClusterEvent(cluster_events.TARGET_POD, cluster_events.UPDATE_POD_TOLERATION)
        return [EventWithHint(nodes, self._after_node_change), EventWithHint(pod)]

    @staticmethod
    def _after_node_change(pod: PodInfo, old: Any, new: Any) -> bool:
        tolerations = pod.pod.spec.tolerations
        kept_off = old is None or node_matching.untolerated_taint(old.spec.taints, tolerations) is not None
        return kept_off and node_matching.untolerated_taint(new.spec.taints, tolerations) is None
