"""What happened in the cluster, as far as it may let a waiting Pod be scheduled: events, and how updates become them.

Plugins register for events (`resource`, `actions`) and may look closer with a hint; the queue matches what happens
against that. Upstream: pkg/scheduler/framework/events.go, kube-scheduler/framework/types.go. Pure.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pybernetes.api import pod_requests
from pybernetes.api.types import core
from pybernetes.scheduler.node_info import PodInfo

POD = "Pod"
ASSIGNED_POD = "AssignedPod"
UNSCHEDULED_POD = "UnscheduledPod"
TARGET_POD = "TargetPod"
NODE = "Node"
PERSISTENT_VOLUME = "PersistentVolume"
PERSISTENT_VOLUME_CLAIM = "PersistentVolumeClaim"
CSI_NODE = "storage.k8s.io/CSINode"
CSI_DRIVER = "storage.k8s.io/CSIDriver"
CSI_STORAGE_CAPACITY = "storage.k8s.io/CSIStorageCapacity"
STORAGE_CLASS = "storage.k8s.io/StorageClass"
WILD_CARD = "*"

_NAMES = (
    "Add",
    "Delete",
    "UpdateNodeAllocatable",
    "UpdateNodeLabel",
    "UpdateNodeTaint",
    "UpdateNodeCondition",
    "UpdateNodeAnnotation",
    "UpdateNodeDeclaredFeature",
    "UpdateNodePreemptionPolicy",
    "UpdatePodLabel",
    "UpdatePodScaleDown",
    "UpdatePodScaleUp",
    "UpdatePodToleration",
    "UpdatePodSchedulingGatesEliminated",
    "UpdatePodGeneratedResourceClaim",
)
(
    ADD,
    DELETE,
    UPDATE_NODE_ALLOCATABLE,
    UPDATE_NODE_LABEL,
    UPDATE_NODE_TAINT,
    UPDATE_NODE_CONDITION,
    UPDATE_NODE_ANNOTATION,
    UPDATE_NODE_DECLARED_FEATURE,
    UPDATE_NODE_PREEMPTION_POLICY,
    UPDATE_POD_LABEL,
    UPDATE_POD_SCALE_DOWN,
    UPDATE_POD_SCALE_UP,
    UPDATE_POD_TOLERATION,
    UPDATE_POD_SCHEDULING_GATES_ELIMINATED,
    UPDATE_POD_GENERATED_RESOURCE_CLAIM,
) = (1 << bit for bit in range(len(_NAMES)))
ALL = (1 << len(_NAMES)) - 1
UPDATE = ALL & ~(ADD | DELETE)

_ACTION_NAMES = {1 << bit: name for bit, name in enumerate(_NAMES)} | {ALL: "All", UPDATE: "Update"}


class ClusterEvent(NamedTuple):
    """Something of that kind happened (or is listened to, then `actions` may be several bits)."""

    resource: str
    actions: int
    custom_label: str = ""

    @property
    def label(self) -> str:
        """As logs and metrics name it."""
        return self.custom_label or f"{self.resource}{_ACTION_NAMES.get(self.actions, '')}"

    @property
    def wild_card(self) -> bool:
        """Anything may have happened."""
        return self.resource == WILD_CARD and self.actions == ALL


ASSIGNED_POD_ADD = ClusterEvent(ASSIGNED_POD, ADD)
ASSIGNED_POD_DELETE = ClusterEvent(ASSIGNED_POD, DELETE)
UNSCHEDULED_POD_ADD = ClusterEvent(UNSCHEDULED_POD, ADD)
NODE_ADD = ClusterEvent(NODE, ADD)
NODE_DELETE = ClusterEvent(NODE, DELETE)
UNSCHEDULABLE_TIMEOUT = ClusterEvent(WILD_CARD, ALL, "UnschedulableTimeout")
FORCE_ACTIVATE = ClusterEvent(WILD_CARD, ALL, "ForceActivate")
SCHEDULE_ATTEMPT_FAILURE = "ScheduleAttemptFailure"
BACKOFF_COMPLETE = "BackoffComplete"
POP_FROM_BACKOFF_Q = "PopFromBackoffQ"

Hint = Callable[[PodInfo, Any, Any], bool]
"""(waiting pod, old object or None, new object or None) → whether trying it again is worth it."""


class EventWithHint(NamedTuple):
    """An event a plugin wants to hear of for the Pods it rejected; without a hint every one counts."""

    event: ClusterEvent
    hint: Hint | None = None


def matches(registered: ClusterEvent, happened: ClusterEvent) -> bool:
    """Whether a registration covers what happened."""
    if registered.wild_card:
        return True
    resource = registered.resource
    return (
        resource in (WILD_CARD, happened.resource)
        or (resource == POD and happened.resource in (ASSIGNED_POD, UNSCHEDULED_POD, TARGET_POD))
    ) and bool(registered.actions & happened.actions and happened.actions <= registered.actions)


def pod_changes(new: core.Pod, old: core.Pod, *, target: bool) -> list[ClusterEvent]:
    """What an update of a Pod means; `target`: it is the waiting Pod itself that was changed."""
    if new.spec.nodeName:
        resource = ASSIGNED_POD
    else:
        resource = TARGET_POD if target else UNSCHEDULED_POD
    actions: list[int] = []
    if new.metadata.labels != old.metadata.labels:
        actions.append(UPDATE_POD_LABEL)
    if not pod_requests.same_sources(new, old):
        actions += _scale_changes(pod_requests.requests(new), pod_requests.requests(old))
    if old.spec.schedulingGates and not new.spec.schedulingGates:
        actions.append(UPDATE_POD_SCHEDULING_GATES_ELIMINATED)
    if len(new.spec.tolerations) != len(old.spec.tolerations):
        actions.append(UPDATE_POD_TOLERATION)
    if new.status.resourceClaimStatuses != old.status.resourceClaimStatuses:
        actions.append(UPDATE_POD_GENERATED_RESOURCE_CLAIM)
    return [ClusterEvent(resource, action) for action in actions] or [ClusterEvent(resource, UPDATE)]


def _scale_changes(new: Mapping[str, int], old: Mapping[str, int]) -> list[int]:
    actions = []
    if any(name not in new or amount > new[name] for name, amount in old.items()):
        actions.append(UPDATE_POD_SCALE_DOWN)
    if any(name not in old or amount > old[name] for name, amount in new.items()):
        actions.append(UPDATE_POD_SCALE_UP)
    return actions


def node_changes(new: core.Node, old: core.Node) -> list[ClusterEvent]:
    """What an update of a Node means; nothing for one that only renews its heartbeat."""
    actions: list[int] = []
    if old.spec.unschedulable and not new.spec.unschedulable:
        actions.append(UPDATE_NODE_TAINT)
    if new.status.allocatable != old.status.allocatable:
        actions.append(UPDATE_NODE_ALLOCATABLE)
    if new.metadata.labels != old.metadata.labels:
        actions.append(UPDATE_NODE_LABEL)
    if new.spec.taints != old.spec.taints:
        actions.append(UPDATE_NODE_TAINT)
    if _conditions(new) != _conditions(old):
        actions.append(UPDATE_NODE_CONDITION)
    if new.metadata.annotations != old.metadata.annotations:
        actions.append(UPDATE_NODE_ANNOTATION)
    if new.spec.podPreemptionPolicy != old.spec.podPreemptionPolicy:
        actions.append(UPDATE_NODE_PREEMPTION_POLICY)
    if new.status.declaredFeatures != old.status.declaredFeatures:
        actions.append(UPDATE_NODE_DECLARED_FEATURE)
    return [ClusterEvent(NODE, action) for action in actions]


def _conditions(node: core.Node) -> dict[str, str]:
    return {condition.type: condition.status for condition in node.status.conditions}
