"""NodeResourcesBalancedAllocation: better where the Pod brings the use of CPU and memory closer together.

Upstream: plugins/noderesources/balanced_allocation.go. Pure.
"""

from collections.abc import Sequence

from pybernetes.scheduler import framework, per_node
from pybernetes.scheduler.node_info import NodeInfo, PodInfo


class NodeResourcesBalancedAllocation:
    """The plugin."""

    name = "NodeResourcesBalancedAllocation"

    def __init__(self, snapshot: framework.Snapshot) -> None:
        self._scores: per_node.PerNode[int] = per_node.PerNode(snapshot)

    def pre_score(
        self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> framework.Status | None:
        """A Pod that asks for nothing changes no balance."""
        return None if pod.requests.milli_cpu or pod.requests.memory else framework.SKIP

    def score(self, state: framework.CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """50 for no change, more where the two come closer, less where they drift apart."""
        cpu, memory = pod.requests.milli_cpu, pod.requests.memory
        return self._scores.get((cpu, memory), nodes, lambda node: balance(node, cpu, memory))


def balance(node: NodeInfo, cpu: int, memory: int) -> int:
    """The score of one node."""
    room, used = node.allocatable, node.requested
    if not room.milli_cpu or not room.memory:
        return 75  # one resource alone is always in balance
    before = _distance(used.milli_cpu / room.milli_cpu, used.memory / room.memory)
    after = _distance((used.milli_cpu + cpu) / room.milli_cpu, (used.memory + memory) / room.memory)
    return 50 + _half(50 + int((1 - after) * 100) - int((1 - before) * 100))


def _distance(first: float, second: float) -> float:
    """The standard deviation of two fractions, neither more than all of it."""
    return abs((min(first, 1.0) - min(second, 1.0)) / 2)


def _half(number: int) -> int:
    """Rounded towards zero, as upstream's integers are."""
    return number // 2 if number >= 0 else -(-number // 2)
