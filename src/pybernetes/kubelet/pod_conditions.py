"""The conditions of a pod that belong to the kubelet.

Path: 16 status goes back. Upstream: pkg/kubelet/status/generate.go. Pure.
"""

from collections.abc import Iterable, Sequence

from pybernetes.api.types import core
from pybernetes.kubelet import actions, resize, runtime_status

SCHEDULED = "PodScheduled"
READY = "Ready"
INITIALIZED = "Initialized"
CONTAINERS_READY = "ContainersReady"
READY_TO_START = "PodReadyToStartContainers"
OWNED = frozenset({SCHEDULED, READY, INITIALIZED, CONTAINERS_READY, READY_TO_START, resize.IN_PROGRESS, resize.PENDING})
DISRUPTION_TARGET = "DisruptionTarget"

_TERMINAL_REASONS = {"Failed": "PodFailed", "Succeeded": "PodCompleted"}


def is_terminal(phase: str) -> bool:
    """Whether a phase is final."""
    return phase in _TERMINAL_REASONS


def find(conditions: Iterable[core.PodCondition], kind: str) -> core.PodCondition | None:
    """The condition of that type."""
    return next((one for one in conditions if one.type == kind), None)


def is_true(conditions: Iterable[core.PodCondition], kind: str) -> bool:
    """Whether the condition of that type says True."""
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def generate(
    pod: core.Pod,
    status: runtime_status.PodStatus,
    statuses: Sequence[core.ContainerStatus],
    phase: str,
    others: Sequence[core.PodCondition],
) -> tuple[core.PodCondition, ...]:
    """All conditions: `others` (not the kubelet's own) first, then ours in upstream's order."""
    by_name = {one.name: one for one in statuses}
    containers_ready = _containers_ready(pod, by_name, phase)
    return (
        *others,
        _ready_to_start(pod, status),
        _initialized(pod, by_name, phase),
        _ready(pod, containers_ready, others),
        containers_ready,
        _condition(pod, SCHEDULED),
    )


def terminal(pod: core.Pod, kind: str, phase: str) -> core.PodCondition:
    """Ready or ContainersReady of a pod that has ended."""
    return _condition(pod, kind, False, _TERMINAL_REASONS.get(phase, ""))


def _condition(pod: core.Pod, kind: str, holds: bool = True, reason: str = "", message: str = "") -> core.PodCondition:
    return core.PodCondition(
        type=kind,
        status="True" if holds else "False",
        reason=reason,
        message=message,
        observedGeneration=pod.metadata.generation,
    )


def _ready_to_start(pod: core.Pod, status: runtime_status.PodStatus) -> core.PodCondition:
    sandbox = actions.pod_sandbox_changed(pod, status)
    if not sandbox.changed:
        return _condition(pod, READY_TO_START)
    return _condition(pod, READY_TO_START, False, "PodSandboxNotReady", sandbox.reason)


def _containers_ready(pod: core.Pod, by_name: dict[str, core.ContainerStatus], phase: str) -> core.PodCondition:
    watched = [one.name for one in pod.spec.initContainers if runtime_status.is_sidecar(one)]
    watched += [one.name for one in pod.spec.containers]
    unknown = [name for name in watched if name not in by_name]
    unready = [name for name in watched if name in by_name and not by_name[name].ready]
    if (phase == "Succeeded" and not unknown) or phase == "Failed":
        return terminal(pod, CONTAINERS_READY, phase)
    message = _message(("unknown", unknown), ("unready", unready))
    return _condition(pod, CONTAINERS_READY, not message, "ContainersNotReady" if message else "", message)


def _ready(pod: core.Pod, containers: core.PodCondition, others: Sequence[core.PodCondition]) -> core.PodCondition:
    if containers.status != "True":
        return _condition(pod, READY, False, containers.reason, containers.message)
    missing = []
    for gate in pod.spec.readinessGates:
        found = find(others, gate.conditionType)
        if found is None:
            missing.append(f'corresponding condition of pod readiness gate "{gate.conditionType}" does not exist.')
        elif found.status != "True":
            missing.append(f'the status of pod readiness gate "{gate.conditionType}" is not "True", but {found.status}')
    if missing:
        return _condition(pod, READY, False, "ReadinessGatesNotReady", ", ".join(missing))
    return _condition(pod, READY)


def _initialized(pod: core.Pod, by_name: dict[str, core.ContainerStatus], phase: str) -> core.PodCondition:
    unknown, incomplete = [], []
    for container in pod.spec.initContainers:
        found = by_name.get(container.name)
        if found is None:
            unknown.append(container.name)
        elif not (found.started if runtime_status.is_sidecar(container) else found.ready):
            incomplete.append(container.name)
    if phase == "Succeeded" and not unknown:
        return _condition(pod, INITIALIZED, True, "PodCompleted")
    if any(_has_started(by_name.get(container.name)) for container in pod.spec.containers):
        return _condition(pod, INITIALIZED)
    message = _message(("unknown", unknown), ("incomplete", incomplete))
    return _condition(pod, INITIALIZED, not message, "ContainersNotInitialized" if message else "", message)


def _has_started(status: core.ContainerStatus | None) -> bool:
    if status is None:
        return False
    if status.lastState.terminated is not None:
        return True
    return status.state.running is not None or status.state.terminated is not None


def _message(*groups: tuple[str, list[str]]) -> str:
    return ", ".join(f"containers with {word} status: [{' '.join(names)}]" for word, names in groups if names)
