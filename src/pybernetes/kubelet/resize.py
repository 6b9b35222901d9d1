"""Changing CPU and memory of running containers.

What a container has been given is remembered when it is started and when it is resized (`actuated`); what its spec asks
for may since have changed.

    no difference ─► nothing
    fits, policy NotRequired ─► PodResizeInProgress, update in place, done
    fits, policy RestartContainer ─► the container is restarted
    does not fit now / ever ─► PodResizePending, Deferred / Infeasible

Upstream: pkg/kubelet/allocation, pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodResizeAction). Pure.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import quantity
from pybernetes.kubelet import runtime_status
from pybernetes.kubelet.cri import runtime

_RESIZABLE = ("cpu", "memory")
IN_PROGRESS, PENDING = "PodResizeInProgress", "PodResizePending"


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """Which resources of a running container differ from its spec."""

    names: frozenset[str] = frozenset()
    restart: bool = False


def change(container: runtime_status.AnyContainer, actuated: core.ResourceRequirements | None) -> Change:
    """What must be changed; nothing when it is not known what the container has."""
    if actuated is None:
        return Change()
    wanted = container.resources
    names = frozenset(
        name
        for name in _RESIZABLE
        if _differ(wanted.requests, actuated.requests, name) or _differ(wanted.limits, actuated.limits, name)
    )
    policies = {one.resourceName: one.restartPolicy for one in container.resizePolicy}
    return Change(names, any(policies.get(name) == "RestartContainer" for name in names))


def _differ(one: Mapping[str, str], other: Mapping[str, str], name: str) -> bool:
    if (name in one) != (name in other):
        return True
    return name in one and quantity.compare(one[name], other[name]) != 0


def wanted(pod: core.Pod, status: runtime_status.PodStatus, actuated: Mapping[str, core.ResourceRequirements]) -> bool:
    """Whether any running container has other resources than its spec says."""
    for container in (*pod.spec.containers, *pod.spec.initContainers):
        found = status.find_active(container.name)
        if found is not None and found.state is runtime.ContainerState.RUNNING:
            if change(container, actuated.get(found.id)).names:
                return True
    return False


def seed(pod: core.Pod, status: runtime_status.PodStatus, actuated: dict[str, core.ResourceRequirements]) -> None:
    """After a restart of the kubelet: what the API was told last is what the containers have."""
    reported = {
        one.containerID.rpartition("//")[2]: one.resources
        for one in (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    }
    for found in status.containers:
        if found.state is not runtime.ContainerState.RUNNING or found.id in actuated:
            continue
        container = runtime_status.find_container(pod.spec, found.name)
        known = reported.get(found.id)
        if known is None and container is not None:
            known = container.resources
        if known is not None:
            actuated[found.id] = known


def condition(pod: core.Pod, kind: str, reason: str = "", message: str = "") -> core.PodCondition:
    """A condition that says a resize is under way or must wait."""
    generation = pod.metadata.generation
    return core.PodCondition(type=kind, status="True", reason=reason, message=message, observedGeneration=generation)


def event_message(pod: core.Pod, prefix: str, error: str = "") -> str:
    """`Pod resize completed: {…}` with the resources of the spec."""
    summary: dict[str, Any] = {}
    for member in ("initContainers", "containers"):
        containers = getattr(pod.spec, member)
        if containers:
            summary[member] = [{"name": one.name, "resources": _ordered(one.resources)} for one in containers]
    summary["generation"] = pod.metadata.generation
    if error:
        summary["error"] = error
    return f"{prefix}: {msgspec.json.encode(summary).decode()}"


def _ordered(resources: core.ResourceRequirements) -> dict[str, Any]:
    encoded = meta.to_dict(resources)
    return {name: dict(sorted(encoded[name].items())) for name in ("limits", "requests") if name in encoded}
