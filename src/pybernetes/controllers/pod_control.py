"""Create and delete Pods for a controller: the seam between its decisions and the API.

Path: 12 controller makes Pods.
Upstream: pkg/controller/controller_utils.go (RealPodControl, GetPodFromTemplate, ActivePodsWithRanks).
"""

import datetime
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

from pybernetes.aio import tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import events, informer, rest, transport
from pybernetes.telemetry import traces

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
FAILURES = (errors.StatusError, transport.TransportError)
"""How a request may fail; anything else is a bug."""
_CONTROLLER_INDEX = "controllerUID"
_NODE_INDEX = "spec.nodeName"


class PodControl(Protocol):
    """What controllers may do with Pods."""

    async def create_pods(
        self, namespace: str, template: core.PodTemplateSpec, owner: meta.Object, reference: meta.OwnerReference
    ) -> core.Pod:
        """Make one Pod from the template, owned by `reference`. Raises Status errors."""

    async def delete_pod(self, namespace: str, name: str, owner: meta.Object) -> None:
        """Delete one Pod. Raises Status errors."""


def validate_controller_ref(reference: meta.OwnerReference) -> None:
    """Refuse a reference that would not make its owner the controller. Raises ValueError."""
    for field in ("apiVersion", "kind"):
        if not getattr(reference, field):
            raise ValueError(f"controllerRef has empty {'APIVersion' if field == 'apiVersion' else 'Kind'}")
    if not reference.controller:
        raise ValueError("controllerRef.Controller is not set to true")
    if not reference.blockOwnerDeletion:
        raise ValueError("controllerRef.BlockOwnerDeletion is not set")


def get_pod_from_template(
    template: core.PodTemplateSpec, owner: meta.Object, reference: meta.OwnerReference
) -> dict[str, Any]:
    """The Pod to post: labels, annotations, finalizers and spec of the template, a generated name, no node."""
    metadata: dict[str, Any] = {
        "generateName": f"{owner.metadata.name}-",
        "labels": dict(template.metadata.labels),
        "ownerReferences": [meta.to_dict(reference)],
    }
    if template.metadata.annotations:
        metadata["annotations"] = dict(template.metadata.annotations)
    if template.metadata.finalizers:
        metadata["finalizers"] = list(template.metadata.finalizers)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": meta.to_dict(template.spec)}


class RealPodControl:
    """Pods through the API, with an event on the owner for each outcome."""

    def __init__(self, client: rest.Client, recorder: events.EventRecorder) -> None:
        self._pods = client.resource(core.Pod)
        self._recorder = recorder

    async def create_pods(
        self,
        namespace: str,
        template: core.PodTemplateSpec,
        owner: meta.Object,
        reference: meta.OwnerReference,
        *,
        generate_name: str = "",
    ) -> core.Pod:
        """Post one Pod."""
        traces.step(14, meta.key(owner))
        validate_controller_ref(reference)
        pod = get_pod_from_template(template, owner, reference)
        if generate_name:
            pod["metadata"]["generateName"] = generate_name
        traces.step(15, meta.key(owner), pod["metadata"]["generateName"])
        try:
            created = await self._pods.create(pod, namespace)
        except errors.StatusError as error:
            if not namespace_terminating(error):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {created.metadata.name}")
        return created

    async def delete_pod(self, namespace: str, name: str, owner: meta.Object) -> None:
        """Delete one Pod; one that is gone already raises errors.NotFound."""
        try:
            await self._pods.delete(name, namespace)
        except errors.NotFound:
            raise
        except errors.StatusError as error:
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")


async def slow_start_batch(
    count: int, initial_batch_size: int, call: Callable[[], Awaitable[None]]
) -> tuple[int, Exception | None]:
    """Call `count` times in batches of 1, 2, 4 …; stop after a batch in which one failed.

    Returns how many succeeded and the first failure.
    """

    failures: list[Exception] = []

    async def attempt() -> None:
        try:
            await call()
        except FAILURES as error:
            failures.append(error)

    remaining, successes = count, 0
    size = min(remaining, initial_batch_size)
    while size > 0:
        traces.step(13, note=f"a batch of {size}")
        await tasks.gather(*(attempt() for _ in range(size)), name="slow start batch")
        successes += size - len(failures)
        if failures:
            return successes, failures[0]
        remaining -= size
        size = min(2 * size, remaining)
    return successes, None


