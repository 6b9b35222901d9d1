"""What was worked out for a node, kept until the node changes.

Between two Pods of one controller one node out of hundreds changes: everything else is a lookup. A table is found by
a key that says what was asked (say, the requests of a Pod); nodes that changed since it was last used are dropped
from it, and what is missing is worked out when it is needed.
Upstream: none (there, goroutines do it again each time). Pure.
"""

import collections
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from pybernetes.scheduler import framework
from pybernetes.scheduler.node_info import NodeInfo

V = TypeVar("V")
_TABLES = 128


class _Table(Generic[V]):
    __slots__ = ("epoch", "generation", "values")

    def __init__(self) -> None:
        self.epoch = -1
        self.generation = 0
        self.values: dict[str, V] = {}


class PerNode(Generic[V]):
    """Values of one kind, for nodes of one snapshot."""

    def __init__(self, snapshot: framework.Snapshot) -> None:
        self._snapshot = snapshot
        self._tables: collections.OrderedDict[Hashable, _Table[V]] = collections.OrderedDict()

    def get(self, key: Hashable, nodes: Sequence[NodeInfo], compute: Callable[[NodeInfo], V]) -> list[V]:
        """The value for each node; `compute` must depend on nothing but the key and the node."""
        values = self._fresh(key)
        result: list[V] = []
        for node in nodes:
            value = values.get(node.name)
            if value is None:
                value = values[node.name] = compute(node)
            result.append(value)
        return result

    def _fresh(self, key: Hashable) -> dict[str, V]:
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = _Table()
            if len(self._tables) > _TABLES:
                self._tables.popitem(last=False)
        else:
            self._tables.move_to_end(key)
        snapshot = self._snapshot
        if table.epoch != snapshot.epoch:
            table.epoch = snapshot.epoch
            table.values.clear()
        else:
            for node in snapshot.changed_since(table.generation):
                table.values.pop(node.name, None)
        table.generation = snapshot.generation
        return table.values
