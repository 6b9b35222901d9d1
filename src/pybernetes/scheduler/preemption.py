"""Which Pods of less importance would have to go so that a Pod fits, and on which node that hurts least.

On each node that might help, all less important Pods are taken off for a trial; if the Pod fits then, as many as
possible are put back, those under a PodDisruptionBudget and the most important first. Who is left are the victims.
Of all nodes, the one is picked whose victims break the fewest budgets, then: whose most important victim matters
least, whose sum of priorities is smallest, with the fewest victims, with the youngest most important victim.
Upstream: pkg/scheduler/framework/preemption/preemption.go, plugins/defaultpreemption (SelectVictimsOnNode). Pure.
"""

import dataclasses
import datetime
import random
from collections.abc import Callable, Sequence

from pybernetes.api.types import core, policy
from pybernetes.apimachinery import timestamps
from pybernetes.scheduler import framework, pod_status
from pybernetes.scheduler.framework import Code, CycleState, Diagnosis, FitError, NodeToStatus, Status
from pybernetes.scheduler.listers import Listers
from pybernetes.scheduler.node_info import NodeInfo, PodInfo, selector_of
from pybernetes.scheduler.runtime import Framework

MIN_CANDIDATE_NODES_PERCENTAGE = 10
MIN_CANDIDATE_NODES_ABSOLUTE = 100
NEVER = "Never"


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A node that would do, and the Pods that would have to go, most important first."""

    node_name: str
    victims: tuple[core.Pod, ...]
    pdb_violations: int


class Evaluator:
    """Looks for the node where making room hurts least. Changes nothing."""

    def __init__(
        self, snapshot: framework.Snapshot, listers: Listers, rng: random.Random, now: Callable[[], datetime.datetime]
    ) -> None:
        self._snapshot = snapshot
        self._listers = listers
        self._rng = rng
        self._now = now

    def evaluate(
        self, profile: Framework, state: CycleState, pod: PodInfo, statuses: NodeToStatus
    ) -> tuple[Candidate | None, framework.PostFilterResult | None, Status | None]:
        """The best candidate, or what to answer instead."""
        newest = self._listers.pods.get(pod.pod.metadata.namespace, pod.pod.metadata.name)
        if newest is None:
            failure = framework.PluginFailed(f'pod "{pod.pod.metadata.name}" not found')
            return None, None, framework.as_status(failure)
        pod = pod.with_pod(newest)
        refusal = self._not_eligible(pod, statuses)
        if refusal:
            return None, None, Status(Code.UNSCHEDULABLE, refusal)
        candidates, tried = self._find_candidates(profile, state, pod, statuses)
        if not candidates:
            diagnosis = Diagnosis()
            diagnosis.node_to_status = tried
            tried.absent = Status(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, "Preemption is not helpful for scheduling")
            text = str(FitError(pod.pod, len(self._snapshot.nodes), diagnosis))
            return None, framework.PostFilterResult(""), Status(Code.UNSCHEDULABLE, text)
        return self.select_candidate(candidates), None, None

    def _not_eligible(self, pod: PodInfo, statuses: NodeToStatus) -> str:
        """Why the Pod may not make room right now; "" if it may."""
        if pod.pod.spec.preemptionPolicy == NEVER:
            return "not eligible due to preemptionPolicy=Never."
        nominated = pod.pod.status.nominatedNodeName
        if not nominated or statuses.get(nominated).code == Code.UNSCHEDULABLE_AND_UNRESOLVABLE:
            return ""
        node = self._snapshot.get(nominated)
        for other in node if node is not None else ():
            if other.priority < pod.priority and terminating_by_preemption(other.pod):
                return "not eligible due to a terminating pod on the nominated node."
        return ""

    def _find_candidates(
        self, profile: Framework, state: CycleState, pod: PodInfo, statuses: NodeToStatus
    ) -> tuple[list[Candidate], NodeToStatus]:
        nodes = statuses.nodes_for(self._snapshot, Code.UNSCHEDULABLE)
        tried = NodeToStatus()
        if not nodes:
            return [], tried
        budgets = [*self._listers.disruption_budgets.list()]
        wanted = num_candidates(len(nodes))
        offset = self._rng.randrange(len(nodes))
        harmless: list[Candidate] = []
        violating: list[Candidate] = []
        for node in (*nodes[offset:], *nodes[:offset]):
            found = self.select_victims_on_node(profile, state.clone(), pod, node.clone(), budgets)
            if isinstance(found, Status):
                tried.set(node.name, found)
                continue
            (violating if found.pdb_violations else harmless).append(found)
            if harmless and len(harmless) + len(violating) >= wanted:
                break
        return harmless + violating, tried

    def select_victims_on_node(
        self,
        profile: Framework,
        state: CycleState,
        pod: PodInfo,
        node: NodeInfo,
        budgets: Sequence[policy.PodDisruptionBudget],
    ) -> Candidate | Status:
        """The fewest and least important Pods without whom this Pod fits; `state` and `node` are changed."""
        potential = [other for other in node if other.priority < pod.priority]
        if not potential:
            return Status(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, "No preemption victims found for incoming pod")

        def remove(other: PodInfo) -> None:
            node.remove_pod(other.uid)
            profile.run_remove_pod(state, pod, other, node)

        for other in potential:
            remove(other)
        filters = profile.active_filters(state)
        status = profile.run_filter_with_nominated_pods(filters, state, pod, node)
        if status is not None:
            return status
        potential.sort(key=self._importance)
        violating, harmless = split_by_budgets(potential, budgets)
        victims: list[PodInfo] = []
        violations = 0
        for count, others in ((1, violating), (0, harmless)):
            for other in others:
                node.add_pod(other)
                profile.run_add_pod(state, pod, other, node)
                if profile.run_filter_with_nominated_pods(filters, state, pod, node) is not None:
                    remove(other)
                    victims.append(other)
                    violations += count
        victims.sort(key=self._importance)
        if not victims:
            return framework.as_status(
                framework.PluginFailed(f'expected at least one victim pod on node "{node.name}"')
            )
        return Candidate(node.name, tuple(other.pod for other in victims), violations)

    def _importance(self, pod: PodInfo) -> tuple[int, datetime.datetime]:
        """Sorts the most important first: by priority, then by how long it has been running."""
        return (-pod.priority, self._started(pod.pod))

    def _started(self, pod: core.Pod) -> datetime.datetime:
        return timestamps.parse(pod.status.startTime) if pod.status.startTime else self._now()

    def select_candidate(self, candidates: Sequence[Candidate]) -> Candidate:
        """The one that hurts least."""
        left = [*candidates]
        for cost in (
            lambda one: one.pdb_violations,
            lambda one: _priority(one.victims[0]),
            lambda one: sum(_priority(pod) + 2**31 for pod in one.victims),
            lambda one: len(one.victims),
            lambda one: -self._earliest_start(one).timestamp(),
        ):
            costs = [cost(one) for one in left]
            least = min(costs)
            left = [one for one, its_cost in zip(left, costs, strict=True) if its_cost == least]
            if len(left) == 1:
                break
        return left[0]

    def _earliest_start(self, candidate: Candidate) -> datetime.datetime:
        """Of its most important victims."""
        highest = max(map(_priority, candidate.victims))
        return min(self._started(pod) for pod in candidate.victims if _priority(pod) == highest)


def num_candidates(nodes: int) -> int:
    """How many candidates are enough to choose from."""
    return min(max(nodes * MIN_CANDIDATE_NODES_PERCENTAGE // 100, MIN_CANDIDATE_NODES_ABSOLUTE), nodes)


def split_by_budgets(
    pods: Sequence[PodInfo], budgets: Sequence[policy.PodDisruptionBudget]
) -> tuple[list[PodInfo], list[PodInfo]]:
    """Those whose eviction would break a budget, given that the ones before them are evicted; and the others."""
    rows = [
        (budget, selector_of(budget.spec.selector), budget.metadata.namespace)
        for budget in budgets
        if budget.spec.selector is not None
    ]
    allowed = [budget.status.disruptionsAllowed for budget, _, _ in rows]
    violating: list[PodInfo] = []
    harmless: list[PodInfo] = []
    for info in pods:
        metadata = info.pod.metadata
        breaks = False
        for index, (budget, selector, namespace) in enumerate(rows):
            if namespace != metadata.namespace or not metadata.labels or selector.empty:
                continue
            # One that the API server has already counted as disrupted costs nothing.
            if not selector.matches(metadata.labels) or metadata.name in budget.status.disruptedPods:
                continue
            allowed[index] -= 1
            if allowed[index] < 0:
                breaks = True
                break
        (violating if breaks else harmless).append(info)
    return violating, harmless


def terminating_by_preemption(pod: core.Pod) -> bool:
    """It is on its way out because a scheduler sent it there."""
    if pod.metadata.deletionTimestamp is None:
        return False
    return any(
        one.type == pod_status.DISRUPTION_TARGET
        and one.status == "True"
        and one.reason == pod_status.PREEMPTION_BY_SCHEDULER
        for one in pod.status.conditions
    )


def _priority(pod: core.Pod) -> int:
    return pod.spec.priority or 0
