"""Nodes and the Pods on them, including Pods that are assumed: decided, counted, and not yet confirmed by a watch.

    assume ──► assumed ──► add_pod (the watch shows it bound) ──► added ──► remove_pod
                  │
                  └──► forget (binding failed)

Upstream copies what changed into a snapshot before each cycle. Here a cycle never awaits between looking and assuming,
so nothing can change under it, and the snapshot is a view: `Snapshot.nodes` lists the live NodeInfos, one zone after
the other in turns.
Upstream: pkg/scheduler/backend/cache. Pure.
"""

from collections.abc import Iterable, Iterator

from pybernetes.api import node_matching
from pybernetes.api.types import core
from pybernetes.scheduler.node_info import CacheCorrupted, ImageState, NodeInfo, PodInfo


class Snapshot:
    """The nodes as a scheduling cycle sees them (`framework.Snapshot`)."""

    def __init__(self, nodes: Iterable[NodeInfo] = ()) -> None:
        self.nodes: list[NodeInfo] = []
        self.with_affinity: dict[str, NodeInfo] = {}
        self.with_required_anti_affinity: dict[str, NodeInfo] = {}
        self.images: dict[str, ImageState] = {}
        self.epoch = 0
        self.generation = 0
        self._by_name: dict[str, NodeInfo] = {}
        self._by_change: dict[str, NodeInfo] = {}
        """The one that changed last is the last."""
        for node in nodes:
            self.note(node)
        self.replace_nodes([*nodes])

    def get(self, name: str) -> NodeInfo | None:
        """One node."""
        return self._by_name.get(name)

    def replace_nodes(self, nodes: list[NodeInfo]) -> None:
        """These are the nodes from now on."""
        self.epoch += 1
        self.nodes = nodes
        self._by_name = {node.name: node for node in nodes}
        self.with_affinity = {node.name: node for node in nodes if node.pods_with_affinity}
        self.with_required_anti_affinity = {node.name: node for node in nodes if node.pods_with_required_anti_affinity}

    def note(self, node: NodeInfo) -> None:
        """That node has just changed."""
        name = node.name
        self.generation = node.generation
        self._by_change.pop(name, None)
        self._by_change[name] = node
        if name not in self._by_name:
            return
        for index, pods in (
            (self.with_affinity, node.pods_with_affinity),
            (self.with_required_anti_affinity, node.pods_with_required_anti_affinity),
        ):
            if pods:
                index[name] = node
            elif index:
                index.pop(name, None)

    def forget(self, name: str) -> None:
        """There is no such node any more."""
        self._by_change.pop(name, None)

    def changed_since(self, generation: int) -> Iterator[NodeInfo]:
        """Nodes with a later generation, the latest first."""
        for node in reversed(self._by_change.values()):
            if node.generation <= generation:
                return
            yield node


