"""Endpoints objects for clients that do not know slices: the same addresses, at most a thousand.

Upstream: pkg/controller/endpoint.
"""

from collections.abc import Iterable
from typing import Any

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, labels
from pybernetes.client import controller, informer, patches
from pybernetes.controllers import endpoint_subsets, pod_control, service_pods
from pybernetes.controllers.context import ControllerContext

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER_NAME = "endpoint-controller"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LEADER = "control-plane.alpha.kubernetes.io/leader"
MAX_RETRIES = 15


class EndpointsController:
    """The controller `endpoint`: a key is a Service (and the Endpoints of the same name)."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("endpoint-controller")
        self._services = context.informers.informer(core.Service)
        self._pods = context.informers.informer(core.Pod)
        self._endpoints = context.informers.informer(core.Endpoints)
        self._resource = client.resource(core.Endpoints)
        self._recorder = context.recorder("endpoint-controller", client)
        self._trigger_times = service_pods.TriggerTimes()
        self.controller = controller.Controller(
            "endpoint",
            self.sync_service,
            clock=context.clock,
            workers=context.settings.concurrent_endpoint_syncs,
            max_retries=MAX_RETRIES,
        )
        self.controller.watches(self._services)
        self.controller.watches(
            self._pods, on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._pod_seen
        )
        # Left over from Services that were deleted while nobody looked; later, only deletions matter.
        self.controller.watches(self._endpoints, on_add=self._leftover, on_delete=self._endpoints_deleted)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _enqueue_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.controller.enqueue(key)

    def _pod_seen(self, obj: informer.Deleted[core.Pod]) -> None:
        pod = informer.last_known(obj)
        services = self._services.list(pod.metadata.namespace)
        self._enqueue_all(service_pods.selected_services(services, pod.metadata.labels))

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        services = self._services.list(new.metadata.namespace)
        self._enqueue_all(service_pods.affected_services(services, old, new))

    def _leftover(self, endpoints: core.Endpoints) -> None:
        if LEADER not in endpoints.metadata.annotations:
            self.controller.enqueue(meta.key(endpoints))

    def _endpoints_deleted(self, obj: informer.Deleted[core.Endpoints]) -> None:
        self.controller.enqueue(meta.key(informer.last_known(obj)))

    async def sync_service(self, key: str) -> None:
        """Make one Endpoints object what its Service's Pods say."""
        namespace, name = meta.split_key(key)
        service = self._services.get(namespace, name)
        current = self._endpoints.get(namespace, name)
        if service is None:
            self._trigger_times.forget(key)
            if current is not None and current.metadata.labels.get(MANAGED_BY) == CONTROLLER_NAME:
                await self._delete(current)
            return
        if service.spec.type == "ExternalName" or not service.spec.selector:
            return
        pods = self._pods.list(namespace, labels.from_set(service.spec.selector))
        trigger_time = self._trigger_times.compute(service, pods)
        subsets = endpoint_subsets.of_service(service, pods)
        kept = endpoint_subsets.truncated(subsets)
        wanted_labels = {key: value for key, value in service.metadata.labels.items() if key != HEADLESS}
        if not service_pods.service_ip_set(service):
            wanted_labels[HEADLESS] = ""
        wanted_labels[MANAGED_BY] = CONTROLLER_NAME
        over = kept != subsets
        if current is not None and (
            endpoint_subsets.repack(current.subsets) == kept
            and dict(current.metadata.labels) == wanted_labels
            and (OVER_CAPACITY in current.metadata.annotations) == over
        ):
            return
        annotations = dict(current.metadata.annotations) if current is not None else {}
        for annotation, value in ((TRIGGER_TIME, trigger_time), (OVER_CAPACITY, "truncated" if over else "")):
            annotations.pop(annotation, None)
            if value:
                annotations[annotation] = value
        metadata = {"name": name, "namespace": namespace, "labels": wanted_labels, "annotations": annotations}
        new = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {part: value for part, value in metadata.items() if value},
            "subsets": [meta.to_dict(one) for one in kept],
        }
        await self._write(service, current, new)

    async def _write(self, service: core.Service, current: core.Endpoints | None, new: dict[str, Any]) -> None:
        key = meta.key(service)
        try:
            if current is None:
                await self._resource.create(new, service.metadata.namespace)
            else:
                await self._update(current, new)
        except pod_control.FAILURES as error:
            if pod_control.namespace_terminating(error):
                return
            if current is None:
                reason, text = "FailedToCreateEndpoint", f"Failed to create endpoint for service {key}: {error}"
            else:
                reason, text = "FailedToUpdateEndpoint", f"Failed to update endpoint {key}: {error}"
            self._recorder.event(current or new, "Warning", reason, text)
            raise

    async def _update(self, current: core.Endpoints, new: dict[str, Any]) -> None:
        before = meta.to_dict(current)
        known = {part: before["metadata"].get(part, {}) for part in ("labels", "annotations")}
        wanted = {part: new["metadata"].get(part, {}) for part in ("labels", "annotations")}
        patch = {
            "metadata": {**patches.diff(known, wanted), "resourceVersion": current.metadata.resourceVersion},
            "subsets": new["subsets"],
        }
        await self._resource.patch(current.metadata.name, patch, current.metadata.namespace)

    async def _delete(self, endpoints: core.Endpoints) -> None:
        metadata = endpoints.metadata
        try:
            await self._resource.delete(metadata.name, metadata.namespace, uid=metadata.uid)
        except errors.NotFound:
            return
