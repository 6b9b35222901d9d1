"""Events about pods, containers and the node, with upstream's reasons.

Upstream: pkg/kubelet/events/event.go, pkg/kubelet/container/ref.go.
"""

from typing import Protocol

from pybernetes.api.types import core
from pybernetes.kubelet import runtime_status

NORMAL, WARNING = "Normal", "Warning"

CREATED = "Created"
STARTED = "Started"
FAILED = "Failed"
KILLING = "Killing"
BACK_OFF = "BackOff"
PULLING = "Pulling"
PULLED = "Pulled"
INSPECT_FAILED = "InspectFailed"
PULL_SECRET_MISSING = "FailedToRetrieveImagePullSecret"
NEVER_PULL = "ErrImageNeverPull"
FAILED_MOUNT = "FailedMount"
FAILED_SANDBOX = "FailedCreatePodSandBox"
FAILED_SANDBOX_STATUS = "FailedPodSandBoxStatus"
SANDBOX_CHANGED = "SandboxChanged"
FAILED_GROUP = "FailedToCreatePodContainer"
FAILED_KILL = "FailedKillPod"
NETWORK_NOT_READY = "NetworkNotReady"
POST_START_FAILED = "FailedPostStartHook"
PRE_STOP_FAILED = "FailedPreStopHook"
UNHEALTHY = "Unhealthy"
PROBE_WARNING = "ProbeWarning"


class Recorder(Protocol):
    """`client.events.EventRecorder`."""

    def event(self, obj: core.ObjectReference, type: str, reason: str, message: str) -> None:
        """Record without waiting."""


class Events:
    """The kubelet's voice: one method for each thing it speaks about."""

    def __init__(self, recorder: Recorder, node_name: str) -> None:
        self._recorder = recorder
        self._node_name = node_name

    def pod(self, pod: core.Pod, kind: str, reason: str, message: str) -> None:
        """About a pod."""
        self._recorder.event(_reference(pod), kind, reason, message)

    def container(
        self, pod: core.Pod, container: runtime_status.AnyContainer, kind: str, reason: str, message: str
    ) -> None:
        """About a container; the object is the pod, with the container's place in its spec."""
        self._recorder.event(_reference(pod, field_path(pod, container)), kind, reason, message)

    def node(self, kind: str, reason: str, message: str) -> None:
        """About this node; its uid is its name, as upstream has it."""
        reference = core.ObjectReference(apiVersion="v1", kind="Node", name=self._node_name, uid=self._node_name)
        self._recorder.event(reference, kind, reason, message)


def field_path(pod: core.Pod, container: runtime_status.AnyContainer) -> str:
    """`spec.containers{web}`."""
    spec = pod.spec
    lists = (
        ("containers", spec.containers),
        ("initContainers", spec.initContainers),
        ("ephemeralContainers", spec.ephemeralContainers),
    )
    for member, containers in lists:
        if any(one.name == container.name for one in containers):
            return f"spec.{member}{{{container.name}}}"
    return ""


def _reference(pod: core.Pod, path: str = "") -> core.ObjectReference:
    metadata = pod.metadata
    return core.ObjectReference(
        apiVersion="v1",
        kind="Pod",
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        resourceVersion=metadata.resourceVersion,
        fieldPath=path,
    )
