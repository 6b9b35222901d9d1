"""Watches over nodes: a kubelet that is silent for too long makes its node Unknown, and conditions become taints.

A node is alive when its Ready condition's heartbeat or its Lease moves. Nothing is polled: each node is looked at when
it changes, and once more when its grace period would end; what a Lease does in between is only remembered.
Upstream: pkg/controller/nodelifecycle.
"""

import dataclasses
from typing import Any

from pybernetes.api.types import coordination, core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller, informer
from pybernetes.controllers import node_taints, node_zones, pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.telemetry import logs

logger = logs.get("node-lifecycle")

LEASES = "kube-node-lease"
_JUDGED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_OS_LABELS = (("kubernetes.io/os", "beta.kubernetes.io/os"), ("kubernetes.io/arch", "beta.kubernetes.io/arch"))


@dataclasses.dataclass(slots=True)
class _Health:
    """What is known of one node; `probe` is our own time of its last sign of life."""

    uid: str
    probe: float
    heartbeat: str = ""
    lease: str = ""
    trouble: float | None = None
    """Since when it is not ready and not tainted for it."""


class NodeLifecycleController:
    """The controller `nodelifecycle`: a key is a node."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("node-controller")
        self._clock = context.clock
        self._settings = context.settings
        self._nodes = context.informers.informer(core.Node)
        self._pods = context.informers.informer(core.Pod)
        self._leases = context.informers.informer(coordination.Lease)
        pod_control.index_by_node(self._pods)
        self._node_resource = client.resource(core.Node)
        self._pod_resource = client.resource(core.Pod)
        self._lease_resource = client.resource(coordination.Lease)
        self._recorder = context.recorder("node-controller", client)
        self._health: dict[str, _Health] = {}
        self._zones = node_zones.Zones(context.clock, context.settings)
        self.controller = controller.Controller("node_lifecycle", self.sync_node, clock=context.clock, workers=8)
        self._pod_controller = controller.Controller("node_lifecycle_pods", self.sync_pod, clock=context.clock)
        self.controller.watches(self._nodes, on_add=self._node_seen, on_update=self._node_updated)
        self.controller.watches(self._nodes, on_delete=self._node_deleted)
        self.controller.watches(self._leases, on_add=self._lease_seen, on_update=lambda old, new: self._lease_seen(new))
        self.controller.watches(self._pods, on_add=self._pod_seen, on_update=self._pod_updated)
        self._group = context.group

    async def run(self) -> None:
        """Work until cancelled."""
        self._group.start(self._pod_controller.run(), "node lifecycle: pods")
        await self.controller.run()

    # what the watches bring

    def _node_seen(self, node: core.Node) -> None:
        name, uid = node.metadata.name, node.metadata.uid
        known = self._health.get(name)
        if known is None or known.uid != uid:
            self._health[name] = _Health(uid, self._clock.monotonic(), _heartbeat(node))
            self._event(name, uid, "RegisteredNode", f"Registered Node {name} in Controller")
            lease = self._leases.get(LEASES, name)
            if lease is not None:
                self._lease_seen(lease)
        self.controller.enqueue(name)

    def _node_updated(self, old: core.Node, new: core.Node) -> None:
        known = self._health.get(new.metadata.name)
        if known is None or known.uid != new.metadata.uid:
            self._node_seen(new)
            return
        if (heartbeat := _heartbeat(new)) != known.heartbeat:
            known.heartbeat, known.probe = heartbeat, self._clock.monotonic()
        if _decisive(old) != _decisive(new):
            self.controller.enqueue(new.metadata.name)
        if node_taints.ready_status(new) == "Unknown" and node_taints.ready_status(old) == "True":
            for pod in pod_control.on_node(self._pods, new.metadata.name):
                self._pod_controller.enqueue(meta.key(pod))

    def _node_deleted(self, obj: informer.Deleted[core.Node]) -> None:
        metadata = informer.last_known(obj).metadata
        if self._health.pop(metadata.name, None) is not None:
            self._event(metadata.name, metadata.uid, "RemovingNode", f"Removing Node {metadata.name} from Controller")
        self._refresh_zones()

    def _lease_seen(self, lease: coordination.Lease) -> None:
        if lease.metadata.namespace != LEASES:
            return
        known = self._health.get(lease.metadata.name)
        renewed = lease.spec.renewTime or ""
        # The clock of a node may be set back: any change is a sign of life.
        if known is not None and renewed != known.lease:
            known.lease, known.probe = renewed, self._clock.monotonic()

    def _pod_seen(self, pod: core.Pod) -> None:
        node = self._nodes.get("", pod.spec.nodeName) if pod.spec.nodeName else None
        if node is not None and node_taints.ready_status(node) in ("False", "Unknown"):
            self._pod_controller.enqueue(meta.key(pod))

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        if old.spec.nodeName != new.spec.nodeName:
            self._pod_seen(new)

    # a node

    async def sync_node(self, name: str) -> float | None:
        """Judge one node; returns when it may be tainted."""
        node, health = self._nodes.get("", name), self._health.get(name)
        if node is None or health is None:
            return None
        left = health.probe + self._grace(node) - self._clock.monotonic()
        if left < 0:
            if await self._is_alive(name, health):
                self._look_again(name, self._grace(node))
                return None
            node = await self._mark_unknown(node)
        self._refresh_zones()
        wait = await self._sync_taints(node)
        await self._sync_labels(node)
        if left >= 0:  # else it is silent: the next sign of life comes as a change of the node
            self._look_again(name, left + 0.001)
        return wait

    def _look_again(self, name: str, seconds: float) -> None:
        self.controller.enqueue_after(name, seconds, upkeep=f"{LEASES}/{name}")

    def _grace(self, node: core.Node) -> float:
        if node_taints.condition(node, "Ready") is None:
            return self._settings.node_startup_grace_period
        return self._settings.node_monitor_grace_period

    async def _is_alive(self, name: str, health: _Health) -> bool:
        """Whether a live look at the Lease shows what our cache has missed."""
        try:
            lease = await self._lease_resource.get(name, LEASES)
        except errors.NotFound:
            return False
        if (lease.spec.renewTime or "") in ("", health.lease):
            return False
        self._lease_seen(lease)
        return True

    async def _mark_unknown(self, node: core.Node) -> core.Node:
        now = timestamps.format_time(self._clock.now())
        changes: list[dict[str, Any]] = []
        for kind in _JUDGED:
            known = node_taints.condition(node, kind)
            if known is None:
                never = {"reason": "NodeStatusNeverUpdated", "message": "Kubelet never posted node status."}
                times = {"lastHeartbeatTime": node.metadata.creationTimestamp, "lastTransitionTime": now}
                changes.append({"type": kind, "status": "Unknown", **never, **times})
            elif known.status != "Unknown":
                stopped = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
                changes.append({"type": kind, "status": "Unknown", **stopped, "lastTransitionTime": now})
        if not changes:
            return node
        was_ready = node_taints.ready_status(node) == "True"
        metadata = {"uid": node.metadata.uid, "resourceVersion": node.metadata.resourceVersion}
        patch = {"metadata": metadata, "status": {"conditions": changes}}
        name = node.metadata.name
        changed = await self._node_resource.patch(name, patch, type="strategic", subresource="status")
        if was_ready:
            about = _about(name, node.metadata.uid)
            self._recorder.event(about, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        return changed

    def _refresh_zones(self) -> None:
        was = self._zones.all_disrupted
        nodes = self._nodes.list()
        if not self._zones.update(nodes):
            return
        logger.info("Zones are now in these states: %s", self._zones.states)
        now = self._clock.monotonic()
        for node in nodes:
            name = node.metadata.name
            if was and not self._zones.all_disrupted and name in self._health:
                # We were cut off ourselves: everybody starts anew.
                self._health[name].probe = now
            if node_taints.ready_status(node) != "True":
                self.controller.enqueue(name)

    async def _sync_taints(self, node: core.Node) -> float | None:
        """Make the taints follow the conditions; returns when a NoExecute taint may be added."""
        pardon = self._zones.all_disrupted
        wait = None if pardon else self._eviction_wait(node)
        evict = wait == 0.0
        now = timestamps.format_time(self._clock.now())
        taints = node_taints.wanted(node, now, evict=evict, pardon=pardon)
        if taints != node.spec.taints:
            patch = {
                "metadata": {"resourceVersion": node.metadata.resourceVersion},
                "spec": {"taints": [meta.to_dict(one) for one in taints] or None},
            }
            try:
                await self._node_resource.patch(node.metadata.name, patch)
            except errors.Conflict:
                # A node that starts writes its status just now: judge that.
                return await self._sync_taints(await self._node_resource.get(node.metadata.name))
            if evict:
                node_zones.EVICTIONS.labels(node_zones.zone_key(node)).inc()
        return None if evict else wait

    def _eviction_wait(self, node: core.Node) -> float | None:
        """Seconds until the node may be tainted so that its Pods leave; None if it need not be, or must not."""
        health = self._health.get(node.metadata.name)
        if health is None or not node_taints.needs_eviction(node):
            if health is not None:
                health.trouble = None
            return None
        now = self._clock.monotonic()
        if health.trouble is None:
            health.trouble = now
        # When many nodes fall silent at once, the first must not lose its Pods before the others are noticed.
        left = health.trouble + self._settings.node_monitor_period - now
        return left if left > 0 else self._zones.wait(node_zones.zone_key(node))

    async def _sync_labels(self, node: core.Node) -> None:
        labels = node.metadata.labels
        changes = {old: labels[new] for new, old in _OS_LABELS if new in labels and labels.get(old) != labels[new]}
        if changes:
            await self._node_resource.patch(node.metadata.name, {"metadata": {"labels": changes}})

    def _event(self, name: str, uid: str, reason: str, text: str) -> None:
        self._recorder.event(_about(name, uid), "Normal", reason, f"Node {name} event: {text}")

    # its Pods

    async def sync_pod(self, key: str) -> None:
        """A Pod on a node that is not ready is not ready either."""
        pod = self._pods.by_key(key)
        node = self._nodes.get("", pod.spec.nodeName) if pod is not None else None
        if pod is None or node is None or node_taints.ready_status(node) not in ("False", "Unknown"):
            return
        if not pod_control.is_ready(pod):
            return
        now = timestamps.format_time(self._clock.now())
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": now}
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        namespace, name = meta.split_key(key)
        try:
            await self._pod_resource.patch(name, patch, namespace, type="strategic", subresource="status")
        except errors.NotFound:
            return
        self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")


def _about(name: str, uid: str) -> core.ObjectReference:
    return core.ObjectReference(apiVersion="v1", kind="Node", name=name, uid=uid)


def _heartbeat(node: core.Node) -> str:
    ready = node_taints.condition(node, "Ready")
    return ready.lastHeartbeatTime if ready is not None else ""


def _decisive(node: core.Node) -> tuple[object, ...]:
    """What of a node may call for something to be done."""
    conditions = tuple((one.type, one.status) for one in node.status.conditions)
    return conditions, node.spec.taints, node.spec.unschedulable, node.metadata.labels
