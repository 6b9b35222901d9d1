"""The subsets of an Endpoints object: addresses with the same ports together, each address once, in a stable order.

Upstream: pkg/api/v1/endpoints (RepackSubsets), pkg/controller/endpoint. Pure.
"""

import ipaddress
import math
from collections.abc import Iterable
from typing import TypeAlias

from msgspec import structs

from pybernetes.api.types import core
from pybernetes.controllers import pod_control, service_pods

MAX_CAPACITY = 1000
Subsets: TypeAlias = tuple[core.EndpointSubset, ...]
_Key: TypeAlias = tuple[str, str]


def of_service(service: core.Service, pods: Iterable[core.Pod]) -> Subsets:
    """What stands behind a Service."""
    tolerate = service.spec.publishNotReadyAddresses
    found: list[core.EndpointSubset] = []
    for pod in pods:
        address = _address(service, pod)
        if address is None or not service_pods.belongs_in_endpoints(pod, include_terminating=tolerate):
            continue
        ready = tolerate or pod_control.is_ready(pod)
        found += [_single(address, ports, ready=ready) for ports in _ports(service, pod)]
    return repack(found)


def _ports(service: core.Service, pod: core.Pod) -> list[tuple[core.EndpointPort, ...]]:
    if not service.spec.ports:
        return [()] if service.spec.clusterIP == "None" else []
    return [
        (core.EndpointPort(name=port.name, port=number, protocol=port.protocol, appProtocol=port.appProtocol),)
        for port in service.spec.ports
        if (number := service_pods.find_port(pod, port)) is not None
    ]


def _single(address: core.EndpointAddress, ports: tuple[core.EndpointPort, ...], *, ready: bool) -> core.EndpointSubset:
    if ready:
        return core.EndpointSubset(addresses=(address,), ports=ports)
    return core.EndpointSubset(notReadyAddresses=(address,), ports=ports)


def _address(service: core.Service, pod: core.Pod) -> core.EndpointAddress | None:
    """The Pod's address of the Service's first family."""
    family = service.spec.ipFamilies[0] if service.spec.ipFamilies else ""
    if not family and service_pods.service_ip_set(service):
        family = "IPv6" if ":" in service.spec.clusterIP else "IPv4"
    addresses = [one.ip for one in pod.status.podIPs if one.ip] or [pod.status.podIP]
    for address in filter(None, addresses):
        if not family or (ipaddress.ip_address(address).version == 6) == (family == "IPv6"):
            return core.EndpointAddress(
                ip=address,
                hostname=service_pods.hostname(pod, service) or "",
                nodeName=pod.spec.nodeName or None,
                targetRef=core.ObjectReference(
                    kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
                ),
            )
    return None


def repack(subsets: Iterable[core.EndpointSubset]) -> Subsets:
    """Ports with the same addresses share a subset; an address that is ready once is ready."""
    addresses: dict[_Key, core.EndpointAddress] = {}
    by_port: dict[core.EndpointPort | None, dict[_Key, bool]] = {}
    for subset in subsets:
        members = [(one, True) for one in subset.addresses] + [(one, False) for one in subset.notReadyAddresses]
        for port in subset.ports or (None,):
            known = by_port.setdefault(port, {})
            for address, ready in members:
                key = (address.ip, address.targetRef.uid if address.targetRef is not None else "")
                addresses.setdefault(key, address)
                known[key] = known.get(key, False) or ready
    by_members: dict[tuple[tuple[_Key, bool], ...], list[core.EndpointPort]] = {}
    for port, known in by_port.items():
        ports = by_members.setdefault(tuple(sorted(known.items())), [])
        if port is not None:
            ports.append(port)
    result = [
        core.EndpointSubset(
            addresses=tuple(addresses[key] for key, ready in members if ready),
            notReadyAddresses=tuple(addresses[key] for key, ready in members if not ready),
            ports=tuple(sorted(ports, key=_port_order)),
        )
        for members, ports in by_members.items()
    ]
    return tuple(sorted(result, key=lambda subset: [_port_order(port) for port in subset.ports]))


def _port_order(port: core.EndpointPort) -> tuple[str, int, str]:
    return port.name, port.port, port.protocol


def count(subsets: Subsets) -> int:
    """All addresses, ready or not."""
    return sum(len(one.addresses) + len(one.notReadyAddresses) for one in subsets)


def truncated(subsets: Subsets) -> Subsets:
    """At most a thousand addresses, ready ones first, taken from every subset in proportion."""
    ready = sum(len(one.addresses) for one in subsets)
    if count(subsets) <= MAX_CAPACITY:
        return subsets
    field = "addresses" if ready > MAX_CAPACITY else "notReadyAddresses"
    room = MAX_CAPACITY if ready > MAX_CAPACITY else MAX_CAPACITY - ready
    total, left = sum(len(getattr(one, field)) for one in subsets), room
    result = []
    for one in subsets:
        members = getattr(one, field)
        taken = members[: min(left, math.ceil(len(members) / total * room))]
        left -= len(taken)
        if field == "addresses":
            one = structs.replace(one, notReadyAddresses=())
        result.append(structs.replace(one, **{field: taken}))
    return tuple(result)
