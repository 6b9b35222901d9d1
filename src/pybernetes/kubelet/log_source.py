"""Which container's log is meant, from the pod's status.

Upstream: pkg/kubelet/kubelet_pods.go (validateContainerLogStatus). Pure.
"""

from pybernetes.api.types import core
from pybernetes.kubelet import start_errors


class NoLogError(ValueError):
    """There is no log (yet); the text is for the user."""


def container_id(pod: core.Pod, status: core.PodStatus, name: str, *, previous: bool) -> str:
    """The id of the container whose log answers the request."""
    every = (*status.containerStatuses, *status.initContainerStatuses, *status.ephemeralContainerStatuses)
    found = next((one for one in every if one.name == name), None)
    where = f'container "{name}" in pod "{pod.metadata.name}"'
    if found is None:
        raise NoLogError(f"{where} is not available")
    last = found.lastState.terminated
    if previous:
        if last is None or not last.containerID:
            raise NoLogError(f"previous terminated {where} not found")
        return _bare(last.containerID)
    state = found.state
    if state.running is not None:
        return _bare(found.containerID)
    if state.terminated is not None:
        if state.terminated.containerID:
            return _bare(state.terminated.containerID)
        if last is not None and last.containerID:
            return _bare(last.containerID)
        raise NoLogError(f"{where} is terminated")
    if last is not None:
        if last.containerID:
            return _bare(last.containerID)
        raise NoLogError(f"{where} is terminated")
    if state.waiting is None:
        raise NoLogError(f"{where} is waiting to start - no logs yet")
    reason = {
        start_errors.IMAGE_PULL: "image can't be pulled",
        start_errors.IMAGE_PULL_BACK_OFF: "trying and failing to pull image",
    }.get(state.waiting.reason, state.waiting.reason)
    raise NoLogError(f"{where} is waiting to start: {reason}")


def _bare(text: str) -> str:
    return text.rpartition("//")[2]