def namespace_terminating(error: BaseException) -> bool:
    """Whether a creation failed only because its namespace is going away."""
    return isinstance(error, errors.StatusError) and error.has_cause(errors.CAUSE_NAMESPACE_TERMINATING)


def index_by_controller(pods: informer.Informer[core.Pod]) -> None:
    """Let `controlled_by` and `orphans` find Pods without looking at all of them."""
    pods.add_index(_CONTROLLER_INDEX, _controller_values)


def _controller_values(pod: core.Pod) -> tuple[str, ...]:
    owner = meta.controller_of(pod)
    return (owner.uid if owner is not None else f"orphans of {pod.metadata.namespace}",)


def controlled_by(pods: informer.Informer[core.Pod], uid: str) -> list[core.Pod]:
    """Pods whose controller has that uid."""
    return pods.by_index(_CONTROLLER_INDEX, uid)


def orphans(pods: informer.Informer[core.Pod], namespace: str) -> list[core.Pod]:
    """Pods of a namespace that nobody controls."""
    return pods.by_index(_CONTROLLER_INDEX, f"orphans of {namespace}")


def index_by_node(pods: informer.Informer[core.Pod]) -> None:
    """Let `on_node` find Pods without looking at all of them."""
    pods.add_index(_NODE_INDEX, lambda pod: (pod.spec.nodeName,) if pod.spec.nodeName else ())


def on_node(pods: informer.Informer[core.Pod], node: str) -> list[core.Pod]:
    """Pods that were assigned to that node."""
    return pods.by_index(_NODE_INDEX, node)


def is_active(pod: core.Pod) -> bool:
    """Neither finished nor being deleted."""
    return pod.status.phase not in ("Succeeded", "Failed") and pod.metadata.deletionTimestamp is None


def filter_active_pods(pods: Iterable[core.Pod]) -> list[core.Pod]:
    """Those that count."""
    return [pod for pod in pods if is_active(pod)]


def pod_condition(pod: core.Pod, kind: str) -> core.PodCondition | None:
    """The Pod's condition of that type."""
    return next((one for one in pod.status.conditions if one.type == kind), None)


def is_ready(pod: core.Pod) -> bool:
    """Whether the Pod's condition Ready is true."""
    condition = pod_condition(pod, "Ready")
    return condition is not None and condition.status == "True"


def ready_since(pod: core.Pod) -> datetime.datetime | None:
    """When the Pod became ready (None when it is not)."""
    condition = pod_condition(pod, "Ready")
    if condition is None or condition.status != "True" or not condition.lastTransitionTime:
        return None
    return timestamps.parse(condition.lastTransitionTime)


def available_in(pod: core.Pod, min_ready_seconds: int, now: datetime.datetime) -> float | None:
    """Seconds until the Pod counts as available: 0 when it does, None while it is not ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if min_ready_seconds == 0:
        return 0.0
    if since is None:
        return None
    return max(0.0, min_ready_seconds - (now - since).total_seconds())


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def order_for_deletion(pods: Sequence[core.Pod], siblings: dict[str, int], now: datetime.datetime) -> list[core.Pod]:
    """Pods in the order in which to delete them; `siblings` counts related active Pods by node name.

    Unassigned first, then Pending before Unknown before Running, not ready before ready, lower deletion cost, more
    siblings on its node, ready for a shorter time, more restarts, newer. Times are compared on a log2 scale.
    """
    return sorted(pods, key=lambda pod: _deletion_key(pod, siblings, now))


def _deletion_key(pod: core.Pod, siblings: dict[str, int], now: datetime.datetime) -> tuple[float, ...]:
    since = ready_since(pod)
    restarts = max((one.restartCount for one in pod.status.containerStatuses), default=0)
    created = timestamps.parse(pod.metadata.creationTimestamp) if pod.metadata.creationTimestamp else now
    return (
        bool(pod.spec.nodeName),
        _PHASES.get(pod.status.phase, 0),
        is_ready(pod),
        _deletion_cost(pod),
        -siblings.get(pod.spec.nodeName, 0),
        _logarithmic(now, since) if since is not None else -1.0,
        -restarts,
        _logarithmic(now, created),
    )


def _deletion_cost(pod: core.Pod) -> int:
    text = pod.metadata.annotations.get(DELETION_COST, "0")
    return int(text) if text.lstrip("-").isdigit() else 0


def _logarithmic(now: datetime.datetime, then: datetime.datetime) -> float:
    nanoseconds = (now - then).total_seconds() * 1e9
    return math.floor(math.log2(nanoseconds)) if nanoseconds > 1 else 0.0
