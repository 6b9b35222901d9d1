"""From the decision to the bound Pod, while the next decisions are already being made.

    wait on Permit → PreBind → Bind (POST …/binding) → PostBind;   a failure gives the room back and retries the Pod

Path: 13 scheduler picks a node. Upstream: pkg/scheduler/schedule_one.go (bindingCycle, handleBindingCycleError).
"""

import dataclasses

from pybernetes.client import transport
from pybernetes.scheduler import cluster_events, framework
from pybernetes.scheduler.context import SchedulerContext
from pybernetes.scheduler.failure import FailureHandler
from pybernetes.scheduler.framework import CycleState, FitError, Status
from pybernetes.scheduler.node_info import CacheCorrupted, PodInfo
from pybernetes.scheduler.queue import QueuedPodInfo
from pybernetes.scheduler.runtime import Framework
from pybernetes.telemetry import logs, traces

logger = logs.get("scheduler")


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """A Pod that is assumed on a node."""

    profile: Framework
    state: CycleState
    queued: QueuedPodInfo
    assumed: PodInfo
    host: str
    started: float


class BindingCycle:
    """Binds decided Pods."""

    def __init__(self, context: SchedulerContext, failures: FailureHandler) -> None:
        self._context = context
        self._failures = failures

    async def run(self, decision: Decision) -> None:
        """Bind, or clean up and try the Pod again."""
        status = await self._bind(decision)
        if status is not None:
            self.handle_binding_cycle_error(decision, status)

    async def _bind(self, decision: Decision) -> Status | None:
        context, profile, assumed = self._context, decision.profile, decision.assumed
        waits = context.waiting.get(assumed.uid) is not None
        if waits or profile.will_pre_bind(decision.state, assumed, decision.host):
            # Others (an autoscaler, say) should know where it will be, since that takes a while.
            self._failures.update_pod(decision.queued.pod, None, decision.host)
        status = await context.waiting.wait_on_permit(assumed.uid)
        if status is not None:
            return refusal_on(decision, status) if status.rejected else status
        # From here on nothing can make the Pod unschedulable: events need not be kept for it.
        context.queue.done(assumed.uid)
        try:
            status = await profile.run_pre_bind(decision.state, assumed, decision.host)
            if status is not None:
                return status
            traces.step(21, assumed.key, decision.host)
            async with context.bindings:
                status = await profile.run_bind(decision.state, assumed, decision.host)
        except transport.TransportError as error:
            return framework.as_status(error)
        if status is not None:
            return status
        self._bound(decision)
        return None

    def _bound(self, decision: Decision) -> None:
        context, queued, profile = self._context, decision.queued, decision.profile
        pod = decision.assumed.pod
        key = decision.assumed.key
        logger.log(logs.verbosity(2), "Successfully bound pod to node", extra=logs.kv(pod=key, node=decision.host))
        context.event(pod, "Normal", "Scheduled", "Binding", f"Successfully assigned {key} to {decision.host}")
        now = context.clock.monotonic()
        instruments = context.instruments
        instruments.attempts.labels("scheduled", profile.profile_name).inc()
        instruments.attempt_duration.labels("scheduled", profile.profile_name).observe(now - decision.started)
        instruments.pod_attempts.observe(queued.attempts)
        label = "15+" if queued.attempts >= 15 else str(queued.attempts)
        if queued.initial_attempt is not None:
            instruments.sli_duration.labels(label).observe(now - queued.initial_attempt)
        if queued.flushed:
            instruments.scheduled_after_flush.inc()
        profile.run_post_bind(decision.state, decision.assumed, decision.host)

    def handle_binding_cycle_error(self, decision: Decision, status: Status) -> None:
        """The room is free again, which may help others; the Pod itself goes back to the queue."""
        context = self._context
        forgotten = self.unreserve_and_forget(decision)
        if forgotten and not status.rejected:
            self._released(decision)
        self._failures.handle_scheduling_failure(decision.profile, decision.queued, status, "", decision.started)
        if forgotten and status.rejected:
            # After it is back in the queue, and without it: its own room cannot help it.
            uid = decision.assumed.uid
            context.queue.move_all(
                cluster_events.ASSIGNED_POD_DELETE, decision.assumed.pod, None, lambda pod: pod.metadata.uid != uid
            )

    def _released(self, decision: Decision) -> None:
        self._context.queue.move_all(cluster_events.ASSIGNED_POD_DELETE, decision.assumed.pod, None)

    def unreserve_and_forget(self, decision: Decision) -> bool:
        """Undo what `assume` and Reserve did; False if the Pod turns out to be bound after all."""
        decision.profile.run_unreserve(decision.state, decision.assumed, decision.host)
        try:
            self._context.cache.forget(decision.assumed.pod)
        except CacheCorrupted as error:
            logger.error("ForgetPod failed: %s", error, extra=logs.kv(pod=decision.assumed.key))
            return False
        return True


def refusal_on(decision: Decision, status: Status) -> Status:
    """A refusal by Reserve or Permit, told as a FitError about the one node."""
    diagnosis = framework.Diagnosis()
    diagnosis.node_to_status.set(decision.host, status)
    diagnosis.add_plugin_status(status)
    return Status(status.code, plugin=status.plugin, error=FitError(decision.queued.pod, 1, diagnosis))
