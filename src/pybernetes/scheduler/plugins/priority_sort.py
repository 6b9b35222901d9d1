"""PrioritySort: the most important Pod first, among equals the one that waits longest.

Upstream: plugins/queuesort. Pure.
"""

from pybernetes.scheduler import framework


class PrioritySort:
    """The plugin."""

    name = "PrioritySort"

    def sort_key(self, pod: framework.QueuedPod) -> tuple[int, float]:
        """Higher priority, then earlier."""
        return (-pod.priority, pod.timestamp)
