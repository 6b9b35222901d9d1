"""Deletes Pods from nodes whose NoExecute taints they do not tolerate (any longer).

Upstream: pkg/controller/tainteviction.
"""

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller, informer
from pybernetes.controllers import node_taints, pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.telemetry import metrics

_DELETIONS = metrics.DEFAULT.counter("taint_eviction_controller_pod_deletions_total", "Pods deleted for a taint")
_DURATION = metrics.DEFAULT.histogram(
    "taint_eviction_controller_pod_deletion_duration_seconds",
    "From the end of a Pod's time on a tainted node to its deletion",
    buckets=(0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240),
)


class TaintEvictionController:
    """The controller `taint-eviction-controller`: a key is a Pod."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("node-controller")  # whose role it has
        self._clock = context.clock
        self._nodes = context.informers.informer(core.Node)
        self._pods = context.informers.informer(core.Pod)
        pod_control.index_by_node(self._pods)
        self._resource = client.resource(core.Pod)
        self._recorder = context.recorder("taint-eviction-controller", client)
        self._since: dict[str, float] = {}
        """Pods that are to go, and since when."""
        self.controller = controller.Controller("taint_eviction", self.sync_pod, clock=context.clock, workers=8)
        self.controller.watches(self._pods, on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._gone)
        self.controller.watches(self._nodes, on_add=self._node_seen, on_update=self._node_updated)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _pod_seen(self, pod: core.Pod) -> None:
        node = self._nodes.get("", pod.spec.nodeName) if pod.spec.nodeName else None
        if node is not None and node_taints.no_execute(node):
            self.controller.enqueue(meta.key(pod))

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        if old.spec.nodeName != new.spec.nodeName or old.spec.tolerations != new.spec.tolerations:
            self._pod_seen(new)

    def _gone(self, obj: informer.Deleted[core.Pod]) -> None:
        key = meta.key(informer.last_known(obj))
        if key in self._since:
            self.controller.enqueue(key)

    def _node_seen(self, node: core.Node) -> None:
        if node_taints.no_execute(node):
            self._enqueue_pods(node)

    def _node_updated(self, old: core.Node, new: core.Node) -> None:
        if node_taints.no_execute(old) != node_taints.no_execute(new):
            self._enqueue_pods(new)

    def _enqueue_pods(self, node: core.Node) -> None:
        for pod in pod_control.on_node(self._pods, node.metadata.name):
            self.controller.enqueue(meta.key(pod))

    async def sync_pod(self, key: str) -> float | None:
        """Delete the Pod when its time on a tainted node is over; returns when that is."""
        pod = self._pods.by_key(key)
        if pod is None:
            self._cancel(key)
            return None
        node = self._nodes.get("", pod.spec.nodeName) if pod.spec.nodeName else None
        taints = node_taints.no_execute(node) if node is not None else ()
        allowed = node_taints.toleration_seconds(taints, pod.spec.tolerations) if taints else None
        if allowed is None or pod.metadata.deletionTimestamp is not None:
            self._cancel(key)
            return None
        now = self._clock.monotonic()
        since = self._since.setdefault(key, now)
        if since + allowed > now:
            return since + allowed - now
        await self._evict(pod)
        _DELETIONS.labels().inc()
        _DURATION.labels().observe(self._clock.monotonic() - since - allowed)
        del self._since[key]
        return None

    def _cancel(self, key: str) -> None:
        if self._since.pop(key, None) is not None:
            self._event(key, f"Cancelling deletion of Pod {key}")

    async def _evict(self, pod: core.Pod) -> None:
        key = meta.key(pod)
        self._event(key, f"Marking for deletion Pod {key}")
        condition = {
            "type": "DisruptionTarget",
            "observedGeneration": pod.metadata.generation,
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": timestamps.format_time(self._clock.now()),
        }
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        name, namespace = pod.metadata.name, pod.metadata.namespace
        try:
            await self._resource.patch(name, patch, namespace, type="strategic", subresource="status")
            await self._resource.delete(name, namespace, uid=pod.metadata.uid)
        except errors.NotFound:
            return

    def _event(self, key: str, text: str) -> None:
        namespace, name = meta.split_key(key)
        about = core.ObjectReference(apiVersion="v1", kind="Pod", namespace=namespace, name=name)
        self._recorder.event(about, "Normal", "TaintManagerEviction", text)
