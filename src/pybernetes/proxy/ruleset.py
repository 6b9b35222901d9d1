"""What a node must do with the traffic of each Service, worked out from the Service and its EndpointSlices.

One `ServiceRules` per Service, one `ServicePort` in it per port: the addresses it answers on and the endpoints chosen
for this node. A change of a Service or of its slices touches only its own record, so that a whole `Ruleset` is a plain
map that is updated Service by Service.

Path: 17 Service traffic finds the Pod. Upstream: pkg/proxy (serviceport.go, endpointslicecache.go, topology.go).
Pure.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from pybernetes.api.types import core, discovery

FAMILY = "IPv4"
SERVICE_LABEL = "kubernetes.io/service-name"
DEFAULT_AFFINITY_SECONDS = 10800
PROTOCOLS = ("TCP", "UDP", "SCTP")
_NAME = re.compile(r"[a-z0-9-]*\Z")


class Target(NamedTuple):
    """Where a connection may end."""

    address: str
    port: int
    local: bool


class ServicePort(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One port of a Service as this node serves it.

    `cluster` are the endpoints under the traffic policy Cluster, `local` those under Local; either is empty when no
    traffic of this port follows that policy. `affinity_seconds` is 0 without session affinity. `serving` is kept for
    UDP only: flows to anybody else are stale.
    """

    namespace: str
    service: str
    name: str
    protocol: str
    cluster_address: str
    port: int
    node_port: int = 0
    external_addresses: tuple[str, ...] = ()
    balancer_addresses: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    affinity_seconds: int = 0
    internal_local: bool = False
    external_local: bool = False
    cluster: tuple[Target, ...] = ()
    local: tuple[Target, ...] = ()
    has_endpoints: bool = False
    serving: frozenset[tuple[str, int]] = frozenset()

    @property
    def externally_accessible(self) -> bool:
        """Reachable by something else than the cluster address."""
        return bool(self.node_port or self.external_addresses or self.balancer_addresses)

    @property
    def uses_cluster(self) -> bool:
        """Some traffic follows the policy Cluster: with external Local still what comes from this node itself."""
        return not self.internal_local or self.externally_accessible

    @property
    def uses_local(self) -> bool:
        """Some traffic follows the policy Local."""
        return self.internal_local or (self.external_local and self.externally_accessible)

    @property
    def reachable(self) -> tuple[Target, ...]:
        """Every endpoint that some chain of this port leads to."""
        return tuple(dict.fromkeys((*self.cluster, *self.local)))


class ServiceRules(msgspec.Struct, frozen=True, gc=False):
    """One Service on this node; `local_endpoints` counts what its health check port reports."""

    ports: tuple[ServicePort, ...] = ()
    health_check_port: int = 0
    local_endpoints: int = 0


Ruleset = Mapping[str, ServiceRules]
"""All Services of a node by `namespace/name`."""
NOTHING = ServiceRules()


class Vantage(msgspec.Struct, frozen=True):
    """The node that serves: its name, addresses, and zone (topology.kubernetes.io/zone)."""

    node_name: str = ""
    node_addresses: tuple[str, ...] = ()
    zone: str = ""


class _Endpoint(msgspec.Struct, frozen=True, gc=False):
    """One address and port behind a Service port, with its conditions."""

    target: Target
    ready: bool
    serving: bool
    terminating: bool
    zones: tuple[str, ...]
    nodes: tuple[str, ...]

    @property
    def fallback(self) -> bool:
        """On its way out but still answering: better than nobody."""
        return self.serving and self.terminating


def service_rules(
    service: core.Service | None, slices: Iterable[discovery.EndpointSlice], vantage: Vantage
) -> ServiceRules:
    """The record of one Service; `NOTHING` for one that is not proxied."""
    cluster_address = _cluster_address(service)
    if service is None or not cluster_address:
        return NOTHING
    found = _endpoints(slices, vantage)
    ports: list[ServicePort] = []
    ready_locally: set[str] = set()
    for port in filter(_is_proxied, service.spec.ports):
        protocol = (port.protocol or "TCP").lower()
        endpoints = found.get((port.name, protocol), [])
        ready_locally.update(one.target.address for one in endpoints if one.ready and one.target.local)
        ports.append(_with_endpoints(_frontend(service, port, cluster_address, vantage), endpoints, vantage))
    health_check_port = service.spec.healthCheckNodePort if _needs_health_check(service) else 0
    return ServiceRules(tuple(ports), health_check_port, len(ready_locally) if health_check_port else 0)


# what a Service asks for


def _cluster_address(service: core.Service | None) -> str:
    """The IPv4 cluster address of a Service that is proxied at all."""
    if service is None or service.spec.type == "ExternalName" or service.spec.clusterIP in ("", "None"):
        return ""
    return next(iter(_of_family(service.spec.clusterIPs or (service.spec.clusterIP,))), "")


def _of_family(addresses: Iterable[str]) -> list[str]:
    return [one for one in addresses if _is_address(one)]


