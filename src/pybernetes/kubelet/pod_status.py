"""The API status of a pod, from its spec, what the runtime says and what was said before.

Path: 16 status goes back.
Upstream: pkg/kubelet/kubelet_pods.go (generateAPIPodStatus, convertToAPIContainerStatuses, getPhase). Pure.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec

from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps
from pybernetes.kubelet import pod_conditions, resources, restarts, runtime_status
from pybernetes.kubelet.cri import runtime

CONTAINER_CREATING = "ContainerCreating"
POD_INITIALIZING = "PodInitializing"
STATUS_UNKNOWN = "ContainerStatusUnknown"


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeView:
    """What the prober knows, by container id; `pending` are (container name, probe) pairs that have a worker."""

    readiness: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    startup: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    workers: frozenset[tuple[str, str]] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What a status needs besides pod and runtime: why containers did not start, probes, addresses of the node."""

    reasons: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    probes: ProbeView = ProbeView()
    host_ips: tuple[str, ...] = ()
    actuated: Mapping[str, core.ResourceRequirements] = dataclasses.field(default_factory=dict)
    """resources that running containers have been given, by container id"""
    resize: tuple[core.PodCondition, ...] = ()
    runtime_name: str = "containerd"


def generate(
    pod: core.Pod,
    status: runtime_status.PodStatus,
    old: core.PodStatus,
    around: Surroundings,
    *,
    terminal: bool = False,
) -> core.PodStatus:
    """The status to report; `terminal` says that the containers will not be started again."""
    init = _container_statuses(pod, status, old.initContainerStatuses, pod.spec.initContainers, around)
    regular = _container_statuses(pod, status, old.containerStatuses, pod.spec.containers, around)
    ephemeral = _container_statuses(pod, status, old.ephemeralContainerStatuses, pod.spec.ephemeralContainers, around)
    active = any(status.find_active(container.name) for container in pod.spec.containers)
    phase = _lasting_phase(compute_phase(pod, (*regular, *init), terminal, active), pod, old)
    init = tuple(_with_probes(one, pod.spec.initContainers, around.probes, init=True) for one in init)
    regular = tuple(_with_probes(one, pod.spec.containers, around.probes) for one in regular)
    same = phase == old.phase
    others = [one for one in pod.status.conditions if one.type not in pod_conditions.OWNED]
    disruption = pod_conditions.find(old.conditions, pod_conditions.DISRUPTION_TARGET)
    if disruption is not None:
        others = [one for one in others if one.type != disruption.type] + [disruption]
    others += around.resize
    ips = status.ips
    return core.PodStatus(
        observedGeneration=pod.metadata.generation,
        phase=phase,
        conditions=pod_conditions.generate(pod, status, (*init, *regular), phase, others),
        reason=(old.reason or pod.status.reason) if same else "",
        message=(old.message or pod.status.message) if same else "",
        hostIP=around.host_ips[0] if around.host_ips else "",
        hostIPs=tuple(core.HostIP(ip=ip) for ip in around.host_ips),
        podIP=ips[0] if ips else "",
        podIPs=tuple(core.PodIP(ip=ip) for ip in ips),
        startTime=old.startTime,
        initContainerStatuses=init,
        containerStatuses=regular,
        ephemeralContainerStatuses=ephemeral,
        qosClass=resources.pod_qos(pod),
        nominatedNodeName=pod.status.nominatedNodeName,
        resourceClaimStatuses=pod.status.resourceClaimStatuses,
    )


def _lasting_phase(phase: str, pod: core.Pod, old: core.PodStatus) -> str:
    """A pod never leaves a terminal phase; one that was declared failed does not succeed after all."""
    if pod_conditions.is_terminal(pod.status.phase):
        return pod.status.phase
    if old.phase == "Failed":
        return old.phase
    if not pod_conditions.is_terminal(phase) and pod_conditions.is_terminal(old.phase):
        return old.phase
    return phase


# -- phase -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class _Count:
    pending_init: int = 0
    pending_sidecars: int = 0
    failed_init: int = 0
    unknown: int = 0
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    stopped_for_good: int = 0
    succeeded: int = 0


