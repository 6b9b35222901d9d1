"""Pod and runtime status in, what to start and kill out: the decision of every sync, as one pure function.

`compute_pod_actions` answers with records; `runtime_manager` carries them out. The order of thought is upstream's:
does the sandbox still serve; are the init containers done; which containers must go, which must come.

Path: 14 kubelet decides the actions.
Upstream: pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions), kuberuntime_container.go
(computeInitContainerActions), util/util.go (PodSandboxChanged). Pure.
"""

import dataclasses
import zlib
from collections.abc import Mapping

from pybernetes.api.types import core
from pybernetes.kubelet import resize, restarts, runtime_status
from pybernetes.kubelet.cri import runtime

HASH_ANNOTATION = "io.kubernetes.container.hash"

REASON_STARTUP = "StartupProbe"
REASON_LIVENESS = "LivenessProbe"
REASON_UNKNOWN = "Unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class ContainerToKill:
    """A container that must stop; `container` is its spec."""

    container_id: str
    container: runtime_status.AnyContainer
    message: str
    reason: str = ""


@dataclasses.dataclass(slots=True)
class PodActions:
    """What one sync has to do. Containers to start are indices into the lists of the spec."""

    kill_pod: bool = False
    create_sandbox: bool = False
    sandbox_id: str = ""
    attempt: int = 0
    init_containers: list[int] = dataclasses.field(default_factory=list)
    containers: list[int] = dataclasses.field(default_factory=list)
    ephemeral_containers: list[int] = dataclasses.field(default_factory=list)
    kill: dict[str, ContainerToKill] = dataclasses.field(default_factory=dict)
    update: dict[str, runtime_status.AnyContainer] = dataclasses.field(default_factory=dict)
    """running containers, by id, whose resources are to be changed in place"""

    def stop(self, status: runtime.ContainerStatus, spec: runtime_status.AnyContainer, message: str, why: str) -> None:
        """Add a container to those that must stop."""
        self.kill[status.id] = ContainerToKill(status.id, spec, message, why)

    @property
    def nothing_to_do(self) -> bool:
        return not (
            self.kill_pod
            or self.create_sandbox
            or self.init_containers
            or self.containers
            or self.ephemeral_containers
            or self.kill
            or self.update
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Observations:
    """What is known of running containers, by id: what liveness and startup probes last said (absent: nothing yet), and
    the resources they have been given (absent: leave them)."""

    liveness: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    startup: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    actuated: Mapping[str, core.ResourceRequirements] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class SandboxVerdict:
    """Whether a new sandbox is needed, its attempt number, the old one's id, and why as conditions say it."""

    changed: bool
    attempt: int = 0
    sandbox_id: str = ""
    reason: str = ""


def container_hash(container: runtime_status.AnyContainer) -> str:
    """Changes when the container must be restarted because its spec changed: name and image."""
    identity = "\0".join((container.name, container.image))
    return f"{zlib.crc32(identity.encode()):x}"


def pod_sandbox_changed(pod: core.Pod, status: runtime_status.PodStatus) -> SandboxVerdict:
    """Whether the pod needs a new sandbox."""
    if not status.sandboxes:
        return SandboxVerdict(True, reason="no pod sandbox exists")
    newest = status.sandboxes[0]
    ready = [one for one in status.sandboxes if one.state is runtime.SandboxState.READY]
    attempt = newest.attempt + 1
    if len(ready) > 1:
        return SandboxVerdict(True, attempt, newest.id, "multiple pod sandboxes are ready and need to be reconciled")
    if newest.state is not runtime.SandboxState.READY:
        return SandboxVerdict(True, attempt, newest.id, "pod sandbox is not ready")
    if newest.host_network != pod.spec.hostNetwork:
        return SandboxVerdict(True, attempt, "", "network namespace mode changed and sandbox needs to be recreated")
    if not pod.spec.hostNetwork and not newest.ips:
        return SandboxVerdict(True, attempt, newest.id, "pod sandbox has no IP address")
    return SandboxVerdict(False, newest.attempt, newest.id)


def compute_pod_actions(pod: core.Pod, status: runtime_status.PodStatus, probes: Observations) -> PodActions:
    """What the next sync of a pod has to do."""
    sandbox = pod_sandbox_changed(pod, status)
    actions = PodActions(
        kill_pod=sandbox.changed,
        create_sandbox=sandbox.changed,
        sandbox_id=sandbox.sandbox_id,
        attempt=sandbox.attempt,
    )
    if sandbox.changed:
        return _with_new_sandbox(pod, status, actions)
    actions.ephemeral_containers = [
        index
        for index, container in enumerate(pod.spec.ephemeralContainers)
        if status.find(container.name) is None  # never restarted
    ]
    initialized = _init_container_actions(pod, status, probes, actions)
    if actions.kill_pod or not initialized:
        return actions
    kept = sum(
        _regular_container_action(pod, index, status, probes, actions) for index in range(len(pod.spec.containers))
    )
    if kept == 0 and not actions.containers:
        actions.kill_pod = True
        actions.init_containers = []  # sidecars must not keep a finished pod alive
    return actions


def _with_new_sandbox(pod: core.Pod, status: runtime_status.PodStatus, actions: PodActions) -> PodActions:
    """Everything starts over, unless the pod has already done its work."""
    if not restarts.restarts_on_failure(pod) and actions.attempt != 0 and status.containers:
        actions.create_sandbox = False
        return actions
    to_start = []
    for index, container in enumerate(pod.spec.containers):
        once = (container.restartPolicy or pod.spec.restartPolicy) == "OnFailure"
        latest = status.find(container.name)
        succeeded = latest is not None and latest.state is runtime.ContainerState.EXITED and latest.exit_code == 0
        if not (once and succeeded):
            to_start.append(index)
    if not to_start and restarts.regular_container_created(pod, status):
        actions.create_sandbox = False
        return actions
    if pod.spec.initContainers:
        actions.init_containers = [0]
    else:
        actions.containers = to_start
    return actions


def _regular_container_action(
    pod: core.Pod, index: int, status: runtime_status.PodStatus, probes: Observations, actions: PodActions
) -> bool:
    """Decide on one regular container; True when it is running and stays."""
    container = pod.spec.containers[index]
    latest = status.find(container.name)
    if latest is None or latest.state is not runtime.ContainerState.RUNNING:
        if restarts.should_be_restarted(container, pod, status):
            actions.containers.append(index)
            if latest is not None and latest.state is runtime.ContainerState.UNKNOWN:
                # It may be running after all: never have two of them.
                message = f'Container is in "{latest.state.value}" state, try killing it before restart'
                actions.stop(latest, container, message, REASON_UNKNOWN)
        return False
    restart = container.restartPolicy != "Never" if container.restartPolicy else restarts.restarts_on_failure(pod)
    if definition_changed(container, latest):
        message, why, restart = f"Container {container.name} definition changed", "", True
    elif probes.liveness.get(latest.id) is False:
        message, why = f"Container {container.name} failed liveness probe", REASON_LIVENESS
    elif probes.startup.get(latest.id) is False:
        message, why = f"Container {container.name} failed startup probe", REASON_STARTUP
    else:
        change = resize.change(container, probes.actuated.get(latest.id))
        if not change.restart:
            if change.names:
                actions.update[latest.id] = container
            return True
        message, why, restart = f"Container {container.name} resize requires restart", "", True
    if restart:
        message = f"{message}, will be restarted"
        actions.containers.append(index)
    actions.stop(latest, container, message, why)
    return False


def definition_changed(container: runtime_status.AnyContainer, status: runtime.ContainerStatus) -> bool:
    """Whether the running container was made from another spec."""
    recorded = status.annotations.get(HASH_ANNOTATION)
    return recorded is not None and recorded != container_hash(container)


def init_container_failed(status: runtime.ContainerStatus) -> bool:
    """Whether an init container has to be run again."""
    if status.reason == "OOMKilled" or status.state is runtime.ContainerState.UNKNOWN:
        return True
    return status.state is runtime.ContainerState.EXITED and status.exit_code != 0


def _init_container_actions(
    pod: core.Pod, status: runtime_status.PodStatus, probes: Observations, actions: PodActions
) -> bool:
    """Decide on the init containers; True when regular containers may run.

    They are looked at from the last to the first, because finished ones may have been removed from the runtime: the
    last one that is known tells how far the pod has come.
    """
    init = pod.spec.initContainers
    if not init:
        return True
    initialized = any(status.find_active(container.name) for container in pod.spec.containers)
    later_seen = initialized
    """Whether this or a later init container has been reached before: earlier ones must be done."""
    for index in reversed(range(len(init))):
        container = init[index]
        latest = status.find_active(container.name)
        sidecar = runtime_status.is_sidecar(container)
        if latest is None:
            if later_seen and sidecar:
                actions.init_containers.append(index)
            continue
        if later_seen and not sidecar:
            continue
        match latest.state:
            case runtime.ContainerState.CREATED:
                actions.init_containers.append(index)  # the runtime failed to start it
            case runtime.ContainerState.RUNNING if sidecar:
                initialized |= _sidecar_action(index, pod, latest, probes, actions, later_seen)
            case runtime.ContainerState.RUNNING:
                pass
            case runtime.ContainerState.EXITED if sidecar:
                actions.init_containers.append(index)
            case runtime.ContainerState.EXITED if not init_container_failed(latest):
                if index == len(init) - 1:
                    initialized = True
                else:
                    actions.init_containers.append(index + 1)
            case _:
                if not _restart_init_container(index, pod, status, latest, actions):
                    return False
        later_seen = True
    if not later_seen:
        actions.init_containers.append(0)
    actions.init_containers.reverse()
    return initialized


def _sidecar_action(
    index: int,
    pod: core.Pod,
    latest: runtime.ContainerStatus,
    probes: Observations,
    actions: PodActions,
    later_seen: bool,
) -> bool:
    """Decide on a running sidecar; True when it is the last init container and has started."""
    container = pod.spec.initContainers[index]
    if container.startupProbe is not None:
        started = probes.startup.get(latest.id)
        if started is False:
            message = f"Init container {container.name} failed startup probe"
            actions.stop(latest, container, message, REASON_STARTUP)
            actions.init_containers.append(index)
        if not started:
            return False
    last = index == len(pod.spec.initContainers) - 1
    if not last and not later_seen:
        actions.init_containers.append(index + 1)
    if definition_changed(container, latest):
        actions.stop(latest, container, f"Init container {container.name} definition changed", "")
        actions.init_containers.append(index)
    elif container.livenessProbe is not None and probes.liveness.get(latest.id) is False:
        actions.stop(latest, container, f"Init container {container.name} failed liveness probe", REASON_LIVENESS)
        actions.init_containers.append(index)
    elif resize.change(container, probes.actuated.get(latest.id)).names:
        actions.update[latest.id] = container
    return last


def _restart_init_container(
    index: int,
    pod: core.Pod,
    status: runtime_status.PodStatus,
    latest: runtime.ContainerStatus,
    actions: PodActions,
) -> bool:
    """An init container failed or was lost: run it again, or False when the pod's policy ends the pod here."""
    container = pod.spec.initContainers[index]
    lost = latest.state is runtime.ContainerState.UNKNOWN
    if runtime_status.is_sidecar(container):
        again = True
    elif lost:
        again = (container.restartPolicy or pod.spec.restartPolicy) != "Never"
    else:
        again = restarts.should_be_restarted(container, pod, status)
    if not again:
        actions.kill_pod = True
        actions.init_containers = []
        return False
    if lost:
        message = f'Init container is in "{latest.state.value}" state, try killing it before restart'
        actions.stop(latest, container, message, REASON_UNKNOWN)
    actions.init_containers.append(index)
    return True
