"""Taints and tolerations, node conditions and what they make of a node.

Upstream: k8s.io/component-helpers/scheduling/corev1, pkg/controller/nodelifecycle. Pure.
"""

from collections.abc import Iterable, Sequence

from pybernetes.api import node_matching
from pybernetes.api.types import core

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"
_BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): MEMORY_PRESSURE,
    ("DiskPressure", "True"): DISK_PRESSURE,
    ("NetworkUnavailable", "True"): NETWORK_UNAVAILABLE,
    ("PIDPressure", "True"): PID_PRESSURE,
}
_OURS = frozenset((*_BY_CONDITION.values(), UNSCHEDULABLE))


def untolerated(taints: Iterable[core.Taint], tolerations: Sequence[core.Toleration]) -> core.Taint | None:
    """The first taint that nothing tolerates."""
    return next((one for one in taints if not node_matching.any_tolerates(tolerations, one)), None)


def toleration_seconds(taints: Sequence[core.Taint], tolerations: Sequence[core.Toleration]) -> float | None:
    """How long a Pod may stay under these NoExecute taints: 0 not at all, None for ever."""
    used = []
    for taint in taints:
        matching = next((one for one in tolerations if node_matching.tolerates(one, taint)), None)
        if matching is None:
            return 0.0
        used.append(matching.tolerationSeconds)
    return min((max(0.0, float(one)) for one in used if one is not None), default=None)


def no_execute(node: core.Node) -> tuple[core.Taint, ...]:
    """The node's taints that drive Pods away."""
    return tuple(one for one in node.spec.taints if one.effect == "NoExecute")


def condition(node: core.Node, kind: str) -> core.NodeCondition | None:
    """The node's condition of that type."""
    return next((one for one in node.status.conditions if one.type == kind), None)


def ready_status(node: core.Node) -> str:
    """True, False, Unknown; "" if the node never said."""
    found = condition(node, "Ready")
    return found.status if found is not None else ""


def wanted(node: core.Node, now: str, *, evict: bool, pardon: bool) -> tuple[core.Taint, ...]:
    """The taints the node should have.

    `evict` allows a new NoExecute taint on a node that is not ready; `pardon` takes such taints away from all nodes
    (when none is ready the fault is more likely ours). A swap of one NoExecute taint for the other is always allowed.
    """
    status = ready_status(node)
    schedule = [key for one in node.status.conditions if (key := _BY_CONDITION.get((one.type, one.status)))]
    if node.spec.unschedulable:
        schedule.append(UNSCHEDULABLE)
    keys = [(key, "NoSchedule") for key in schedule]
    had = {one.key for one in node.spec.taints if one.effect == "NoExecute" and one.key in (NOT_READY, UNREACHABLE)}
    if status in ("False", "Unknown") and not pardon and (had or evict):
        keys.append((NOT_READY if status == "False" else UNREACHABLE, "NoExecute"))
    elif status == "":
        keys += [(key, "NoExecute") for key in had]
    kept = [one for one in node.spec.taints if not _is_ours(one) or (one.key, one.effect) in keys]
    present = {(one.key, one.effect) for one in kept}
    new = [core.Taint(key=key, effect=effect, timeAdded=now) for key, effect in keys if (key, effect) not in present]
    return (*kept, *new)


def _is_ours(taint: core.Taint) -> bool:
    if taint.effect == "NoSchedule":
        return taint.key in _OURS
    return taint.effect == "NoExecute" and taint.key in (NOT_READY, UNREACHABLE)


def needs_eviction(node: core.Node) -> bool:
    """Whether a NoExecute taint would be new on this node."""
    present = {one.key for one in no_execute(node)}
    return ready_status(node) in ("False", "Unknown") and not present & {NOT_READY, UNREACHABLE}