def compute_phase(
    pod: core.Pod, statuses: Sequence[core.ContainerStatus], terminal: bool, has_initialized: bool
) -> str:
    """Pending, Running, Succeeded or Failed."""
    by_name = {one.name: one for one in statuses}
    count = _Count()
    for container in pod.spec.initContainers:
        found = by_name.get(container.name)
        if runtime_status.is_sidecar(container):
            _count_sidecar(found, count)
        else:
            _count_init(container, pod.spec, found, count)
    for container in pod.spec.containers:
        _count_regular(container, pod.spec, by_name.get(container.name), count)
    if count.failed_init:
        return "Failed"
    if count.pending_init or (count.pending_sidecars and not has_initialized) or count.waiting:
        return "Pending"
    if count.running and not count.unknown:
        return "Running"
    if count.running or not count.stopped or count.unknown:
        return "Pending"
    if not terminal and count.stopped != count.stopped_for_good:
        return "Running"  # something is about to be restarted
    return "Succeeded" if count.stopped == count.succeeded else "Failed"


def _count_init(
    container: core.Container, spec: core.PodSpec, found: core.ContainerStatus | None, count: _Count
) -> None:
    ended = None
    if found is not None and found.state.terminated is not None:
        ended = found.state.terminated
    elif found is not None and found.state.waiting is not None:
        ended = found.lastState.terminated
    if ended is None:
        count.pending_init += 1
    elif ended.exitCode != 0 and not restarts.container_should_restart(container, spec, ended.exitCode):
        count.failed_init += 1


def _count_sidecar(found: core.ContainerStatus | None, count: _Count) -> None:
    if found is None:
        count.unknown += 1
    elif found.state.running is not None:
        count.running += 1
        count.pending_sidecars += not found.started
    elif found.state.waiting is not None:
        if found.lastState.terminated is None:
            count.pending_sidecars += 1
            count.waiting += 1
    elif found.state.terminated is None:
        count.pending_sidecars += 1
        count.unknown += 1


def _count_regular(
    container: core.Container, spec: core.PodSpec, found: core.ContainerStatus | None, count: _Count
) -> None:
    if found is None:
        count.unknown += 1
        return
    ended = found.state.terminated
    if found.state.running is not None:
        count.running += 1
        return
    if ended is not None:
        count.succeeded += ended.exitCode == 0
    elif found.state.waiting is not None:
        ended = found.lastState.terminated
        if ended is None:
            count.waiting += 1
            return
    if ended is None:
        count.unknown += 1
        return
    count.stopped += 1
    count.stopped_for_good += not restarts.container_should_restart(container, spec, ended.exitCode)


# -- containers ------------------------------------------------------------------------------------------------------


def _container_statuses(
    pod: core.Pod,
    status: runtime_status.PodStatus,
    previous: Sequence[core.ContainerStatus],
    containers: Sequence[runtime_status.AnyContainer],
    around: Surroundings,
) -> tuple[core.ContainerStatus, ...]:
    old = {one.name: one for one in previous}
    is_init = containers is pod.spec.initContainers
    result = []
    for container in containers:
        seen = [one for one in status.containers if one.name == container.name][:2]
        before = old.get(container.name)
        if seen:
            current = _from_runtime(container, seen[0], before, around)
            if len(seen) > 1:
                last = _from_runtime(container, seen[1], before, around)
                current = msgspec.structs.replace(current, lastState=last.state)
        else:
            current = _unseen(pod, container, before)
        result.append(_waiting_for_start(pod, status, container, current, is_init, around))
    if is_init:
        return tuple(result)
    return tuple(sorted(result, key=lambda one: one.name))


def _default(container: runtime_status.AnyContainer, reason: str) -> core.ContainerStatus:
    return core.ContainerStatus(
        name=container.name,
        image=container.image,
        state=core.ContainerState(waiting=core.ContainerStateWaiting(reason=reason)),
        volumeMounts=_mount_statuses(container),
    )


def _mount_statuses(container: runtime_status.AnyContainer) -> tuple[core.VolumeMountStatus, ...]:
    return tuple(
        core.VolumeMountStatus(
            name=mount.name,
            mountPath=mount.mountPath,
            readOnly=mount.readOnly,
            recursiveReadOnly="Disabled" if mount.readOnly else None,
        )
        for mount in container.volumeMounts
    )


