"""Which EndpointSlices a Service needs, and the fewest writes that lead there from those it has.

Upstream: k8s.io/endpointslice (reconciler.go, utils.go, trafficdist). Pure.
"""

import dataclasses
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from msgspec import structs

from pybernetes.api.types import core, discovery, meta
from pybernetes.apimachinery import names
from pybernetes.controllers import pod_control, service_pods

CONTROLLER_NAME = "endpointslice-controller.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"
ZONE = "topology.kubernetes.io/zone"
MAX_ENDPOINTS_PER_SLICE = 100
_RESERVED = frozenset((SERVICE_NAME, MANAGED_BY, HEADLESS))
_CLOSE = frozenset(("PreferClose", "PreferSameZone", "PreferSameNode"))

Ports: TypeAlias = tuple[discovery.EndpointPort, ...]
Key: TypeAlias = tuple[object, ...]


@dataclasses.dataclass(slots=True)
class Plan:
    """What to write."""

    create: list[discovery.EndpointSlice] = dataclasses.field(default_factory=list)
    update: list[tuple[discovery.EndpointSlice, discovery.EndpointSlice]] = dataclasses.field(default_factory=list)
    """Before and after."""
    delete: list[discovery.EndpointSlice] = dataclasses.field(default_factory=list)
    missing_nodes: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    """Pods left out because their Node is not known (yet), and that Node."""

    def changes(self) -> int:
        """How many writes."""
        return len(self.create) + len(self.update) + len(self.delete)


def plan(
    service: core.Service,
    pods: Iterable[core.Pod],
    nodes: Callable[[str], core.Node | None],
    existing: Iterable[discovery.EndpointSlice],
    limit: int = MAX_ENDPOINTS_PER_SLICE,
) -> Plan:
    """Everything that has to change for one Service."""
    result = Plan()
    types = address_types(service)
    by_type: dict[str, list[discovery.EndpointSlice]] = {one: [] for one in types}
    for one in existing:
        by_type.get(one.addressType, result.delete).append(one)
    members = [pod for pod in pods if service_pods.belongs_in_endpoints(pod, include_terminating=True)]
    members.sort(key=lambda pod: pod.metadata.name)
    for address_type in types:
        _Family(service, address_type, limit, result).plan(members, nodes, by_type[address_type])
    return result


def address_types(service: core.Service) -> tuple[str, ...]:
    """IPv4, IPv6 or both."""
    families = tuple(dict.fromkeys(service.spec.ipFamilies))
    if families:
        return families
    if service_pods.service_ip_set(service):
        return ("IPv6" if ":" in service.spec.clusterIP else "IPv4",)
    return ("IPv4", "IPv6")


