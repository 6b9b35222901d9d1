"""PriorityClasses: those of the system itself stay.

Upstream: pkg/registry/scheduling/priorityclass.
"""

from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object

SYSTEM = frozenset({"system-cluster-critical", "system-node-critical"})


class PriorityClassStrategy(strategy.Strategy):
    """An ordinary kind, but for two objects."""

    def refuse_deletion(self, old: Object) -> str:
        """The system's own classes."""
        system = old["metadata"]["name"] in SYSTEM
        return "this is a system priority class and cannot be deleted" if system else ""
