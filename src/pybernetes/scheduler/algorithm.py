"""Finds the node for one Pod: filter, score, pick.

Not all nodes are looked at in a large cluster: once enough fit (half of 100 nodes, 5 % of thousands) the search stops,
and the next Pod's starts where this one's ended. Budget: 500 nodes, 1 ms a Pod (tests/bench/scheduler.py).
Path: 13 scheduler picks a node. Upstream: pkg/scheduler/schedule_one.go (schedulePod). Pure.
"""

import dataclasses
import random
from collections.abc import Sequence

from pybernetes.scheduler import framework
from pybernetes.scheduler.framework import Code, CycleState, Diagnosis, FitError, Status
from pybernetes.scheduler.node_info import NodeInfo, PodInfo
from pybernetes.scheduler.runtime import Framework

MIN_FEASIBLE_NODES_TO_FIND = 100
MIN_FEASIBLE_NODES_PERCENTAGE_TO_FIND = 5


@dataclasses.dataclass(frozen=True, slots=True)
class ScheduleResult:
    """The node, and how many were looked at and fit."""

    suggested_host: str
    evaluated_nodes: int
    feasible_nodes: int


class Algorithm:
    """Remembers where the last search ended."""

    def __init__(self, percentage_of_nodes_to_score: int, rng: random.Random) -> None:
        self._percentage = percentage_of_nodes_to_score
        self._rng = rng
        self.next_start_node_index = 0

    def schedule_pod(
        self, profile: Framework, state: CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> ScheduleResult:
        """Raises NoNodesAvailable, FitError, or PluginFailed."""
        if not snapshot.nodes:
            raise framework.NoNodesAvailable
        diagnosis = Diagnosis()
        feasible = self._find_nodes_that_fit(profile, state, pod, snapshot, diagnosis)
        if not feasible:
            raise FitError(pod.pod, len(snapshot.nodes), diagnosis)
        evaluated = len(feasible) + len(diagnosis.node_to_status)
        if len(feasible) == 1:
            return ScheduleResult(feasible[0].name, evaluated, 1)
        scores = prioritize_nodes(profile, state, pod, feasible)
        return ScheduleResult(self.select_host(feasible, scores), evaluated, len(feasible))

    def select_host(self, nodes: Sequence[NodeInfo], scores: Sequence[int]) -> str:
        """One of the best, at random."""
        best = max(scores)
        candidates = [node for node, score in zip(nodes, scores, strict=True) if score == best]
        return candidates[0].name if len(candidates) == 1 else self._rng.choice(candidates).name

    def _find_nodes_that_fit(
        self,
        profile: Framework,
        state: CycleState,
        pod: PodInfo,
        snapshot: framework.Snapshot,
        diagnosis: Diagnosis,
    ) -> list[NodeInfo]:
        narrowed = profile.run_pre_filter(state, pod, snapshot)
        diagnosis.unschedulable_plugins |= narrowed.plugins
        status = narrowed.status
        if status is not None:
            if not status.rejected:
                raise framework.PluginFailed(status.message)
            diagnosis.node_to_status.absent = status
            diagnosis.pre_filter_message = status.message
            diagnosis.add_plugin_status(status)
            return []
        nominated = pod.pod.status.nominatedNodeName
        if nominated and (node := snapshot.get(nominated)) is not None:
            found = self._find_nodes_that_pass_filters(profile, state, pod, diagnosis, [node])
            if found:
                return found
        nodes: Sequence[NodeInfo] = snapshot.nodes
        if narrowed.node_names is not None:
            nodes = [node for name in sorted(narrowed.node_names) if (node := snapshot.get(name)) is not None]
            listed = " ".join(sorted(narrowed.plugins))
            diagnosis.node_to_status.absent = Status(
                Code.UNSCHEDULABLE_AND_UNRESOLVABLE, f"node(s) didn't satisfy plugin(s) [{listed}]"
            )
        found = self._find_nodes_that_pass_filters(profile, state, pod, diagnosis, nodes)
        processed = len(found) + len(diagnosis.node_to_status)
        self.next_start_node_index = (self.next_start_node_index + processed) % len(snapshot.nodes)
        return found

    def _find_nodes_that_pass_filters(
        self, profile: Framework, state: CycleState, pod: PodInfo, diagnosis: Diagnosis, nodes: Sequence[NodeInfo]
    ) -> list[NodeInfo]:
        count = len(nodes)
        if not count:
            return []
        wanted = self.num_feasible_nodes_to_find(profile.percentage_of_nodes_to_score, count)
        if not profile.has_score_plugins:
            wanted = 1
        start = self.next_start_node_index % count
        filters = profile.active_filters(state)
        check = profile.run_filter_with_nominated_pods if profile.has_nominations() else None
        found: list[NodeInfo] = []
        for index in range(start, start + count):
            node = nodes[index if index < count else index - count]
            status = None
            if check is not None:
                status = check(filters, state, pod, node)
            else:
                for function in filters:
                    status = function(state, pod, node)
                    if status is not None:
                        break
            if status is None:
                found.append(node)
                if len(found) >= wanted:
                    break
            elif status.code == Code.ERROR:
                raise framework.PluginFailed(f'running "{status.plugin}" filter plugin: {status.message}')
            else:
                diagnosis.node_to_status.set(node.name, status)
                diagnosis.add_plugin_status(status)
        return found

    def num_feasible_nodes_to_find(self, of_profile: int | None, node_count: int) -> int:
        """How many fitting nodes are enough."""
        if node_count < MIN_FEASIBLE_NODES_TO_FIND:
            return node_count
        percentage = self._percentage if of_profile is None else of_profile
        if percentage == 0:
            percentage = max(50 - node_count // 125, MIN_FEASIBLE_NODES_PERCENTAGE_TO_FIND)
        return max(node_count * percentage // 100, MIN_FEASIBLE_NODES_TO_FIND)


def prioritize_nodes(profile: Framework, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
    """A score for each node."""
    if not profile.has_score_plugins:
        return [1] * len(nodes)
    status = profile.run_pre_score(state, pod, nodes)
    if status is not None:
        raise framework.PluginFailed(status.message)
    return profile.run_score(state, pod, nodes)