class _Family:
    """The slices of one Service with one type of address."""

    def __init__(self, service: core.Service, address_type: str, limit: int, result: Plan) -> None:
        self._service = service
        self._type = address_type
        self._limit = limit
        self._result = result
        self._create: list[discovery.EndpointSlice] = []
        self._update: list[tuple[discovery.EndpointSlice, discovery.EndpointSlice]] = []
        self._delete: list[discovery.EndpointSlice] = []

    def plan(
        self,
        pods: Sequence[core.Pod],
        nodes: Callable[[str], core.Node | None],
        existing: Sequence[discovery.EndpointSlice],
    ) -> None:
        owned: dict[Ports, list[discovery.EndpointSlice]] = {}
        for one in existing:
            if owned_by(one, self._service):
                owned.setdefault(_canonical(one.ports), []).append(one)
            else:
                self._delete.append(one)
        for ports, (spelled, endpoints) in self._desired(pods, nodes).items():
            self._plan_ports(spelled, endpoints, owned.pop(ports, []))
        for slices in owned.values():
            self._delete += slices
        self._keep_placeholder(len(existing))
        self._reuse()
        if self._service.metadata.deletionTimestamp is None:
            self._result.create += self._create
        self._result.update += self._update
        self._result.delete += self._delete

    def _desired(
        self, pods: Sequence[core.Pod], nodes: Callable[[str], core.Node | None]
    ) -> dict[Ports, tuple[Ports, dict[Key, discovery.Endpoint]]]:
        """By ports: Pods whose named ports differ cannot share a slice."""
        service = self._service
        desired: dict[Ports, tuple[Ports, dict[Key, discovery.Endpoint]]] = {}
        for pod in pods:
            ports = endpoint_ports(service, pod)
            _, endpoints = desired.setdefault(_canonical(ports), (ports, {}))
            node = nodes(pod.spec.nodeName)
            if node is None and not service.spec.publishNotReadyAddresses:
                missing = (pod.metadata.name, pod.spec.nodeName)
                if missing not in self._result.missing_nodes:
                    self._result.missing_nodes.append(missing)
                continue
            endpoint = pod_to_endpoint(pod, node, service, self._type)
            if endpoint.addresses:
                endpoints[_key(endpoint)] = endpoint
        return desired

    def _plan_ports(
        self, ports: Ports, desired: dict[Key, discovery.Endpoint], existing: Sequence[discovery.EndpointSlice]
    ) -> None:
        unchanged: list[discovery.EndpointSlice] = []
        changed: list[tuple[discovery.EndpointSlice, list[discovery.Endpoint]]] = []
        for one in existing:
            kept = [new for old in one.endpoints if (new := desired.pop(_key(old), None)) is not None]
            if tuple(kept) != one.endpoints and not kept:
                self._delete.append(one)
            elif tuple(kept) != one.endpoints or _labels_differ(one, self._service):
                changed.append((one, kept))
            else:
                unchanged.append(one)
        added = [*desired.values()]
        for _, endpoints in sorted(changed, key=lambda item: len(item[1]), reverse=True):
            room = self._limit - len(endpoints)
            endpoints += added[:room]
            del added[:room]
        while added:
            filled = self._slice_to_fill(unchanged, len(added)) if len(added) < self._limit else None
            if filled is None:
                self._create.append(self._new_slice(ports, tuple(added[: self._limit])))
                del added[: self._limit]
            else:
                unchanged.remove(filled)
                changed.append((filled, [*filled.endpoints, *added]))
                added = []
        self._update += [(one, self._with_endpoints(one, endpoints)) for one, endpoints in changed]

    def _slice_to_fill(self, slices: Sequence[discovery.EndpointSlice], count: int) -> discovery.EndpointSlice | None:
        """The slice that would be fullest with `count` more."""
        fitting = [one for one in slices if len(one.endpoints) + count <= self._limit]
        return max(fitting, key=lambda one: len(one.endpoints), default=None)

    def _keep_placeholder(self, existing: int) -> None:
        """A Service without any endpoint has one empty slice, so that consumers know that it was looked at."""
        if existing != len(self._delete) or self._create:
            return
        placeholder = self._new_slice((), ())
        if len(self._delete) == 1 and _same_content(self._delete[0], placeholder):
            self._delete.clear()
        else:
            self._create.append(placeholder)

    def _reuse(self) -> None:
        """Overwrite slices rather than delete some and create others."""
        for old in [*self._delete]:
            if self._create and owned_by(old, self._service):
                new = self._create.pop()
                about = structs.replace(old.metadata, labels=new.metadata.labels)
                self._delete.remove(old)
                self._update.append((old, structs.replace(new, metadata=about)))

    def _with_endpoints(
        self, one: discovery.EndpointSlice, endpoints: Iterable[discovery.Endpoint]
    ) -> discovery.EndpointSlice:
        about = structs.replace(one.metadata, labels=slice_labels(self._service))
        return structs.replace(one, metadata=about, endpoints=tuple(endpoints))

    def _new_slice(self, ports: Ports, endpoints: tuple[discovery.Endpoint, ...]) -> discovery.EndpointSlice:
        prefix = f"{self._service.metadata.name}-"
        if names.check_name(names.is_dns1123_subdomain, prefix, prefix=True):
            prefix = self._service.metadata.name
        return discovery.EndpointSlice(
            metadata=meta.ObjectMeta(
                generateName=prefix,
                namespace=self._service.metadata.namespace,
                labels=slice_labels(self._service),
                ownerReferences=(meta.owner_reference(self._service),),
            ),
            addressType=self._type,
            ports=ports,
            endpoints=endpoints,
        )


