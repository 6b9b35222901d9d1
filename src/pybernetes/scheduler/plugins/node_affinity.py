"""NodeAffinity: nodeSelector and node affinity, required and preferred.

Upstream: plugins/nodeaffinity. Pure.
"""

from collections.abc import Sequence
from typing import Any

from pybernetes.api import node_matching
from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.node_info import NodeInfo, PodInfo

ERR_REASON_POD = "node(s) didn't match Pod's node affinity/selector"
ERR_REASON_CONFLICT = "pod affinity terms conflict"


class NodeAffinity:
    """The plugin."""

    name = "NodeAffinity"
    _no = framework.unresolvable("NodeAffinity", ERR_REASON_POD)
    _conflict = framework.unresolvable("NodeAffinity", ERR_REASON_CONFLICT)

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Terms that name nodes narrow the search to those."""
        required = node_matching.required_node_selector(pod.pod.spec)
        if required is None and not pod.pod.spec.nodeSelector:
            return framework.SKIP
        state["PreFilter" + self.name] = node_matching.RequiredNodeAffinity(pod.pod.spec)
        if required is None or not required.nodeSelectorTerms:
            return None
        names: frozenset[str] = frozenset()
        for term in required.nodeSelectorTerms:
            named = [
                frozenset(one.values)
                for one in term.matchFields
                if one.key == node_matching.NAME_FIELD and one.operator == "In"
            ]
            if not named:
                return None
            names |= named[0].intersection(*named[1:])
        return framework.PreFilterResult(names) if names else self._conflict

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> framework.Status | None:
        """The node matches selector and affinity."""
        wanted = state.get("PreFilter" + self.name) or node_matching.RequiredNodeAffinity(pod.pod.spec)
        return None if wanted.matches(node.node) else self._no

    def pre_score(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> framework.Status | None:
        """Nothing to score without preferences."""
        terms = node_matching.preferred_terms(pod.pod)
        if not terms:
            return framework.SKIP
        state["PreScore" + self.name] = terms
        return None

    def score(self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The weights of the terms that match."""
        terms = state["PreScore" + self.name]
        return [sum(weight for term, weight in terms if term.matches(node.node)) for node in nodes]

    def normalize(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
    ) -> None:
        """The best gets 100."""
        framework.default_normalize_score(scores)

    def events_to_register(self) -> list[EventWithHint]:
        """Nodes that are new or get other labels."""
        nodes = ClusterEvent(cluster_events.NODE, cluster_events.ADD | cluster_events.UPDATE_NODE_LABEL)
        return [EventWithHint(nodes, self._after_node_change)]

    @staticmethod
    def _after_node_change(pod: PodInfo, old: Any, new: Any) -> bool:
        wanted = node_matching.RequiredNodeAffinity(pod.pod.spec)
        return wanted.matches(new) and (old is None or not wanted.matches(old))