def _is_address(text: str) -> bool:
    """Strictly: what passes here becomes part of the text that nftables reads."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        # validation lets blanks around a range pass
        return ipaddress.IPv4Network(text.strip(), strict=False)
    except ValueError:
        return None


def _is_proxied(port: core.ServicePort) -> bool:
    """Whether name and protocol are ones that validation lets pass: they become part of chain names."""
    return (port.protocol or "TCP") in PROTOCOLS and _NAME.match(port.name) is not None


def _externally_accessible(service: core.Service) -> bool:
    spec = service.spec
    return spec.type in ("LoadBalancer", "NodePort") or (spec.type in ("ClusterIP", "") and bool(spec.externalIPs))


def _external_local(service: core.Service) -> bool:
    return _externally_accessible(service) and service.spec.externalTrafficPolicy == "Local"


def _needs_health_check(service: core.Service) -> bool:
    return service.spec.type == "LoadBalancer" and _external_local(service)


def _affinity_seconds(service: core.Service) -> int:
    if service.spec.sessionAffinity != "ClientIP":
        return 0
    config = service.spec.sessionAffinityConfig
    seconds = config.clientIP.timeoutSeconds if config is not None and config.clientIP is not None else None
    return seconds or DEFAULT_AFFINITY_SECONDS


def _source_ranges(service: core.Service, balancers: list[str], vantage: Vantage) -> tuple[str, ...]:
    """Who may use the load balancer's addresses; () for everybody."""
    networks = [network for one in service.spec.loadBalancerSourceRanges if (network := _network(one)) is not None]
    if not networks or any(network.prefixlen == 0 for network in networks):
        return ()
    nodes = [ipaddress.IPv4Address(one) for one in vantage.node_addresses]
    if any(node in network for network in networks for node in nodes):
        # The balancer's address may be one of this machine: what the node sends there then comes from that address.
        networks += [ipaddress.IPv4Network(one) for one in balancers]
    return tuple(map(str, ipaddress.collapse_addresses(networks)))


def _frontend(service: core.Service, port: core.ServicePort, cluster_address: str, vantage: Vantage) -> ServicePort:
    spec = service.spec
    ingress = service.status.loadBalancer.ingress
    balancers = _of_family(one.ip for one in ingress if one.ipMode in (None, "VIP"))
    return ServicePort(
        namespace=service.metadata.namespace,
        service=service.metadata.name,
        name=port.name,
        protocol=(port.protocol or "TCP").lower(),
        cluster_address=cluster_address,
        port=port.port,
        node_port=port.nodePort,
        external_addresses=tuple(_of_family(spec.externalIPs)),
        balancer_addresses=tuple(balancers),
        source_ranges=_source_ranges(service, balancers, vantage) if balancers else (),
        affinity_seconds=_affinity_seconds(service),
        internal_local=spec.internalTrafficPolicy == "Local",
        external_local=_external_local(service),
    )


# who is behind it


def _endpoints(slices: Iterable[discovery.EndpointSlice], vantage: Vantage) -> dict[tuple[str, str], list[_Endpoint]]:
    """Endpoints by port name and protocol, in the order of their addresses as text."""
    found: dict[tuple[str, str], dict[Target, _Endpoint]] = {}
    for one in sorted(slices, key=lambda one: one.metadata.name):
        if one.addressType not in (FAMILY, ""):
            continue
        for port in one.ports:
            if not port.port:
                continue
            known = found.setdefault((port.name or "", (port.protocol or "TCP").lower()), {})
            for described in one.endpoints:
                if not described.addresses or not _is_address(described.addresses[0]):
                    continue
                endpoint = _endpoint(described, port.port, vantage)
                # Two slices may name one address: while an endpoint moves between them, or when a new Pod has the
                # address of one that is going away. Then the one that stays counts.
                if endpoint.target not in known or not endpoint.terminating:
                    known.pop(endpoint.target, None)
                    known[endpoint.target] = endpoint
    return {
        key: sorted(some.values(), key=lambda one: f"{one.target.address}:{one.target.port}")
        for key, some in found.items()
    }


def _endpoint(described: discovery.Endpoint, port: int, vantage: Vantage) -> _Endpoint:
    conditions, hints = described.conditions, described.hints
    local = bool(vantage.node_name) and described.nodeName == vantage.node_name
    return _Endpoint(
        Target(described.addresses[0], port, local),
        conditions.ready is not False,
        conditions.serving is not False,
        conditions.terminating is True,
        tuple(zone.name for zone in hints.forZones) if hints is not None else (),
        tuple(node.name for node in hints.forNodes) if hints is not None else (),
    )


def _with_endpoints(port: ServicePort, endpoints: list[_Endpoint], vantage: Vantage) -> ServicePort:
    """The port with the endpoints chosen for it: the ready ones, or failing these the serving ones that terminate."""
    cluster: list[_Endpoint] = []
    local: list[_Endpoint] = []
    if port.uses_cluster:
        cluster = _near([one for one in endpoints if one.ready], vantage)
        cluster = cluster or [one for one in endpoints if one.fallback]
    has_endpoints = bool(cluster)
    if port.uses_local:
        here = [one for one in endpoints if one.target.local]
        local = [one for one in here if one.ready] or [one for one in here if one.fallback]
        has_endpoints = has_endpoints or any(one.ready or one.fallback for one in endpoints)
    serving: frozenset[tuple[str, int]] = frozenset()
    if port.protocol == "udp":
        serving = frozenset((one.target.address, one.target.port) for one in endpoints if one.serving)
    return msgspec.structs.replace(
        port,
        cluster=tuple(one.target for one in cluster),
        local=tuple(one.target for one in local),
        has_endpoints=has_endpoints,
        serving=serving,
    )


def _near(ready: list[_Endpoint], vantage: Vantage) -> list[_Endpoint]:
    """Those hinted for this node, else those for its zone, where every ready endpoint has such a hint; else all."""
    if all(one.nodes for one in ready):
        same_node = [one for one in ready if vantage.node_name in one.nodes]
        if same_node:
            return same_node
    if all(one.zones for one in ready):
        same_zone = [one for one in ready if vantage.zone in one.zones]
        if same_zone:
            return same_zone
    return ready