def _unseen(
    pod: core.Pod, container: runtime_status.AnyContainer, before: core.ContainerStatus | None
) -> core.ContainerStatus:
    """The status of a container that the runtime does not know (yet, or no more)."""
    waiting = POD_INITIALIZING if pod.spec.initContainers else CONTAINER_CREATING
    current = _default(container, waiting)
    if before is None:
        return current
    if before.state.terminated is not None:
        return before
    current = msgspec.structs.replace(current, restartCount=before.restartCount, lastState=before.lastState)
    if before.state.running is None or before.lastState.terminated is not None:
        return current
    # It was running and is gone without a trace: an end must be shown, or the pod would fall back to Pending.
    lost = core.ContainerStateTerminated(
        reason=STATUS_UNKNOWN,
        message="The container could not be located when the pod was deleted.  The container used to be Running",
        exitCode=137,
    )
    restarted = pod.metadata.deletionTimestamp is None
    return msgspec.structs.replace(
        current,
        lastState=core.ContainerState(terminated=lost),
        restartCount=before.restartCount + restarted,
    )


def _from_runtime(
    container: runtime_status.AnyContainer,
    seen: runtime.ContainerStatus,
    before: core.ContainerStatus | None,
    around: Surroundings,
) -> core.ContainerStatus:
    container_id = f"{around.runtime_name}://{seen.id}"
    count = seen.attempt
    last = core.ContainerState()
    if before is not None:
        count = max(count, before.restartCount)
        if before.containerID != container_id and before.state.terminated is not None:
            last = core.ContainerState(terminated=before.state.terminated)
        elif before.lastState.terminated is not None:
            last = before.lastState
    state = core.ContainerState(waiting=core.ContainerStateWaiting())
    match seen.state:
        case runtime.ContainerState.RUNNING:
            state = core.ContainerState(running=core.ContainerStateRunning(startedAt=_time(seen.started_at)))
        case runtime.ContainerState.EXITED if _told_before(before, container_id) and before is not None:
            state = before.state  # the file with its last words may be gone by now
        case runtime.ContainerState.EXITED:
            state = core.ContainerState(
                terminated=core.ContainerStateTerminated(
                    exitCode=seen.exit_code,
                    reason=seen.reason,
                    message=seen.message,
                    startedAt=_time(seen.started_at),
                    finishedAt=_time(seen.finished_at),
                    containerID=container_id,
                )
            )
        case runtime.ContainerState.UNKNOWN if before is not None and before.state.running is not None:
            lost = core.ContainerStateTerminated(
                reason=STATUS_UNKNOWN,
                message="The container could not be located when the pod was terminated",
                exitCode=137,
            )
            state = core.ContainerState(terminated=lost)
            count = before.restartCount + 1
    user = None
    if seen.user is not None:
        uid, gid, groups = seen.user
        user = core.ContainerUser(linux=core.LinuxContainerUser(uid=uid, gid=gid, supplementalGroups=groups))
    return core.ContainerStatus(
        name=container.name,
        state=state,
        lastState=last,
        restartCount=count,
        image=seen.image,
        imageID=seen.image_ref,
        containerID=container_id,
        allocatedResources=container.resources.requests,
        resources=around.actuated.get(seen.id, container.resources),
        volumeMounts=before.volumeMounts if before is not None else _mount_statuses(container),
        user=user,
    )


def _told_before(before: core.ContainerStatus | None, container_id: str) -> bool:
    """Whether the end of this very container has been reported."""
    ended = before.state.terminated if before is not None else None
    return ended is not None and ended.containerID == container_id


def _waiting_for_start(
    pod: core.Pod,
    status: runtime_status.PodStatus,
    container: runtime_status.AnyContainer,
    current: core.ContainerStatus,
    is_init: bool,
    around: Surroundings,
) -> core.ContainerStatus:
    """Show why a container that should run does not: image pulls, crash back-off, errors."""
    if is_init:
        seen = status.find(container.name)
        if seen is not None and seen.state is runtime.ContainerState.EXITED and seen.exit_code == 0:
            return current
        if (
            seen is None
            and restarts.regular_container_created(pod, status)
            and not runtime_status.is_sidecar(container)
            and current.state.waiting is not None
        ):
            done = core.ContainerStateTerminated(
                reason="Completed",
                message="Unable to get init container status from container runtime and pod has been initialized, "
                "treat it as exited normally",
            )
            return msgspec.structs.replace(current, state=core.ContainerState(terminated=done))
    if container.name not in around.reasons or not restarts.should_be_restarted(container, pod, status):
        return current
    reason, message = around.reasons[container.name]
    last = current.lastState
    if current.state.terminated is not None:
        last = current.state
    waiting = core.ContainerStateWaiting(reason=reason, message=message)
    return msgspec.structs.replace(current, lastState=last, state=core.ContainerState(waiting=waiting))


