"""DefaultPreemption: when no node fits, let less important Pods make room.

While victims are being deleted the Pod is held back: trying it again before they are gone would only find more.
Upstream: plugins/defaultpreemption. Pure.
"""

from collections.abc import Callable
from typing import Any, Protocol

from pybernetes.scheduler import cluster_events, framework, preemption
from pybernetes.scheduler.cluster_events import EventWithHint
from pybernetes.scheduler.framework import Code, NodeToStatus, PostFilterResult, Status
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.runtime import Framework


class Executor(Protocol):
    """Sends victims away, while scheduling goes on."""

    def preempt(self, candidate: preemption.Candidate, preemptor: PodInfo) -> None:
        """Start."""

    def is_running(self, uid: str) -> bool:
        """Whether victims of that Pod are still to be told."""


class DefaultPreemption:
    """The plugin. `profile_of` finds the framework of a scheduler name."""

    name = "DefaultPreemption"
    _wait = framework.unresolvable("DefaultPreemption", "waiting for the preemption for this pod to be finished")

    def __init__(
        self, evaluator: preemption.Evaluator, executor: Executor, profile_of: Callable[[str], Framework]
    ) -> None:
        self._evaluator = evaluator
        self._executor = executor
        self._profile_of = profile_of

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        """Not while its victims are being told."""
        return self._wait if self._executor.is_running(pod.uid) else None

    def post_filter(
        self, state: framework.CycleState, pod: PodInfo, statuses: NodeToStatus
    ) -> tuple[PostFilterResult | None, Status | None]:
        """Pick victims and nominate the Pod for their node."""
        profile = self._profile_of(pod.pod.spec.schedulerName)
        candidate, result, status = self._evaluator.evaluate(profile, state, pod, statuses)
        if candidate is None:
            assert status is not None
            return result, Status(status.code, f"preemption: {status.message}", plugin=self.name, error=status.error)
        self._executor.preempt(candidate, pod)
        text = (
            f"preemption: found a potential placement for pod on node {candidate.node_name}, "
            f"preempting {len(candidate.victims)} victims"
        )
        return PostFilterResult(candidate.node_name), Status(Code.SUCCESS, text)

    def events_to_register(self) -> list[EventWithHint]:
        """Lets a deleted Pod be looked at by the other plugins that refused; never a reason by itself."""
        return [EventWithHint(cluster_events.ASSIGNED_POD_DELETE, self._never)]

    @staticmethod
    def _never(pod: PodInfo, old: Any, new: Any) -> bool:
        return False
