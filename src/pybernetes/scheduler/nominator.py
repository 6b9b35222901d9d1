"""Pods that preemption has promised a node to, and that are not bound yet.

Filters count them as if they ran there, so that nobody of less importance takes the room meanwhile.
Upstream: pkg/scheduler/backend/queue/nominator.go. Pure.
"""

from collections.abc import Callable, Sequence

from pybernetes.api.types import core
from pybernetes.scheduler.node_info import PodInfo

_NOBODY: tuple[PodInfo, ...] = ()


class Nominator:
    """Who is expected where. `lister` finds the newest state of a Pod: one that is bound or gone is not nominated."""

    def __init__(self, lister: Callable[[str, str], core.Pod | None] | None = None) -> None:
        self._lister = lister
        self._by_node: dict[str, dict[str, PodInfo]] = {}
        self._node_of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._node_of)

    def for_node(self, name: str) -> Sequence[PodInfo]:
        """The Pods expected on a node."""
        pods = self._by_node.get(name)
        return [*pods.values()] if pods else _NOBODY

    def node_of(self, uid: str) -> str:
        """Where a Pod is expected, or ""."""
        return self._node_of.get(uid, "")

    def add(self, pod: PodInfo, node_name: str | None = None) -> None:
        """Nominate for that node, or (None) for the one in the Pod's status; "" takes a nomination back."""
        self.delete(pod.uid)
        name = pod.pod.status.nominatedNodeName if node_name is None else node_name
        if not name:
            return
        if self._lister is not None:
            newest = self._lister(pod.pod.metadata.namespace, pod.pod.metadata.name)
            if newest is None or newest.spec.nodeName:
                return
        self._node_of[pod.uid] = name
        self._by_node.setdefault(name, {})[pod.uid] = pod

    def update(self, old: core.Pod, new: PodInfo) -> None:
        """A newer state of a Pod.

        The status may not say yet what was decided here: as long as neither state names a node, the decision stands.
        """
        kept = None
        if not old.status.nominatedNodeName and not new.pod.status.nominatedNodeName:
            kept = self._node_of.get(old.metadata.uid)
        self.delete(old.metadata.uid)
        self.add(new, kept)

    def delete(self, uid: str) -> None:
        """No longer nominated."""
        name = self._node_of.pop(uid, None)
        if name is None:
            return
        pods = self._by_node[name]
        del pods[uid]
        if not pods:
            del self._by_node[name]
