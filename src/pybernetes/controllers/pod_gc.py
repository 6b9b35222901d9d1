"""Removes Pods that nobody else will: on nodes that are gone, never scheduled and deleted, or ended and too many.

    keys   node/<name>   its Pods are orphans if it is still gone after the quarantine
           pod/<key>     is being deleted and no kubelet will see to it
           terminated    more ended Pods than the threshold
Upstream: pkg/controller/podgc.
"""

from typing import Any

from pybernetes.aio import tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller, informer
from pybernetes.controllers import node_taints, pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.telemetry import logs, metrics, traces

logger = logs.get("podgc")

QUARANTINE = 40.0
TERMINATED = "terminated"
_FORCED, _FAILED = (
    metrics.DEFAULT.counter(f"pod_gc_collector_force_delete_{what}_total", text, ("namespace", "reason"))
    for what, text in (("pods", "Pods deleted by force"), ("pod_errors", "Pods that could not be deleted by force"))
)
_PARALLEL = 50


class PodGCController:
    """The controller `podgc`."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("pod-garbage-collector")
        self._clock = context.clock
        self._threshold = context.settings.terminated_pod_gc_threshold
        self._nodes = context.informers.informer(core.Node)
        self._pods = context.informers.informer(core.Pod)
        pod_control.index_by_node(self._pods)
        self._node_resource = client.resource(core.Node)
        self._resource = client.resource(core.Pod)
        self._terminated: set[str] = set()
        self.controller = controller.Controller("podgc", self.sync, clock=context.clock)
        self.controller.watches(
            self._pods, on_add=self._pod_seen, on_update=lambda old, new: self._pod_seen(new), on_delete=self._pod_gone
        )
        self.controller.watches(self._nodes, on_update=self._node_updated, on_delete=self._node_gone)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _pod_seen(self, pod: core.Pod) -> None:
        key = meta.key(pod)
        if pod.status.phase in ("Succeeded", "Failed"):
            self._terminated.add(key)
            if 0 < self._threshold < len(self._terminated):
                self.controller.enqueue(TERMINATED)
        if pod.spec.nodeName and self._nodes.get("", pod.spec.nodeName) is None:
            self.controller.enqueue_after(f"node/{pod.spec.nodeName}", QUARANTINE)
        if pod.metadata.deletionTimestamp is not None and self._is_abandoned(pod):
            self.controller.enqueue(f"pod/{key}")

    def _pod_gone(self, obj: informer.Deleted[core.Pod]) -> None:
        self._terminated.discard(meta.key(informer.last_known(obj)))

    def _node_updated(self, old: core.Node, new: core.Node) -> None:
        if _out_of_service(new) and not _out_of_service(old):
            for pod in pod_control.on_node(self._pods, new.metadata.name):
                self._pod_seen(pod)

    def _node_gone(self, obj: informer.Deleted[core.Node]) -> None:
        self.controller.enqueue_after(f"node/{informer.last_known(obj).metadata.name}", QUARANTINE)

    def _is_abandoned(self, pod: core.Pod) -> bool:
        if not pod.spec.nodeName:
            return True
        node = self._nodes.get("", pod.spec.nodeName)
        return node is not None and _out_of_service(node)

    async def sync(self, key: str) -> None:
        """Look at one reason to remove Pods."""
        kind, _, name = key.partition("/")
        if kind == TERMINATED:
            await self._gc_terminated()
        elif kind == "node":
            await self._gc_orphaned(name)
        else:
            pod = self._pods.by_key(name)
            if pod is not None and pod.metadata.deletionTimestamp is not None and self._is_abandoned(pod):
                await self._force_delete(pod, "out-of-service" if pod.spec.nodeName else "unscheduled")

    async def _gc_terminated(self) -> None:
        ended = [pod for key in self._terminated if (pod := self._pods.by_key(key)) is not None]
        surplus = len(ended) - self._threshold
        if surplus <= 0:
            return
        logger.info("Garbage collecting %d pods", surplus)
        ended.sort(key=lambda pod: (pod.status.reason != "Evicted", pod.metadata.creationTimestamp, pod.metadata.name))
        for start in range(0, surplus, _PARALLEL):
            some = ended[start : min(start + _PARALLEL, surplus)]
            deletions = [self._force_delete(pod, TERMINATED) for pod in some]
            await tasks.gather(*deletions, name="delete terminated pods")

    async def _gc_orphaned(self, node: str) -> None:
        if self._nodes.get("", node) is not None:
            return
        try:
            await self._node_resource.get(node)
        except errors.NotFound:
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
                "lastTransitionTime": timestamps.format_time(self._clock.now()),
            }
            for pod in pod_control.on_node(self._pods, node):
                await self._force_delete(pod, "orphaned", condition)

    async def _force_delete(self, pod: core.Pod, reason: str, condition: dict[str, str] | None = None) -> None:
        traces.step(36, meta.key(pod))
        name, namespace = pod.metadata.name, pod.metadata.namespace
        logger.info("PodGC is force deleting Pod", extra=logs.kv(pod=meta.key(pod)))
        try:
            if pod.status.phase not in ("Succeeded", "Failed"):
                generation = pod.metadata.generation
                status: dict[str, Any] = {"phase": "Failed", "observedGeneration": generation}
                if condition:
                    status["conditions"] = [{**condition, "observedGeneration": generation}]
                patch = {"metadata": {"uid": pod.metadata.uid}, "status": status}
                await self._resource.patch(name, patch, namespace, type="strategic", subresource="status")
            await self._resource.delete(name, namespace, grace_period=0, uid=pod.metadata.uid)
        except errors.NotFound:
            return
        except errors.StatusError:
            _FAILED.labels(namespace, reason).inc()
            raise
        _FORCED.labels(namespace, reason).inc()


def _out_of_service(node: core.Node) -> bool:
    tainted = any(one.key == node_taints.OUT_OF_SERVICE for one in node.spec.taints)
    return tainted and node_taints.ready_status(node) != "True"
