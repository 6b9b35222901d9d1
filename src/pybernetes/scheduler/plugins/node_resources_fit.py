"""NodeResourcesFit: requests fit into what the node has left; emptier nodes are better (LeastAllocated).

Upstream: plugins/noderesources (fit.go, least_allocated.go). Pure.
"""

from collections.abc import Sequence
from typing import Any

from pybernetes.api import pod_requests
from pybernetes.api.types import core
from pybernetes.scheduler import cluster_events, framework, per_node
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.framework import Code, Status
from pybernetes.scheduler.node_info import NodeInfo, PodInfo, Resource


class NodeResourcesFit:
    """The plugin."""

    name = "NodeResourcesFit"

    def __init__(self, snapshot: framework.Snapshot) -> None:
        self._scores: per_node.PerNode[int] = per_node.PerNode(snapshot)

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """Room for one more Pod and for everything it asks for."""
        wanted, room, used = pod.requests, node.allocatable, node.requested
        if (
            len(node.pods) < room.allowed_pod_number
            and wanted.milli_cpu <= room.milli_cpu - used.milli_cpu
            and wanted.memory <= room.memory - used.memory
            and not wanted.ephemeral_storage
            and not wanted.scalars
        ):
            return None
        return self._explain(pod, node)

    def _explain(self, pod: PodInfo, node: NodeInfo) -> Status | None:
        reasons, hopeless = insufficient(pod, node)
        if not reasons:
            return None
        code = Code.UNSCHEDULABLE_AND_UNRESOLVABLE if hopeless else Code.UNSCHEDULABLE
        return Status(code, *reasons, plugin=self.name)

    def score(self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """What is left of CPU and memory, in percent, with the Pod on the node."""
        cpu, memory = pod.non_zero_cpu, pod.non_zero_memory
        return self._scores.get((cpu, memory), nodes, lambda node: least_allocated(node, cpu, memory))

    def events_to_register(self) -> list[EventWithHint]:
        """Pods go or shrink, nodes come or grow."""
        nodes = ClusterEvent(cluster_events.NODE, cluster_events.ADD | cluster_events.UPDATE_NODE_ALLOCATABLE)
        return [
            EventWithHint(cluster_events.ASSIGNED_POD_DELETE, self._after_pod_delete),
            EventWithHint(nodes, self._after_node_change),
            EventWithHint(
                ClusterEvent(cluster_events.ASSIGNED_POD, cluster_events.UPDATE_POD_SCALE_DOWN), self._after_scale_down
            ),
            EventWithHint(ClusterEvent(cluster_events.TARGET_POD, cluster_events.UPDATE_POD_SCALE_DOWN)),
        ]

    @staticmethod
    def _after_pod_delete(pod: PodInfo, old: Any, new: Any) -> bool:
        return bool(old.spec.nodeName or old.status.nominatedNodeName)

    @staticmethod
    def _after_node_change(pod: PodInfo, old: Any, new: Any) -> bool:
        if insufficient(pod, NodeInfo(new))[0]:
            return False
        return old is None or _grew(pod.requests, old, new)

    @staticmethod
    def _after_scale_down(pod: PodInfo, old: Any, new: Any) -> bool:
        if not new.spec.nodeName:
            return False
        before, after, wanted = pod_requests.requests(old), pod_requests.requests(new), pod_requests.requests(pod.pod)
        return any(amount and before.get(name, 0) > after.get(name, 0) for name, amount in wanted.items())


def least_allocated(node: NodeInfo, cpu: int, memory: int) -> int:
    """The mean of the free shares of the resources that the node has, in percent."""
    room, used = node.allocatable, node.non_zero_requested
    total = count = 0
    if capacity := room.milli_cpu:
        left = capacity - used.milli_cpu - cpu
        total = left * 100 // capacity if left > 0 else 0
        count = 1
    if capacity := room.memory:
        left = capacity - used.memory - memory
        total += left * 100 // capacity if left > 0 else 0
        count += 1
    return total // count if count else 0


def insufficient(pod: PodInfo, node: NodeInfo) -> tuple[list[str], bool]:
    """What does not fit, and whether it would not even fit on the empty node."""
    wanted, room, used = pod.requests, node.allocatable, node.requested
    reasons: list[str] = []
    hopeless = False
    if len(node.pods) + 1 > room.allowed_pod_number:
        reasons.append("Too many pods")
    for name, amount, capacity, taken in (
        (pod_requests.CPU, wanted.milli_cpu, room.milli_cpu, used.milli_cpu),
        (pod_requests.MEMORY, wanted.memory, room.memory, used.memory),
        (pod_requests.EPHEMERAL_STORAGE, wanted.ephemeral_storage, room.ephemeral_storage, used.ephemeral_storage),
        *(
            (name, amount, room.scalars.get(name, 0), used.scalars.get(name, 0))
            for name, amount in wanted.scalars.items()
        ),
    ):
        if amount > 0 and amount > capacity - taken:
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or amount > capacity
    return reasons, hopeless


def _grew(wanted: Resource, old: core.Node, new: core.Node) -> bool:
    before, after = Resource.parse(old.status.allocatable), Resource.parse(new.status.allocatable)
    return (
        after.allowed_pod_number > before.allowed_pod_number
        or (wanted.milli_cpu > 0 and after.milli_cpu > before.milli_cpu)
        or (wanted.memory > 0 and after.memory > before.memory)
        or (wanted.ephemeral_storage > 0 and after.ephemeral_storage > before.ephemeral_storage)
        or any(
            amount and after.scalars.get(name, 0) > before.scalars.get(name, 0)
            for name, amount in wanted.scalars.items()
        )
    )