def _with_probes(
    current: core.ContainerStatus, containers: Sequence[core.Container], probes: ProbeView, *, init: bool = False
) -> core.ContainerStatus:
    """Fill in `started` and `ready`; a plain init container is ready once it has succeeded."""
    spec = next((one for one in containers if one.name == current.name), None)
    identity = current.containerID.rpartition("//")[2]
    running = current.state.running is not None
    started = running and probes.startup.get(identity, (current.name, "startup") not in probes.workers)
    if init and (spec is None or not runtime_status.is_sidecar(spec)):
        ended = current.state.terminated
        ready = ended is not None and ended.exitCode == 0
    else:
        ready = started and probes.readiness.get(identity, (current.name, "readiness") not in probes.workers)
    return msgspec.structs.replace(current, started=started, ready=ready)


def _time(nanoseconds: int) -> str:
    return timestamps.from_unix(nanoseconds // 1_000_000_000)


# -- as the status manager stores it ---------------------------------------------------------------------------------

MAX_TERMINATION_MESSAGES = 12 * 1024


def settle(pod: core.Pod, new: core.PodStatus, old: core.PodStatus, now: str) -> core.PodStatus:
    """Transition and start times carried over from `old`, messages cut to their share of 12 KiB."""
    before = {one.type: one for one in old.conditions}
    conditions = tuple(
        one
        if one.type not in pod_conditions.OWNED
        else msgspec.structs.replace(one, lastTransitionTime=_transition_time(one, before.get(one.type), now))
        for one in new.conditions
    )
    share = MAX_TERMINATION_MESSAGES // max(1, len(runtime_status.all_containers(pod.spec)))
    return msgspec.structs.replace(
        new,
        conditions=conditions,
        startTime=old.startTime or new.startTime or now,
        observedGeneration=max(old.observedGeneration, new.observedGeneration),
        containerStatuses=tuple(_cut(one, share) for one in new.containerStatuses),
        initContainerStatuses=tuple(_cut(one, share) for one in new.initContainerStatuses),
        ephemeralContainerStatuses=tuple(_cut(one, share) for one in new.ephemeralContainerStatuses),
    )


def _transition_time(new: core.PodCondition, old: core.PodCondition | None, now: str) -> str:
    return old.lastTransitionTime if old is not None and old.status == new.status and old.lastTransitionTime else now


def _cut(status: core.ContainerStatus, share: int) -> core.ContainerStatus:
    for member in ("state", "lastState"):
        ended = getattr(status, member).terminated
        if ended is not None and len(ended.message) > share:
            state = core.ContainerState(terminated=msgspec.structs.replace(ended, message=ended.message[:share]))
            status = msgspec.structs.replace(status, **{member: state})
    return status


def terminated(pod: core.Pod, status: core.PodStatus) -> core.PodStatus:
    """The last status of a pod: what never showed its end is marked lost, the phase is final.

    Upstream: status_manager.TerminatePod.
    """
    initialized = not pod.spec.initContainers or pod_conditions.is_true(status.conditions, pod_conditions.INITIALIZED)
    reached = 0
    for index, one in enumerate(status.initContainerStatuses):
        if one.state.running is not None or one.state.terminated is not None or one.lastState.terminated is not None:
            reached = index + 1
    regular = tuple(_lost(one) if initialized else one for one in status.containerStatuses)
    init = tuple(_lost(one) if index < reached else one for index, one in enumerate(status.initContainerStatuses))
    phase = status.phase if pod_conditions.is_terminal(status.phase) else "Failed"
    return msgspec.structs.replace(status, containerStatuses=regular, initContainerStatuses=init, phase=phase)


def _lost(status: core.ContainerStatus) -> core.ContainerStatus:
    if status.state.terminated is not None:
        return status
    lost = core.ContainerStateTerminated(
        reason=STATUS_UNKNOWN,
        message="The container could not be located when the pod was terminated",
        exitCode=137,
    )
    return msgspec.structs.replace(status, state=core.ContainerState(terminated=lost))
