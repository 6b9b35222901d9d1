"""A Pod that was not scheduled: back to the queue, and its status and an Event say why.

Path: 13 scheduler picks a node. Upstream: pkg/scheduler/schedule_one.go (handleSchedulingFailure).
"""

from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import transport
from pybernetes.scheduler import framework, pod_status
from pybernetes.scheduler.context import SchedulerContext
from pybernetes.scheduler.framework import Status
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.queue import QueuedPodInfo
from pybernetes.scheduler.runtime import Framework
from pybernetes.telemetry import logs

logger = logs.get("scheduler")


class FailureHandler:
    """What happens after a failed attempt."""

    def __init__(self, context: SchedulerContext) -> None:
        self._context = context
        self._pods = context.client.resource(core.Pod)

    def handle_scheduling_failure(
        self, profile: Framework, queued: QueuedPodInfo, status: Status, nominated: str | None, started: float
    ) -> None:
        """`status` is a refusal or an error; `nominated` where the Pod is expected now ("" nowhere, None no news)."""
        context = self._context
        refused = status.rejected
        outcome = "unschedulable" if refused else "error"
        context.instruments.attempts.labels(outcome, profile.profile_name).inc()
        duration = context.clock.monotonic() - started
        context.instruments.attempt_duration.labels(outcome, profile.profile_name).observe(duration)
        queued.unschedulable_plugins = set()
        queued.pending_plugins = set()
        queued.gating_plugin = ""
        if isinstance(status.error, framework.FitError):
            diagnosis = status.error.diagnosis
            queued.unschedulable_plugins = diagnosis.unschedulable_plugins
            queued.pending_plugins = diagnosis.pending_plugins
        message = status.message
        if refused:
            logger.info("Unable to schedule pod; waiting", extra=logs.kv(pod=queued.key, err=message))
        else:
            logger.error("Error scheduling pod; retrying", extra=logs.kv(pod=queued.key, err=message))
        pod = self._requeue(queued, nominated)
        if pod is None:
            return
        context.event(pod, "Warning", "FailedScheduling", "Scheduling", pod_status.truncate_message(message))
        reason = pod_status.UNSCHEDULABLE if refused else pod_status.SCHEDULER_ERROR
        self.update_pod(pod, pod_status.not_scheduled(reason, message), nominated)

    def _requeue(self, queued: QueuedPodInfo, nominated: str | None) -> core.Pod | None:
        """Back into the queue in its newest state, unless it is gone, bound or another one by now."""
        context = self._context
        metadata = queued.pod.metadata
        newest = context.listers.pods.get(metadata.namespace, metadata.name)
        if newest is None or newest.metadata.uid != metadata.uid or newest.spec.nodeName:
            context.queue.done(queued.uid)
            return None
        queued.info = PodInfo(newest)
        context.queue.add_unschedulable(queued)
        context.queue.nominator.add(queued.info, nominated)
        return newest

    def update_pod(self, pod: core.Pod, condition: core.PodCondition | None, nominated: str | None) -> None:
        """Write the status, if that is news; scheduling goes on meanwhile."""
        patch = pod_status.patch(pod, condition, nominated, self._context.clock.now())
        if patch is not None:
            self._context.group.start(self._write(pod, patch), f"status of {pod.metadata.name}")

    async def _write(self, pod: core.Pod, patch: dict[str, object]) -> None:
        metadata = pod.metadata
        try:
            await self._pods.patch(metadata.name, patch, metadata.namespace, type="strategic", subresource="status")
        except (errors.NotFound, errors.Conflict):
            return  # it is gone, or another Pod has its name
        except (errors.StatusError, transport.TransportError) as error:
            logger.error("Error updating pod", extra=logs.kv(pod=metadata.name, err=str(error)))
