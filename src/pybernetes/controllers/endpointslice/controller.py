"""The controller `endpointslice`: a key is a Service; Pods, Nodes and its own slices lead to it.

Path: 17 Service traffic finds the Pod.
Upstream: pkg/controller/endpointslice/endpointslice_controller.go.
"""

import functools
from typing import Any

from msgspec import structs

from pybernetes.api.types import core, discovery, meta
from pybernetes.apimachinery import labels
from pybernetes.client import controller, informer, patches, workqueue
from pybernetes.controllers import pod_control, service_pods
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.endpointslice import reconcile, tracker
from pybernetes.telemetry import traces

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
MAX_RETRIES = 15
MIN_SYNC_DELAY = 1.0
"""A slice that somebody else changed is looked at that much later."""
_SERVICE_INDEX = "service"


class NodesMissing(Exception):
    """Some Pods run on Nodes that are not known."""


class EndpointSliceController:
    """See the module."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("endpointslice-controller")
        self._services = context.informers.informer(core.Service)
        self._pods = context.informers.informer(core.Pod)
        self._nodes = context.informers.informer(core.Node)
        self._slices = context.informers.informer(discovery.EndpointSlice)
        self._slices.add_index(_SERVICE_INDEX, lambda one: filter(None, (service_key(one),)))
        self._resource = client.resource(discovery.EndpointSlice)
        self._recorder = context.recorder("endpoint-slice-controller", client)
        self._tracker = tracker.EndpointSliceTracker(context.clock)
        self._trigger_times = service_pods.TriggerTimes()
        self._stale: set[str] = set()
        self.controller = controller.Controller(
            "endpoint_slice",
            self.sync_service,
            clock=context.clock,
            workers=context.settings.concurrent_service_endpoint_syncs,
            max_retries=MAX_RETRIES,
            limit=workqueue.RateLimit(initial=1.0),
        )
        self.controller.watches(self._services)
        self.controller.watches(
            self._pods, on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._pod_seen
        )
        self.controller.watches(self._nodes, on_update=self._node_updated)
        self.controller.watches(
            self._slices, on_add=self._slice_seen, on_update=self._slice_updated, on_delete=self._slice_deleted
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    # what the watches bring

    def _pod_seen(self, obj: informer.Deleted[core.Pod]) -> None:
        pod = informer.last_known(obj)
        services = self._services.list(pod.metadata.namespace)
        self._enqueue_all(service_pods.selected_services(services, pod.metadata.labels))

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        services = self._services.list(new.metadata.namespace)
        self._enqueue_all(service_pods.affected_services(services, old, new))

    def _enqueue_all(self, keys: set[str]) -> None:
        for key in keys:
            self.controller.enqueue(key)

    def _node_updated(self, old: core.Node, new: core.Node) -> None:
        if old.metadata.labels.get(reconcile.ZONE) != new.metadata.labels.get(reconcile.ZONE):
            for service in self._services.list():
                self.controller.enqueue(meta.key(service))

    def _slice_seen(self, one: discovery.EndpointSlice) -> None:
        key = service_key(one)
        if not key or not _is_managed(one):
            return
        if key in self._stale:
            self.controller.enqueue(key)
        elif not self._tracker.is_ours(key, one):
            self.controller.enqueue_after(key, MIN_SYNC_DELAY)

    def _slice_updated(self, old: discovery.EndpointSlice, new: discovery.EndpointSlice) -> None:
        if service_key(old) != service_key(new) or _is_managed(old) != _is_managed(new):
            for key in {service_key(old), service_key(new)} - {""}:
                self.controller.enqueue_after(key, MIN_SYNC_DELAY)
            return
        self._slice_seen(new)

    def _slice_deleted(self, obj: informer.Deleted[discovery.EndpointSlice]) -> None:
        one = informer.last_known(obj)
        key = service_key(one)
        if not key or not _is_managed(one):
            return
        expected = self._tracker.saw_deletion(key, one.metadata.name)
        if key in self._stale:
            self.controller.enqueue(key)
        elif not expected:
            self.controller.enqueue_after(key, MIN_SYNC_DELAY)

    # the sync

    async def sync_service(self, key: str) -> float | None:
        """Make the slices of one Service what its Pods say."""
        service = self._services.by_key(key)
        self._stale.discard(key)
        if service is None:
            self._trigger_times.forget(key)
            self._tracker.forget(key)
            return None
        if service.spec.type == "ExternalName" or not service.spec.selector:
            return None
        traces.step(28, key, "its EndpointSlices")
        cached = [one for one in self._slices.by_index(_SERVICE_INDEX, key) if _is_managed(one)]
        if self._tracker.stale(key, cached):
            self._stale.add(key)
            return MIN_SYNC_DELAY
        selector = labels.from_set(service.spec.selector)
        pods = self._pods.list(service.metadata.namespace, selector)
        trigger_time = self._trigger_times.compute(service, pods)
        existing = [one for one in cached if one.metadata.deletionTimestamp is None]
        todo = reconcile.plan(service, pods, functools.partial(self._nodes.get, ""), existing)
        try:
            await self._carry_out(key, todo, trigger_time)
        except pod_control.FAILURES as error:
            if pod_control.namespace_terminating(error):
                return None
            self._report(service, str(error))
            raise
        if todo.missing_nodes:
            text = ", ".join(
                f"skipping Pod {pod} for Service {key}: Node {node} Not Found" for pod, node in todo.missing_nodes
            )
            self._report(service, text)
            raise NodesMissing(text)
        return None

    def _report(self, service: core.Service, reason: str) -> None:
        text = f"Error updating Endpoint Slices for Service {meta.key(service)}: {reason}"
        self._recorder.event(service, "Warning", "FailedToUpdateEndpointSlices", text)

    async def _carry_out(self, key: str, todo: reconcile.Plan, trigger_time: str) -> None:
        namespace = meta.split_key(key)[0]
        for new in todo.create:
            made = await self._resource.create(_wire(_with_trigger_time(new, trigger_time)), namespace)
            self._tracker.wrote(key, made)
        for old, new in todo.update:
            patch = patches.diff(_wire(old), _wire(_with_trigger_time(new, trigger_time)))
            patch.setdefault("metadata", {})["resourceVersion"] = old.metadata.resourceVersion
            self._tracker.wrote(key, await self._resource.patch(old.metadata.name, patch, namespace))
        for old in todo.delete:
            await self._resource.delete(old.metadata.name, namespace, uid=old.metadata.uid)
            self._tracker.deleted(key, old.metadata.name)


def service_key(one: discovery.EndpointSlice) -> str:
    """The Service a slice belongs to; "" if it names none."""
    name = one.metadata.labels.get(reconcile.SERVICE_NAME, "")
    return f"{one.metadata.namespace}/{name}" if name else ""


def _is_managed(one: discovery.EndpointSlice) -> bool:
    return one.metadata.labels.get(reconcile.MANAGED_BY) == reconcile.CONTROLLER_NAME


def _with_trigger_time(one: discovery.EndpointSlice, trigger_time: str) -> discovery.EndpointSlice:
    annotations = {key: value for key, value in one.metadata.annotations.items() if key != TRIGGER_TIME}
    if trigger_time:
        annotations[TRIGGER_TIME] = trigger_time
    return structs.replace(one, metadata=structs.replace(one.metadata, annotations=annotations))


def _wire(one: discovery.EndpointSlice) -> dict[str, Any]:
    """As the API has it: both lists are always there."""
    return {"endpoints": [], "ports": [], **meta.to_dict(one)}
