"""PodTopologySpread: Pods of one kind spread evenly over zones, hosts or any other node label.

Constraints with DoNotSchedule filter, those with ScheduleAnyway score; Pods without any are spread softly over hosts
and zones among the Pods of their Services and controller. How many matching Pods a node has is remembered until the
node changes: between two Pods of one controller that is one node out of all.
Upstream: plugins/podtopologyspread. Pure.
"""

import collections
import dataclasses
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pybernetes.api import node_matching
from pybernetes.api.types import core
from pybernetes.apimachinery import labels
from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.node_info import NodeInfo, PodInfo, selector_of

ERR_REASON_CONSTRAINTS = "node(s) didn't match pod topology spread constraints"
ERR_REASON_LABEL = ERR_REASON_CONSTRAINTS + " (missing required label)"
DO_NOT_SCHEDULE, SCHEDULE_ANYWAY = "DoNotSchedule", "ScheduleAnyway"
SYSTEM_DEFAULTS = (
    core.TopologySpreadConstraint(topologyKey=node_matching.HOSTNAME, whenUnsatisfiable=SCHEDULE_ANYWAY, maxSkew=3),
    core.TopologySpreadConstraint(topologyKey=node_matching.ZONE, whenUnsatisfiable=SCHEDULE_ANYWAY, maxSkew=5),
)
_REMEMBERED = 256
_HONOR = "Honor"


