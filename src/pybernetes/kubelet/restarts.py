"""Whether a container that is not running shall run again.

Path: 14 kubelet decides the actions.
Upstream: pkg/kubelet/container/helpers.go (ShouldContainerBeRestarted), pkg/api/v1/pod/util.go. Pure.
"""

from pybernetes.api.types import core
from pybernetes.kubelet import runtime_status
from pybernetes.kubelet.cri import runtime


def matching_rule(container: runtime_status.AnyContainer, exit_code: int) -> core.ContainerRestartRule | None:
    """The first restart rule whose exit codes match."""
    for rule in container.restartPolicyRules:
        if rule.exitCodes is None:
            continue
        listed = exit_code in rule.exitCodes.values
        if listed == (rule.exitCodes.operator == "In"):
            return rule
    return None


def container_should_restart(container: runtime_status.AnyContainer, spec: core.PodSpec, exit_code: int) -> bool:
    """Rules of the container first, then its own policy, then the pod's."""
    if container.restartPolicy:
        rule = matching_rule(container, exit_code)
        if rule is not None and rule.action in ("Restart", "RestartAllContainers"):
            return True
    policy = container.restartPolicy or spec.restartPolicy or "Always"
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def should_be_restarted(
    container: runtime_status.AnyContainer, pod: core.Pod, status: runtime_status.PodStatus
) -> bool:
    """Whether the next sync starts that container (also true for one that never ran)."""
    if pod.metadata.deletionTimestamp is not None:
        return False
    latest = status.find(container.name)
    if latest is None:
        return True
    if latest.state is runtime.ContainerState.RUNNING:
        return False
    if latest.state is not runtime.ContainerState.EXITED:
        return True
    return container_should_restart(container, pod.spec, latest.exit_code)


def restarts_on_failure(pod: core.Pod) -> bool:
    """Whether the pod's policy restarts what fails."""
    return pod.spec.restartPolicy != "Never"


def regular_container_created(pod: core.Pod, status: runtime_status.PodStatus) -> bool:
    """Whether any regular container ever came to be: then all init containers are done."""
    return any(
        (found := status.find(container.name)) is not None and found.state is not runtime.ContainerState.UNKNOWN
        for container in pod.spec.containers
    )
