"""InterPodAffinity: Pods that want to be near others, or far from them, or are wanted so by others.

Upstream: plugins/interpodaffinity. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pybernetes.api.types import core
from pybernetes.apimachinery import labels
from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.listers import Listers
from pybernetes.scheduler.node_info import AffinityTerm, NodeInfo, PodInfo, WeightedTerm

ERR_REASON_EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
ERR_REASON_AFFINITY = "node(s) didn't match pod affinity rules"
ERR_REASON_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
HARD_POD_AFFINITY_WEIGHT = 1

Counts = dict[tuple[str, str], int]
"""(topology key, value) → matching terms there."""


class InterPodAffinity:
    """The plugin."""

    name = "InterPodAffinity"
    _no_existing = framework.unschedulable("InterPodAffinity", ERR_REASON_EXISTING)
    _no_affinity = framework.unresolvable("InterPodAffinity", ERR_REASON_AFFINITY)
    _no_anti_affinity = framework.unschedulable("InterPodAffinity", ERR_REASON_ANTI_AFFINITY)

    def __init__(self, snapshot: framework.Snapshot, listers: Listers) -> None:
        self._snapshot = snapshot
        self._listers = listers

    def _merged(self, term: AffinityTerm) -> AffinityTerm:
        """The namespaces that the selector means right now, by name."""
        if term.namespace_selector.empty or not term.namespace_selector.selectable:
            return term
        names = term.namespaces.union(self._listers.namespaces(term.namespace_selector))
        return term._replace(namespaces=names, namespace_selector=labels.NOTHING)

    # filter

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Count, in each domain, what draws the Pod there and what keeps it off."""
        affinity = tuple(map(self._merged, pod.required_affinity))
        anti_affinity = tuple(map(self._merged, pod.required_anti_affinity))
        if not affinity and not anti_affinity and not snapshot.with_required_anti_affinity:
            return framework.SKIP
        namespace_labels = self._listers.namespace_labels(pod.pod.metadata.namespace)
        kept = FilterState(pod.pod, affinity, anti_affinity, namespace_labels)
        for node in snapshot.with_required_anti_affinity.values():
            for other in node.pods_with_required_anti_affinity.values():
                kept.count_existing(other, node, 1)
        if affinity or anti_affinity:
            for node in snapshot.nodes:
                for other in node:
                    kept.count_incoming(other.pod, node, 1)
        if not kept.existing and not affinity and not anti_affinity:
            return framework.SKIP
        state["PreFilter" + self.name] = kept
        return None

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> framework.Status | None:
        """Everything required is near, nothing unwanted is, and nobody there minds."""
        kept: FilterState = state["PreFilter" + self.name]
        present = node.labels
        if kept.affinity and not kept.satisfies_affinity(present):
            return self._no_affinity
        if kept.anti_affinity_counts:
            for term in kept.anti_affinity:
                value = present.get(term.topology_key)
                if value is not None and kept.anti_affinity_counts.get((term.topology_key, value), 0) > 0:
                    return self._no_anti_affinity
        if kept.existing:
            for key, value in present.items():
                if kept.existing.get((key, value), 0) > 0:
                    return self._no_existing
        return None

    def add_pod(self, state: framework.CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        """Count it."""
        kept: FilterState = state["PreFilter" + self.name]
        kept.count_existing(added, node, 1)
        kept.count_incoming(added.pod, node, 1)

    def remove_pod(self, state: framework.CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        """Do not count it."""
        kept: FilterState = state["PreFilter" + self.name]
        kept.count_existing(removed, node, -1)
        kept.count_incoming(removed.pod, node, -1)

    # score

    def pre_score(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> framework.Status | None:
        """Sum up the weights of terms that match, in each domain."""
        near = [WeightedTerm(self._merged(one.term), one.weight) for one in pod.preferred_affinity]
        far = [WeightedTerm(self._merged(one.term), one.weight) for one in pod.preferred_anti_affinity]
        own = bool(near or far)
        if not own and not self._snapshot.with_affinity:
            return framework.SKIP
        namespace_labels = self._listers.namespace_labels(pod.pod.metadata.namespace)
        scores = TopologyScores()
        for node in self._snapshot.nodes if own else self._snapshot.with_affinity.values():
            present = node.labels
            if not present:
                continue
            for other in node.pods.values() if own else node.pods_with_affinity.values():
                scores.add(near, other.pod, None, present, 1)
                scores.add(far, other.pod, None, present, -1)
                if not other.with_affinity:
                    continue
                required = [WeightedTerm(term, HARD_POD_AFFINITY_WEIGHT) for term in other.required_affinity]
                scores.add(required, pod.pod, namespace_labels, present, 1)
                scores.add(other.preferred_affinity, pod.pod, namespace_labels, present, 1)
                scores.add(other.preferred_anti_affinity, pod.pod, namespace_labels, present, -1)
        if not scores:
            return framework.SKIP
        state["PreScore" + self.name] = scores
        return None

    def score(self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The sum over the node's domains."""
        scores: TopologyScores = state["PreScore" + self.name]
        return [
            sum(values.get(node.labels[key], 0) for key, values in scores.items() if key in node.labels)
            for node in nodes
        ]

    def normalize(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
    ) -> None:
        """Stretch from 0 to 100."""
        smallest, largest = min(scores, default=0), max(scores, default=0)
        spread = largest - smallest
        scores[:] = [int(100.0 * ((score - smallest) / spread)) if spread > 0 else 0 for score in scores]

    # events

    def events_to_register(self) -> list[EventWithHint]:
        """Pods come, go or change labels; nodes come or change labels."""
        assigned = cluster_events.ADD | cluster_events.UPDATE_POD_LABEL | cluster_events.DELETE
        nodes = cluster_events.ADD | cluster_events.UPDATE_NODE_LABEL
        return [
            EventWithHint(ClusterEvent(cluster_events.ASSIGNED_POD, assigned), self._after_assigned_pod_change),
            EventWithHint(ClusterEvent(cluster_events.TARGET_POD, cluster_events.UPDATE_POD_LABEL)),
            EventWithHint(ClusterEvent(cluster_events.NODE, nodes), self._after_node_change),
        ]

    @staticmethod
    def _after_assigned_pod_change(pod: PodInfo, old: Any, new: Any) -> bool:
        if any(one is not None and not one.spec.nodeName and not one.status.nominatedNodeName for one in (old, new)):
            return False
        near, far = pod.required_affinity, pod.required_anti_affinity
        if old is not None and new is not None:
            return (not matches_all(near, old) and matches_all(near, new)) or (
                matches_one(far, old) and not matches_one(far, new)
            )
        if new is not None:
            return matches_all(near, new)
        return matches_one(far, old) or matches_one(PodInfo(old).required_anti_affinity, pod.pod)

    @staticmethod
    def _after_node_change(pod: PodInfo, old: Any, new: Any) -> bool:
        after = new.metadata.labels
        near = [term.topology_key for term in pod.required_affinity]
        far = [term.topology_key for term in pod.required_anti_affinity]
        if old is None:
            return bool(far) or any(key in after for key in near)
        before = old.metadata.labels
        return any(key in after and before.get(key) != after[key] for key in near) or any(
            key in before and before[key] != after.get(key) for key in far
        )


class FilterState:
    """What draws one Pod to a domain and what keeps it off."""

    __slots__ = (
        "affinity",
        "affinity_counts",
        "anti_affinity",
        "anti_affinity_counts",
        "existing",
        "namespace_labels",
        "pod",
    )

    def __init__(
        self,
        pod: core.Pod,
        affinity: tuple[AffinityTerm, ...],
        anti_affinity: tuple[AffinityTerm, ...],
        namespace_labels: Mapping[str, str],
    ) -> None:
        self.pod = pod
        self.affinity = affinity
        self.anti_affinity = anti_affinity
        self.namespace_labels = namespace_labels
        self.existing: Counts = {}
        self.affinity_counts: Counts = {}
        self.anti_affinity_counts: Counts = {}

    def count_existing(self, other: PodInfo, node: NodeInfo, delta: int) -> None:
        """Anti-affinity of another Pod against this one."""
        for term in other.required_anti_affinity:
            if term.matches(self.pod, self.namespace_labels):
                _change(self.existing, node, term.topology_key, delta)

    def count_incoming(self, other: core.Pod, node: NodeInfo, delta: int) -> None:
        """This Pod's terms against another one."""
        if matches_all(self.affinity, other):
            for term in self.affinity:
                _change(self.affinity_counts, node, term.topology_key, delta)
        for term in self.anti_affinity:
            if term.matches(other, None):
                _change(self.anti_affinity_counts, node, term.topology_key, delta)

    def satisfies_affinity(self, present: Mapping[str, str]) -> bool:
        """Every term has a match near, or nobody matches anywhere and the Pod is the first of its kind."""
        found = True
        for term in self.affinity:
            value = present.get(term.topology_key)
            if value is None:
                return False
            if self.affinity_counts.get((term.topology_key, value), 0) <= 0:
                found = False
        return found or (not self.affinity_counts and matches_all(self.affinity, self.pod))

    def clone(self) -> "FilterState":
        """With counts of its own."""
        result = FilterState(self.pod, self.affinity, self.anti_affinity, self.namespace_labels)
        result.existing = {**self.existing}
        result.affinity_counts = {**self.affinity_counts}
        result.anti_affinity_counts = {**self.anti_affinity_counts}
        return result


class TopologyScores(dict[str, dict[str, int]]):
    """topology key → value → points."""

    def add(
        self,
        terms: Iterable[WeightedTerm],
        pod: core.Pod,
        namespace_labels: Mapping[str, str] | None,
        present: Mapping[str, str],
        sign: int,
    ) -> None:
        """Add the weights of the terms that match `pod`, in the domains of a node with those labels."""
        for term, weight in terms:
            if term.matches(pod, namespace_labels):
                value = present.get(term.topology_key)
                if value is not None:
                    values = self.setdefault(term.topology_key, {})
                    values[value] = values.get(value, 0) + sign * weight


def matches_all(terms: Sequence[AffinityTerm], pod: core.Pod) -> bool:
    """Whether a Pod matches every one of some terms."""
    return bool(terms) and all(term.matches(pod, None) for term in terms)


def matches_one(terms: Iterable[AffinityTerm], pod: core.Pod) -> bool:
    """Whether a Pod matches one of them."""
    return any(term.matches(pod, None) for term in terms)


def _change(counts: Counts, node: NodeInfo, key: str, delta: int) -> None:
    value = node.labels.get(key)
    if value is None:
        return
    pair = (key, value)
    left = counts.get(pair, 0) + delta
    if left:
        counts[pair] = left
    else:
        counts.pop(pair, None)