@dataclasses.dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint with defaults filled in and its selector parsed."""

    max_skew: int
    topology_key: str
    selector: labels.Selector
    min_domains: int
    honor_affinity: bool
    honor_taints: bool

    def counts_node(self, pod: core.Pod, node: core.Node, wanted: node_matching.RequiredNodeAffinity) -> bool:
        """Whether Pods on that node count for this one."""
        if self.honor_affinity and not wanted.matches(node):
            return False
        taints = node.spec.taints
        return not (
            self.honor_taints and taints and node_matching.untolerated_taint(taints, pod.spec.tolerations) is not None
        )


def constraints_of(
    source: Iterable[core.TopologySpreadConstraint], pod_labels: Mapping[str, str], action: str
) -> list[Constraint]:
    """Those of one kind."""
    result = []
    for one in source:
        if one.whenUnsatisfiable != action:
            continue
        selector = selector_of(one.labelSelector)
        own = {key: pod_labels[key] for key in one.matchLabelKeys if key in pod_labels}
        if own:
            selector = selector.add(*labels.from_set(own).requirements)
        result.append(
            Constraint(
                one.maxSkew,
                one.topologyKey,
                selector,
                1 if one.minDomains is None else one.minDomains,
                one.nodeAffinityPolicy in (None, _HONOR),
                one.nodeTaintsPolicy == _HONOR,
            )
        )
    return result


class PodTopologySpread:
    """The plugin. `default_selector` finds the Pods that do the same work as a given one."""

    name = "PodTopologySpread"
    _no = framework.unschedulable("PodTopologySpread", ERR_REASON_CONSTRAINTS)
    _no_label = framework.unresolvable("PodTopologySpread", ERR_REASON_LABEL)

    def __init__(self, snapshot: framework.Snapshot, default_selector: Callable[[core.Pod], labels.Selector]) -> None:
        self._snapshot = snapshot
        self._default_selector = default_selector
        self._tallies: collections.OrderedDict[tuple[str, labels.Selector], Tally] = collections.OrderedDict()

    def _constraints(self, pod: core.Pod, action: str) -> list[Constraint]:
        if pod.spec.topologySpreadConstraints:
            return constraints_of(pod.spec.topologySpreadConstraints, pod.metadata.labels, action)
        defaults = constraints_of(SYSTEM_DEFAULTS, pod.metadata.labels, action)
        selector = self._default_selector(pod) if defaults else labels.EVERYTHING
        if selector.empty:
            return []
        return [dataclasses.replace(one, selector=selector) for one in defaults]

    def _tally(self, namespace: str, selector: labels.Selector) -> "Tally":
        key = (namespace, selector)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(namespace, selector)
            if len(self._tallies) > _REMEMBERED:
                self._tallies.popitem(last=False)
        else:
            self._tallies.move_to_end(key)
        tally.refresh(self._snapshot)
        return tally

    # filter

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """Count matching Pods in each domain."""
        constraints = self._constraints(pod.pod, DO_NOT_SCHEDULE)
        if not constraints:
            return framework.SKIP
        wanted = node_matching.RequiredNodeAffinity(pod.pod.spec)
        counts: list[dict[str, int]] = [{} for _ in constraints]
        nodes = [node for node in snapshot.nodes if has_all_labels(node.labels, constraints)]
        for domain, constraint in zip(counts, constraints, strict=True):
            on_node = self._tally(pod.pod.metadata.namespace, constraint.selector).counts
            for node in nodes:
                if constraint.counts_node(pod.pod, node.node, wanted):
                    value = node.labels[constraint.topology_key]
                    domain[value] = domain.get(value, 0) + on_node[node.name]
        state["PreFilter" + self.name] = FilterState(constraints, counts, wanted)
        return None

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> framework.Status | None:
        """One more here must not make the difference too large."""
        kept: FilterState = state["PreFilter" + self.name]
        for index, constraint in enumerate(kept.constraints):
            value = node.labels.get(constraint.topology_key)
            if value is None:
                return self._no_label
            itself = constraint.selector.matches(pod.pod.metadata.labels)
            skew = kept.counts[index].get(value, 0) + itself - kept.minimum(index)
            if skew > constraint.max_skew:
                return self._no
        return None

    def add_pod(self, state: framework.CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        """Count it."""
        self._update(state, pod, added, node, 1)

    def remove_pod(self, state: framework.CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        """Do not count it."""
        self._update(state, pod, removed, node, -1)

    def _update(self, state: framework.CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo, delta: int) -> None:
        kept: FilterState = state["PreFilter" + self.name]
        if other.pod.metadata.namespace != pod.pod.metadata.namespace:
            return
        if not has_all_labels(node.labels, kept.constraints):
            return
        for domain, constraint in zip(kept.counts, kept.constraints, strict=True):
            if constraint.selector.matches(other.pod.metadata.labels) and constraint.counts_node(
                pod.pod, node.node, kept.wanted
            ):
                value = node.labels[constraint.topology_key]
                domain[value] = domain.get(value, 0) + delta
        kept.minima.clear()

    # score

    def pre_score(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> framework.Status | None:
        """Count matching Pods in the domains of the feasible nodes."""
        constraints = self._constraints(pod.pod, SCHEDULE_ANYWAY)
        if not constraints:
            return framework.SKIP
        # The built-in rules also serve nodes without a zone label.
        strict = bool(pod.pod.spec.topologySpreadConstraints)
        ignored = {one.name for one in nodes if strict and not has_all_labels(one.labels, constraints)}
        wanted = node_matching.RequiredNodeAffinity(pod.pod.spec)
        domains: list[dict[str, int]] = []
        weights: list[float] = []
        for constraint in constraints:
            if constraint.topology_key == node_matching.HOSTNAME:
                domains.append({})
                weights.append(math.log(len(nodes) - len(ignored) + 2))
                continue
            values = {one.labels.get(constraint.topology_key, "") for one in nodes if one.name not in ignored}
            domain = dict.fromkeys(values, 0)
            weights.append(math.log(len(domain) + 2))
            domains.append(domain)
            if domain.keys() != {""}:
                self._fill(domain, constraint, constraints if strict else (constraint,), pod.pod, wanted)
        state["PreScore" + self.name] = ScoreState(constraints, ignored, domains, weights)
        return None

    def _fill(
        self,
        domain: dict[str, int],
        constraint: Constraint,
        labelled: Sequence[Constraint],
        pod: core.Pod,
        wanted: node_matching.RequiredNodeAffinity,
    ) -> None:
        key = constraint.topology_key
        tally = self._tally(pod.metadata.namespace, constraint.selector)
        if len(labelled) == 1 and not constraint.honor_taints and (wanted.anything or not constraint.honor_affinity):
            sums = tally.domain(key, self._snapshot)
            for value in domain:
                domain[value] = sums.get(value, 0)
            return
        for node in self._snapshot.nodes:
            if has_all_labels(node.labels, labelled):
                value = node.labels[key]
                if value in domain and constraint.counts_node(pod, node.node, wanted):
                    domain[value] += tally.counts[node.name]

    def score(self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The more matching Pods are there already, the higher."""
        kept: ScoreState = state["PreScore" + self.name]
        totals = [0.0] * len(nodes)
        for constraint, domain, weight in zip(kept.constraints, kept.domains, kept.weights, strict=True):
            key, base = constraint.topology_key, constraint.max_skew - 1
            if key == node_matching.HOSTNAME:
                counts = self._tally(pod.pod.metadata.namespace, constraint.selector).counts
                points = [counts[node.name] * weight + base if key in node.labels else 0.0 for node in nodes]
            else:
                of_value = {value: count * weight + base for value, count in domain.items()}
                of_value.pop("", None)
                points = [of_value.get(node.labels.get(key, ""), 0.0) for node in nodes]
            totals = [*map(operator.add, totals, points)]
        ignored = kept.ignored
        if not ignored:
            return [int(total + 0.5) for total in totals]
        return [0 if node.name in ignored else int(total + 0.5) for node, total in zip(nodes, totals, strict=True)]

    def normalize(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
    ) -> None:
        """The fewest Pods get 100; nodes without the labels get nothing."""
        ignored = state["PreScore" + self.name].ignored
        counted = (
            scores
            if not ignored
            else [score for node, score in zip(nodes, scores, strict=True) if node.name not in ignored]
        )
        largest, smallest = max(counted, default=0), min(counted, default=0)
        if largest:
            top = framework.MAX_NODE_SCORE
            scores[:] = [top * (largest + smallest - score) // largest for score in scores]
        else:
            scores[:] = [framework.MAX_NODE_SCORE] * len(scores)
        if ignored:
            for index, node in enumerate(nodes):
                if node.name in ignored:
                    scores[index] = 0

    # events

    def events_to_register(self) -> list[EventWithHint]:
        """Matching Pods come, go or change labels; nodes come, go or change labels or taints."""
        assigned = cluster_events.ADD | cluster_events.UPDATE_POD_LABEL | cluster_events.DELETE
        target = cluster_events.UPDATE_POD_TOLERATION | cluster_events.UPDATE_POD_LABEL
        nodes = (
            cluster_events.ADD
            | cluster_events.DELETE
            | cluster_events.UPDATE_NODE_LABEL
            | cluster_events.UPDATE_NODE_TAINT
        )
        return [
            EventWithHint(ClusterEvent(cluster_events.ASSIGNED_POD, assigned), self._after_assigned_pod_change),
            EventWithHint(ClusterEvent(cluster_events.TARGET_POD, target), self._after_target_pod_change),
            EventWithHint(ClusterEvent(cluster_events.NODE, nodes), self._after_node_change),
        ]

    def _after_assigned_pod_change(self, pod: PodInfo, old: Any, new: Any) -> bool:
        for one in (old, new):
            if one is None:
                continue
            placed = one.spec.nodeName or one.status.nominatedNodeName
            if not placed or one.metadata.namespace != pod.pod.metadata.namespace:
                return False
        constraints = self._constraints(pod.pod, DO_NOT_SCHEDULE)
        if old is not None and new is not None:
            return _labels_matter(old, new, constraints)
        changed = (new if old is None else old).metadata.labels
        return any(one.selector.matches(changed) for one in constraints)

    def _after_target_pod_change(self, pod: PodInfo, old: Any, new: Any) -> bool:
        constraints = self._constraints(pod.pod, DO_NOT_SCHEDULE)
        if new.spec.tolerations != old.spec.tolerations and any(one.honor_taints for one in constraints):
            return True
        return _labels_matter(old, new, constraints)

    def _after_node_change(self, pod: PodInfo, old: Any, new: Any) -> bool:
        constraints = self._constraints(pod.pod, DO_NOT_SCHEDULE)
        before = old is not None and has_all_labels(old.metadata.labels, constraints)
        after = new is not None and has_all_labels(new.metadata.labels, constraints)
        if old is None or new is None:
            return before or after
        if before != after:
            return True
        keys = {one.topology_key for one in constraints}
        moved = any(old.metadata.labels.get(key) != new.metadata.labels.get(key) for key in keys)
        return after and (moved or old.spec.taints != new.spec.taints)


class Tally:
    """How many matching Pods each node has, kept right node by node as nodes change."""

    __slots__ = ("_domains", "_epoch", "_generation", "_labels", "_namespace", "_selector", "counts")

    def __init__(self, namespace: str, selector: labels.Selector) -> None:
        self._namespace = namespace
        self._selector = selector
        self._epoch = -1
        self._generation = 0
        self._labels: dict[str, Mapping[str, str]] = {}
        self._domains: dict[str, dict[str, int]] = {}
        self.counts: dict[str, int] = {}

    def refresh(self, snapshot: framework.Snapshot) -> None:
        """Count again where something changed."""
        if self._epoch != snapshot.epoch:
            self._epoch = snapshot.epoch
            self._domains.clear()
            self._labels = {node.name: node.labels for node in snapshot.nodes}
            self.counts = {node.name: self._count(node) for node in snapshot.nodes}
        else:
            for node in snapshot.changed_since(self._generation):
                if node.name in self.counts:
                    self._recount(node)
        self._generation = snapshot.generation

    def _recount(self, node: NodeInfo) -> None:
        name = node.name
        before, after = self.counts[name], self._count(node)
        old_labels, new_labels = self._labels[name], node.labels
        if before == after and old_labels is new_labels:
            return
        self.counts[name] = after
        self._labels[name] = new_labels
        for key, domain in self._domains.items():
            if key in old_labels:
                domain[old_labels[key]] -= before
            if key in new_labels:
                domain[new_labels[key]] = domain.get(new_labels[key], 0) + after

    def _count(self, node: NodeInfo) -> int:
        return 0 if self._selector.empty else count_matching(node, self._namespace, self._selector)

    def domain(self, key: str, snapshot: framework.Snapshot) -> Mapping[str, int]:
        """The sum for each value of a node label."""
        domain = self._domains.get(key)
        if domain is None:
            domain = self._domains[key] = {}
            for node in snapshot.nodes:
                value = node.labels.get(key)
                if value is not None:
                    domain[value] = domain.get(value, 0) + self.counts[node.name]
        return domain


class FilterState:
    """Matching Pods per domain, for each constraint."""

    __slots__ = ("constraints", "counts", "minima", "wanted")

    def __init__(
        self,
        constraints: Sequence[Constraint],
        counts: list[dict[str, int]],
        wanted: node_matching.RequiredNodeAffinity,
    ) -> None:
        self.constraints = constraints
        self.counts = counts
        self.wanted = wanted
        self.minima: dict[int, int] = {}

    def minimum(self, index: int) -> int:
        """The emptiest domain's count; 0 while there are fewer domains than wanted."""
        known = self.minima.get(index)
        if known is None:
            domain = self.counts[index]
            # Without any domain nothing is too far from the minimum: upstream's initial MaxInt32.
            known = min(domain.values(), default=2**31 - 1)
            if len(domain) < self.constraints[index].min_domains:
                known = 0
            self.minima[index] = known
        return known

    def clone(self) -> "FilterState":
        """With counts of its own."""
        return FilterState(self.constraints, [{**domain} for domain in self.counts], self.wanted)


@dataclasses.dataclass(frozen=True, slots=True)
class ScoreState:
    """What `score` needs of `pre_score`."""

    constraints: list[Constraint]
    ignored: set[str]
    domains: list[dict[str, int]]
    weights: list[float]


def has_all_labels(present: Mapping[str, str], constraints: Iterable[Constraint]) -> bool:
    """Whether a node is in some domain of every constraint."""
    return all(one.topology_key in present for one in constraints)


def count_matching(node: NodeInfo, namespace: str, selector: labels.Selector) -> int:
    """Pods of a namespace on a node that match and are not on their way out."""
    count = 0
    for info in node:
        metadata = info.pod.metadata
        if metadata.namespace == namespace and metadata.deletionTimestamp is None and selector.matches(metadata.labels):
            count += 1
    return count


def _labels_matter(old: core.Pod, new: core.Pod, constraints: Iterable[Constraint]) -> bool:
    before, after = old.metadata.labels, new.metadata.labels
    return before != after and any(one.selector.matches(before) != one.selector.matches(after) for one in constraints)
