"""Mirrors Endpoints that somebody wrote by hand for a Service without selector into EndpointSlices.

Upstream: pkg/controller/endpointslicemirroring.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from pybernetes.api.types import core, discovery, meta
from pybernetes.client import controller, patches, workqueue
from pybernetes.controllers import endpoint_subsets, pod_control
from pybernetes.controllers.context import ControllerContext

CONTROLLER_NAME = "endpointslicemirroring-controller.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
MAX_ENDPOINTS_PER_SUBSET = 1000
MAX_RETRIES = 15
_NOT_MIRRORED = frozenset(
    ("endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration")
)
_SERVICE_INDEX = "mirrored service"

Key: TypeAlias = tuple[str, tuple[discovery.EndpointPort, ...]]


def should_mirror(endpoints: core.Endpoints) -> bool:
    """Unless its owner says no, or it is a leader election's lock."""
    return endpoints.metadata.labels.get(SKIP_MIRROR) != "true" and LEADER not in endpoints.metadata.annotations


def desired_slices(endpoints: core.Endpoints) -> tuple[list[discovery.EndpointSlice], int, int]:
    """The slices (without names), how many addresses are no addresses, and how many are too many."""
    by_key: dict[Key, dict[str, discovery.Endpoint]] = {}
    invalid = skipped = 0
    for subset in endpoint_subsets.repack(endpoints.subsets):
        ports = tuple(
            discovery.EndpointPort(name=one.name, port=one.port, protocol=one.protocol, appProtocol=one.appProtocol)
            for one in subset.ports
        )
        members = [(one, True) for one in subset.addresses] + [(one, False) for one in subset.notReadyAddresses]
        for address, ready in members[:MAX_ENDPOINTS_PER_SUBSET]:
            try:
                ip = ipaddress.ip_address(address.ip)
            except ValueError:
                invalid += 1
                continue
            by_key.setdefault((f"IPv{ip.version}", ports), {})[str(ip)] = discovery.Endpoint(
                addresses=(str(ip),),
                conditions=discovery.EndpointConditions(ready=ready),
                targetRef=address.targetRef,
                nodeName=address.nodeName,
                hostname=address.hostname or None,
            )
        skipped += max(0, len(members) - MAX_ENDPOINTS_PER_SUBSET)
    slices = [
        _slice(endpoints, kind, ports, found.values()) for (kind, ports), found in sorted(by_key.items(), key=str)
    ]
    return slices, invalid, skipped


def _slice(
    endpoints: core.Endpoints,
    address_type: str,
    ports: tuple[discovery.EndpointPort, ...],
    members: Iterable[discovery.Endpoint],
) -> discovery.EndpointSlice:
    about = endpoints.metadata
    return discovery.EndpointSlice(
        metadata=meta.ObjectMeta(
            generateName=f"{about.name}-",
            namespace=about.namespace,
            labels={**about.labels, SERVICE_NAME: about.name, MANAGED_BY: CONTROLLER_NAME},
            annotations={key: value for key, value in about.annotations.items() if key not in _NOT_MIRRORED},
            ownerReferences=(meta.owner_reference(endpoints),),
        ),
        addressType=address_type,
        ports=ports,
        endpoints=tuple(members),
    )


class EndpointSliceMirroringController:
    """The controller `endpointslicemirroring`: a key is a Service and the Endpoints of the same name."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("endpointslicemirroring-controller")
        self._services = context.informers.informer(core.Service)
        self._endpoints = context.informers.informer(core.Endpoints)
        self._slices = context.informers.informer(discovery.EndpointSlice)
        self._slices.add_index(_SERVICE_INDEX, _mirrored_service)
        self._resource = client.resource(discovery.EndpointSlice)
        self._recorder = context.recorder("endpoint-slice-mirroring-controller", client)
        self.controller = controller.Controller(
            "endpoint_slice_mirroring",
            self.sync_endpoints,
            clock=context.clock,
            workers=context.settings.concurrent_service_endpoint_syncs,
            max_retries=MAX_RETRIES,
            limit=workqueue.RateLimit(initial=1.0, maximum=100.0),
        )
        self.controller.watches(
            self._services,
            key=lambda service: None if service.spec.selector else meta.key(service),
        )
        self.controller.watches(self._endpoints, key=lambda one: meta.key(one) if should_mirror(one) else None)
        self.controller.watches(self._slices, key=_mirrored_service)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    async def sync_endpoints(self, key: str) -> None:
        """Make the mirrored slices of one Service what its Endpoints say."""
        endpoints, service = self._endpoints.by_key(key), self._services.by_key(key)
        existing = self._slices.by_index(_SERVICE_INDEX, key)
        wanted: list[discovery.EndpointSlice] = []
        if endpoints is not None and service is not None and should_mirror(endpoints) and not service.spec.selector:
            wanted, invalid, skipped = desired_slices(endpoints)
            self._report(endpoints, invalid, skipped)
            if endpoints.metadata.deletionTimestamp is not None:
                return
        try:
            await self._carry_out(meta.split_key(key)[0], wanted, existing)
        except pod_control.FAILURES as error:
            if not pod_control.namespace_terminating(error):
                raise

    def _report(self, endpoints: core.Endpoints, invalid: int, skipped: int) -> None:
        if invalid:
            text = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
            self._recorder.event(endpoints, "Warning", "InvalidIPAddress", text)
        if skipped:
            text = (
                f"A max of {MAX_ENDPOINTS_PER_SUBSET} addresses can be mirrored to EndpointSlices per Endpoints "
                f"subset. {skipped} addresses were skipped"
            )
            self._recorder.event(endpoints, "Warning", "TooManyAddressesToMirror", text)

    async def _carry_out(
        self, namespace: str, wanted: list[discovery.EndpointSlice], existing: Sequence[discovery.EndpointSlice]
    ) -> None:
        spare = [*existing]
        created = []
        for new in wanted:
            same = [one for one in spare if (one.addressType, one.ports) == (new.addressType, new.ports)]
            old = next(iter(same or [one for one in spare if one.addressType == new.addressType]), None)
            if old is None:
                created.append(new)
                continue
            spare.remove(old)
            patch = patches.diff(_comparable(old), _comparable(new))
            if patch:
                patch.setdefault("metadata", {})["resourceVersion"] = old.metadata.resourceVersion
                await self._resource.patch(old.metadata.name, patch, namespace)
        for new in created:
            await self._resource.create({"endpoints": [], "ports": [], **meta.to_dict(new)}, namespace)
        for old in spare:
            await self._resource.delete(old.metadata.name, namespace, uid=old.metadata.uid)


def _mirrored_service(one: discovery.EndpointSlice) -> tuple[str, ...]:
    name = one.metadata.labels.get(SERVICE_NAME, "")
    if not name or one.metadata.labels.get(MANAGED_BY) != CONTROLLER_NAME:
        return ()
    return (f"{one.metadata.namespace}/{name}",)


def _comparable(one: discovery.EndpointSlice) -> dict[str, Any]:
    """What the mirror decides about."""
    plain = meta.to_dict(one)
    about = {part: plain["metadata"].get(part, {}) for part in ("labels", "annotations", "ownerReferences")}
    return {"metadata": about, "ports": plain.get("ports", []), "endpoints": plain.get("endpoints", [])}