def owned_by(one: discovery.EndpointSlice, service: core.Service) -> bool:
    """Whether the slice belongs to that very Service."""
    return any(
        reference.uid == service.metadata.uid and reference.kind == "Service" and reference.apiVersion == "v1"
        for reference in one.metadata.ownerReferences
    )


def slice_labels(service: core.Service) -> dict[str, str]:
    """The Service's own labels and what says whose slice it is."""
    result = {key: value for key, value in service.metadata.labels.items() if key not in _RESERVED}
    if not service_pods.service_ip_set(service):
        result[HEADLESS] = ""
    result[SERVICE_NAME] = service.metadata.name
    result[MANAGED_BY] = CONTROLLER_NAME
    return result


def _labels_differ(one: discovery.EndpointSlice, service: core.Service) -> bool:
    mine = {key: value for key, value in one.metadata.labels.items() if key not in _RESERVED}
    return mine != {key: value for key, value in service.metadata.labels.items() if key not in _RESERVED}


def _same_content(one: discovery.EndpointSlice, other: discovery.EndpointSlice) -> bool:
    return (one.metadata.labels, one.metadata.ownerReferences, one.ports, one.endpoints, one.addressType) == (
        other.metadata.labels,
        other.metadata.ownerReferences,
        other.ports,
        other.endpoints,
        other.addressType,
    )


def _canonical(ports: Ports) -> Ports:
    return tuple(sorted(ports, key=lambda port: (port.name or "", port.port or 0, port.protocol or "")))


def _key(endpoint: discovery.Endpoint) -> Key:
    """What makes it the same endpoint, however its conditions change."""
    target = endpoint.targetRef
    about = (target.namespace, target.name) if target is not None else ("", "")
    return (*sorted(endpoint.addresses), endpoint.hostname or "", *about)


def endpoint_ports(service: core.Service, pod: core.Pod) -> Ports:
    """The Service's ports as they are in this Pod; ports that it does not have are left out."""
    return tuple(
        discovery.EndpointPort(
            name=port.name, port=number, protocol=port.protocol or "TCP", appProtocol=port.appProtocol
        )
        for port in service.spec.ports
        if (number := service_pods.find_port(pod, port)) is not None
    )


def pod_to_endpoint(
    pod: core.Pod, node: core.Node | None, service: core.Service, address_type: str
) -> discovery.Endpoint:
    """One backend: where it is and whether it may get traffic."""
    serving = pod_control.is_ready(pod)
    terminating = pod.metadata.deletionTimestamp is not None
    ready = service.spec.publishNotReadyAddresses or (serving and not terminating)
    zone = (node.metadata.labels.get(ZONE) or None) if node is not None else None
    node_name = pod.spec.nodeName or None
    return discovery.Endpoint(
        addresses=_addresses(pod, address_type),
        conditions=discovery.EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=service_pods.hostname(pod, service),
        targetRef=core.ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
        nodeName=node_name,
        zone=zone,
        hints=_hints(service, zone, node_name) if ready else None,
    )


def _addresses(pod: core.Pod, address_type: str) -> tuple[str, ...]:
    version = 6 if address_type == "IPv6" else 4
    addresses = map(ipaddress.ip_address, (one.ip for one in pod.status.podIPs if one.ip))
    return tuple(str(address) for address in addresses if address.version == version)


def _hints(service: core.Service, zone: str | None, node: str | None) -> discovery.EndpointHints | None:
    """Where traffic from near should prefer this endpoint (`spec.trafficDistribution`)."""
    wish = service.spec.trafficDistribution
    if wish not in _CLOSE:
        return None
    zones = (discovery.ForZone(name=zone),) if zone else ()
    nodes = (discovery.ForNode(name=node),) if node and wish == "PreferSameNode" else ()
    return discovery.EndpointHints(forZones=zones, forNodes=nodes) if zones or nodes else None