class Cache:
    """The state of the cluster as the scheduler believes it to be."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        """By name; one without a node has Pods that came before it or outlived it."""
        self.pods: dict[str, core.Pod] = {}
        """By uid: added and assumed."""
        self.assumed: set[str] = set()
        self.snapshot = Snapshot()
        self._zones: dict[str, dict[str, None]] = {}
        self._nodes_changed = False

    def update_snapshot(self) -> Snapshot:
        """The view for the next cycle; costs nothing unless nodes came or went."""
        if self._nodes_changed:
            self._nodes_changed = False
            self.snapshot.replace_nodes([self.nodes[name] for name in self._in_turns()])
        return self.snapshot

    def _in_turns(self) -> Iterator[str]:
        """A node of each zone, then the next of each, as long as there are any."""
        waiting = [iter(names) for names in self._zones.values()]
        while waiting:
            left = []
            for names in waiting:
                name = next(names, None)
                if name is not None:
                    left.append(names)
                    yield name
            waiting = left

    # nodes

    def add_node(self, node: core.Node) -> None:
        """A node is there (or has changed)."""
        name = node.metadata.name
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = NodeInfo()
        zone = node_matching.zone_key(node.metadata.labels)
        if not info.has_node:
            self._zones.setdefault(zone, {})[name] = None
            self._nodes_changed = True
        elif (old_zone := node_matching.zone_key(info.labels)) != zone:
            self._leave_zone(old_zone, name)
            self._zones.setdefault(zone, {})[name] = None
            self._nodes_changed = True
        self._set_images(info, node)
        info.set_node(node)
        self.snapshot.note(info)

    def remove_node(self, node: core.Node) -> None:
        """A node is gone; its Pods count until they are gone too."""
        name = node.metadata.name
        info = self.nodes.get(name)
        if info is None or not info.has_node:
            return
        self._leave_zone(node_matching.zone_key(info.labels), name)
        self._nodes_changed = True
        self._set_images(info, core.Node())
        info.remove_node()
        if info.pods:
            self.snapshot.note(info)
        else:
            del self.nodes[name]
            self.snapshot.forget(name)

    def _leave_zone(self, zone: str, name: str) -> None:
        names = self._zones[zone]
        del names[name]
        if not names:
            del self._zones[zone]

    def _set_images(self, info: NodeInfo, node: core.Node) -> None:
        if info.has_node and info.node.status.images == node.status.images:
            return
        for name, image in info.image_states.items():
            image.nodes.discard(info.name)
            if not image.nodes:
                self.snapshot.images.pop(name, None)
        info.image_states = {}
        for reported in node.status.images:
            for name in reported.names:
                image = self.snapshot.images.setdefault(name, ImageState(reported.sizeBytes))
                image.nodes.add(node.metadata.name)
                info.image_states[name] = image

    # pods

    def assume(self, info: PodInfo) -> None:
        """Count a Pod (a copy with `spec.nodeName` set) before the API server knows."""
        if info.uid in self.pods:
            raise CacheCorrupted(f"pod {info.uid}({info.key}) is in the cache, so can't be assumed")
        self._count(info)
        self.assumed.add(info.uid)

    def forget(self, pod: core.Pod) -> None:
        """It was not bound after all."""
        known = self.pods.get(pod.metadata.uid)
        if known is None:
            return
        if pod.metadata.uid not in self.assumed:
            raise CacheCorrupted(f"pod {pod.metadata.uid} is not assumed, so it cannot be removed or forgotten")
        if known.spec.nodeName != pod.spec.nodeName:
            raise CacheCorrupted(
                f"pod {pod.metadata.uid} was assumed on {pod.spec.nodeName} but assigned to {known.spec.nodeName}"
            )
        self._uncount(known)

    def add_pod(self, pod: core.Pod) -> None:
        """A bound Pod is there; if it was assumed, that is now confirmed (or corrected, if it runs elsewhere)."""
        uid = pod.metadata.uid
        known = self.pods.get(uid)
        if known is None:
            self._count(PodInfo(pod))
        elif uid in self.assumed:
            self.assumed.discard(uid)
            self._change(known, pod)
        else:
            raise CacheCorrupted(f"pod {uid} was already in added state")

    def update_pod(self, pod: core.Pod) -> None:
        """A bound Pod has changed."""
        uid = pod.metadata.uid
        known = self.pods.get(uid)
        if known is None:
            raise CacheCorrupted(f"pod {uid} is not added to scheduler cache, so cannot be updated")
        if uid in self.assumed:
            raise CacheCorrupted(f"assumed pod {uid} should not be updated")
        self._change(known, pod)

    def remove_pod(self, pod: core.Pod) -> None:
        """A bound Pod is gone."""
        known = self.pods.get(pod.metadata.uid)
        if known is None:
            raise CacheCorrupted(
                f"pod {pod.metadata.uid} is not found in scheduler cache, so cannot be removed from it"
            )
        self._uncount(known)

    def is_assumed(self, pod: core.Pod) -> bool:
        """Whether it is decided and not yet confirmed."""
        return pod.metadata.uid in self.assumed

    def get_pod(self, pod: core.Pod) -> core.Pod | None:
        """The Pod as it is counted."""
        return self.pods.get(pod.metadata.uid)

    def _change(self, known: core.Pod, pod: core.Pod) -> None:
        node = self.nodes[known.spec.nodeName]
        info = node.pods[pod.metadata.uid]
        if known.spec.nodeName == pod.spec.nodeName and info.same_footprint(pod):
            node.replace_pod(info.with_pod(pod))
            self.snapshot.note(node)
            self.pods[pod.metadata.uid] = pod
            return
        self._uncount(known)
        self._count(PodInfo(pod))

    def _count(self, info: PodInfo) -> None:
        name = info.pod.spec.nodeName
        node = self.nodes.get(name)
        if node is None:
            node = self.nodes[name] = NodeInfo()
            node.name = name
        node.add_pod(info)
        self.pods[info.uid] = info.pod
        self.snapshot.note(node)

    def _uncount(self, pod: core.Pod) -> None:
        name = pod.spec.nodeName
        node = self.nodes[name]
        node.remove_pod(pod.metadata.uid)
        self.snapshot.note(node)
        if not node.pods and not node.has_node:
            del self.nodes[name]
            self.snapshot.forget(name)
        del self.pods[pod.metadata.uid]
        self.assumed.discard(pod.metadata.uid)
