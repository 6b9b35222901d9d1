"""What the scheduler writes into a Pod's status: that it could not be scheduled, and where it is expected.

Upstream: pkg/scheduler/schedule_one.go (updatePod), pkg/scheduler/util (PatchPodStatus). Pure.
"""

import datetime
from typing import Any

from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps

POD_SCHEDULED, DISRUPTION_TARGET = "PodScheduled", "DisruptionTarget"
UNSCHEDULABLE, SCHEDULER_ERROR = "Unschedulable", "SchedulerError"
PREEMPTION_BY_SCHEDULER = "PreemptionByScheduler"
NOTE_LENGTH_LIMIT = 1024


def not_scheduled(reason: str, message: str) -> core.PodCondition:
    """The condition of a Pod that found no node."""
    return core.PodCondition(type=POD_SCHEDULED, status="False", reason=reason, message=message)


def patch(
    pod: core.Pod, condition: core.PodCondition | None, nominated_node_name: str | None, now: datetime.datetime
) -> dict[str, Any] | None:
    """A strategic merge patch of the status, or None if it says all that already; no nomination (None) leaves it."""
    status: dict[str, Any] = {}
    if condition is not None and (changed := _condition(pod, condition, now)) is not None:
        status["conditions"] = [changed]
    if nominated_node_name is not None and nominated_node_name != pod.status.nominatedNodeName:
        status["nominatedNodeName"] = nominated_node_name or None
    if not status:
        return None
    return {"metadata": {"uid": pod.metadata.uid}, "status": status}


def _condition(pod: core.Pod, wanted: core.PodCondition, now: datetime.datetime) -> dict[str, Any] | None:
    generation = pod.metadata.generation
    old = next((one for one in pod.status.conditions if one.type == wanted.type), None)
    if old is not None and (
        (old.status, old.reason, old.message, old.observedGeneration)
        == (wanted.status, wanted.reason, wanted.message, generation)
    ):
        return None
    moment = old.lastTransitionTime if old is not None and old.status == wanted.status else ""
    result: dict[str, Any] = {
        "type": wanted.type,
        "status": wanted.status,
        "lastProbeTime": None,
        "lastTransitionTime": moment or timestamps.format_time(now),
        "reason": wanted.reason,
        "message": wanted.message,
    }
    if generation:
        result["observedGeneration"] = generation
    return result


def truncate_message(message: str) -> str:
    """As much as an Event's note may hold."""
    suffix = " ..."
    return message if len(message) <= NOTE_LENGTH_LIMIT else message[: NOTE_LENGTH_LIMIT - len(suffix)] + suffix
