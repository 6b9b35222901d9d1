"""Sends the victims of a preemption away: condition, delete, Event; beside the scheduling of other Pods.

The last victim goes last: its deletion is the event that brings the waiting Pod back, so everything else is done then.
Upstream: pkg/scheduler/framework/preemption/executor.go.
"""

from collections.abc import Callable

from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import transport
from pybernetes.scheduler import pod_status, preemption
from pybernetes.scheduler.context import SchedulerContext
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.telemetry import logs

logger = logs.get("scheduler")


class PreemptionExecutor:
    """`plugins.default_preemption.Executor` on the API. `context` is looked up late: plugins are built first."""

    def __init__(self, context: Callable[[], SchedulerContext]) -> None:
        self._context = context
        self._running: dict[str, core.Pod | None] = {}
        """uid of the waiting Pod → its last victim, once that is all that is left to do."""

    def is_running(self, uid: str) -> bool:
        """False as well when the last victim is known to be going: the answer to its delete may only be late."""
        if uid not in self._running:
            return False
        last = self._running[uid]
        if last is None:
            return True
        newest = self._context().listers.pods.get(last.metadata.namespace, last.metadata.name)
        return newest is not None and newest.metadata.deletionTimestamp is None

    def preempt(self, candidate: preemption.Candidate, preemptor: PodInfo) -> None:
        """Start sending them away."""
        context = self._context()
        context.instruments.preemption_victims.observe(len(candidate.victims))
        victims = [pod for pod in candidate.victims if pod.metadata.deletionTimestamp is None]
        if not victims:
            return
        self._running[preemptor.uid] = None
        context.group.start(self._run(candidate.node_name, victims, preemptor), f"preemption for {preemptor.key}")

    async def _run(self, node_name: str, victims: list[core.Pod], preemptor: PodInfo) -> None:
        context = self._context()
        logger.log(
            logs.verbosity(2),
            "Start the preemption asynchronously",
            extra=logs.kv(preemptor=preemptor.key, node=node_name, victims=len(victims)),
        )
        *others, last = victims
        try:
            await self._clear_nominations(node_name, preemptor)
            deletions = (self._preempt_pod(pod, node_name, preemptor) for pod in others)
            await tasks.gather(*deletions, name=f"preemption for {preemptor.key}")
            self._running[preemptor.uid] = last
            await self._preempt_pod(last, node_name, preemptor)
        except (errors.StatusError, transport.TransportError) as error:
            logger.error("Error occurred during async preemption", extra=logs.kv(pod=preemptor.key, err=str(error)))
            del self._running[preemptor.uid]
            context.queue.activate([preemptor.pod])
        else:
            del self._running[preemptor.uid]

    async def _clear_nominations(self, node_name: str, preemptor: PodInfo) -> None:
        """Less important Pods that were promised this node must look elsewhere."""
        context = self._context()
        pods = context.client.resource(core.Pod)
        for other in context.queue.nominator.for_node(node_name):
            if other.priority >= preemptor.priority:
                continue
            metadata = other.pod.metadata
            patch = {"metadata": {"uid": metadata.uid}, "status": {"nominatedNodeName": None}}
            try:
                await pods.patch(metadata.name, patch, metadata.namespace, type="strategic", subresource="status")
            except (errors.NotFound, errors.Conflict):
                continue

    async def _preempt_pod(self, victim: core.Pod, node_name: str, preemptor: PodInfo) -> None:
        context = self._context()
        if not context.waiting.reject(victim.metadata.uid, "DefaultPreemption", "preempted"):
            try:
                await self._delete(victim, preemptor.pod.spec.schedulerName)
            except (errors.NotFound, errors.Conflict):
                return  # it is gone already
        context.recorders[preemptor.pod.spec.schedulerName].event(
            victim,
            "Normal",
            "Preempted",
            f"Preempted by pod {preemptor.uid} on node {node_name}",
            action="Preempting",
            related=preemptor.pod,
        )

    async def _delete(self, victim: core.Pod, scheduler_name: str) -> None:
        context = self._context()
        pods = context.client.resource(core.Pod)
        metadata = victim.metadata
        condition = core.PodCondition(
            type=pod_status.DISRUPTION_TARGET,
            status="True",
            reason=pod_status.PREEMPTION_BY_SCHEDULER,
            message=f"{scheduler_name}: preempting to accommodate a higher priority pod",
        )
        patch = pod_status.patch(victim, condition, None, context.clock.now())
        if patch is not None:
            await pods.patch(metadata.name, patch, metadata.namespace, type="strategic", subresource="status")
        await pods.delete(metadata.name, metadata.namespace, uid=metadata.uid)
