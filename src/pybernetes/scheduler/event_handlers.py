"""What the watches tell: bound Pods and nodes go to the cache, unbound Pods of ours to the queue.

One handler for Pods branches by `assigned_pod` and `responsible_for_pod`; every change is then offered to the queue,
which knows which waiting Pods it may help. A tombstone (the delete itself was missed) may carry an old state, so it
is taken out of both.
Path: 13 scheduler picks a node. Upstream: pkg/scheduler/eventhandlers.go (addAllEventHandlers).
"""

from collections.abc import Callable, Container
from typing import Any

from pybernetes.api.types import core, meta
from pybernetes.client.informer import Deleted, DeletedFinalStateUnknown, Informer, last_known
from pybernetes.scheduler import cluster_events
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.cluster_events import ClusterEvent
from pybernetes.scheduler.node_info import CacheCorrupted
from pybernetes.scheduler.queue import PriorityQueue
from pybernetes.telemetry import logs, traces

logger = logs.get("scheduler")


def assigned_pod(pod: core.Pod) -> bool:
    """It has a node."""
    return bool(pod.spec.nodeName)


def responsible_for_pod(pod: core.Pod, profiles: Container[str]) -> bool:
    """It asked for one of our profiles."""
    return pod.spec.schedulerName in profiles


class EventHandlers:
    """Brings changes into cache and queue. `reject_waiting(uid)` ends a Pod's wait in Permit, if it does wait."""

    def __init__(
        self,
        cache: Cache,
        queue: PriorityQueue,
        profiles: Container[str],
        reject_waiting: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._profiles = profiles
        self._reject_waiting = reject_waiting

    def add_all_event_handlers(self, pods: Informer[core.Pod], nodes: Informer[core.Node]) -> None:
        """Listen."""
        nodes.add_handler(self.add_node, self.update_node, self.delete_node)
        pods.add_handler(self.add_pod, self.update_pod, self.delete_pod)

    def offer(self, informer: Informer[Any], resource: str) -> None:
        """Tell the queue of every change of some other kind."""
        add = ClusterEvent(resource, cluster_events.ADD)
        update = ClusterEvent(resource, cluster_events.UPDATE)
        delete = ClusterEvent(resource, cluster_events.DELETE)
        informer.add_handler(
            lambda new: self._queue.move_all(add, None, new),
            lambda old, new: self._queue.move_all(update, old, new),
            lambda old: self._queue.move_all(delete, last_known(old), None),
        )

    # nodes

    def add_node(self, node: core.Node) -> None:
        """More room."""
        self._cache.add_node(node)
        self._queue.move_all(cluster_events.NODE_ADD, None, node)

    def update_node(self, old: core.Node, new: core.Node) -> None:
        """Perhaps more room."""
        self._cache.add_node(new)
        for event in cluster_events.node_changes(new, old):
            self._queue.move_all(event, old, new)

    def delete_node(self, obj: Deleted[core.Node]) -> None:
        """Less room, but spreading may have become easier."""
        node = last_known(obj)
        self._queue.move_all(cluster_events.NODE_DELETE, node, None)
        self._cache.remove_node(node)

    # pods

    def add_pod(self, pod: core.Pod) -> None:
        """A Pod was created, or we have just started."""
        if assigned_pod(pod):
            self._add_assigned_pod(pod)
        elif responsible_for_pod(pod, self._profiles):
            traces.step(17, meta.key(pod))
            self._queue.add(pod)

    def update_pod(self, old: core.Pod, new: core.Pod) -> None:
        """A Pod was changed; going from unbound to bound is what a binding looks like from here."""
        if old.metadata.uid != new.metadata.uid:
            # Deleted and created again while no watch was open.
            self.delete_pod(DeletedFinalStateUnknown(f"{old.metadata.namespace}/{old.metadata.name}", old))
            self.add_pod(new)
        elif assigned_pod(old):
            self._update_assigned_pod(old, new)
        elif assigned_pod(new):
            traces.step(22, meta.key(new), new.spec.nodeName)
            self._add_assigned_pod(new)
            if responsible_for_pod(old, self._profiles):
                self._queue.delete(old)
        elif responsible_for_pod(old, self._profiles):
            self._update_pod_in_queue(old, new)

    def delete_pod(self, obj: Deleted[core.Pod]) -> None:
        """A Pod is gone."""
        pod = last_known(obj)
        ours = responsible_for_pod(pod, self._profiles)
        if isinstance(obj, DeletedFinalStateUnknown):
            if self._cache.get_pod(pod) is not None and not self._cache.is_assumed(pod):
                self._delete_assigned_pod(pod)
            if ours:
                self._delete_pod_from_queue(pod)
        elif assigned_pod(pod):
            self._delete_assigned_pod(pod)
        elif ours:
            self._delete_pod_from_queue(pod)

    def _add_assigned_pod(self, pod: core.Pod) -> None:
        try:
            self._cache.add_pod(pod)
        except CacheCorrupted as error:
            logger.error("Scheduler cache AddPod failed: %s", error, extra=logs.kv(pod=pod.metadata.name))
        self._queue.move_all(cluster_events.ASSIGNED_POD_ADD, None, pod)

    def _update_assigned_pod(self, old: core.Pod, new: core.Pod) -> None:
        try:
            self._cache.update_pod(new)
        except CacheCorrupted as error:
            logger.error("Scheduler cache UpdatePod failed: %s", error, extra=logs.kv(pod=new.metadata.name))
        for event in cluster_events.pod_changes(new, old, target=False):
            self._queue.move_all(event, old, new)

    def _delete_assigned_pod(self, pod: core.Pod) -> None:
        try:
            self._cache.remove_pod(pod)
        except CacheCorrupted as error:
            logger.error("Scheduler cache RemovePod failed: %s", error, extra=logs.kv(pod=pod.metadata.name))
        self._queue.move_all(cluster_events.ASSIGNED_POD_DELETE, pod, None)

    def _update_pod_in_queue(self, old: core.Pod, new: core.Pod) -> None:
        if old.metadata.resourceVersion == new.metadata.resourceVersion:
            return
        if self._cache.is_assumed(new):
            if new.metadata.deletionTimestamp is not None and old.metadata.deletionTimestamp is None:
                self._handle_assumed_pod_deletion(new)
            return
        self._queue.update(old, new)
        nominated = old.status.nominatedNodeName
        if nominated and nominated != new.status.nominatedNodeName:
            # It was counted on that node by all that are not more important.
            self._released(old)

    def _delete_pod_from_queue(self, pod: core.Pod) -> None:
        self._queue.delete(pod)
        if self._cache.is_assumed(pod):
            self._handle_assumed_pod_deletion(pod)
        elif pod.status.nominatedNodeName:
            self._released(pod)

    def _released(self, pod: core.Pod) -> None:
        priority = pod.spec.priority or 0
        self._queue.move_all(
            cluster_events.ASSIGNED_POD_DELETE, pod, None, lambda other: (other.spec.priority or 0) <= priority
        )

    def _handle_assumed_pod_deletion(self, pod: core.Pod) -> None:
        """Its room is free at once; the binding under way will fail by itself."""
        assumed = self._cache.get_pod(pod)
        if assumed is None:
            return
        if not self._reject_waiting(assumed.metadata.uid):
            self._cache.forget(assumed)
        self._queue.move_all(cluster_events.ASSIGNED_POD_DELETE, assumed, None)
