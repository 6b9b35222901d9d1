"""Cluster IPs and node ports of Services.

Upstream: pkg/registry/core/service/ipallocator, portallocator.
"""

import ipaddress
import random
from typing import Any

from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.allocators import ranges

NODE_PORTS = (30000, 32767)
NODE_PORT_RESERVED = {"minimum": 16, "step": 32, "maximum": 128}


class ServiceAllocators:
    """One per server: the service range (a CIDR) and the node port range."""

    def __init__(self, service_range: str, rng: random.Random) -> None:
        self.network = ipaddress.ip_network(service_range)
        first = int(self.network.network_address) + 1
        last = int(self.network.broadcast_address) - 1
        self.addresses = ranges.Range(first, last, ranges.reserved_part(last - first + 1), rng)
        low, high = NODE_PORTS
        reserved = ranges.reserved_part(high - low + 1, **NODE_PORT_RESERVED)
        self._ports = {protocol: ranges.Range(low, high, reserved, rng) for protocol in ("TCP", "UDP", "SCTP")}
        self._learnt = False

    async def learn(self, objects: strategy.Objects) -> None:
        """Know what the stored Services hold; costs something once."""
        if not self._learnt:
            for service in await objects.list("", "services"):
                self.hold(service)
            self._learnt = True

    def hold(self, service: dict[str, Any]) -> None:
        """This Service has what it says it has."""
        for address in addresses_of(service):
            self.addresses.hold(int(ipaddress.ip_address(address)))
        for protocol, port in node_ports_of(service):
            self._ports[protocol].hold(port)

    def release(self, service: dict[str, Any]) -> None:
        """This Service is gone, or has become one without addresses."""
        for address in addresses_of(service):
            self.release_address(address)
        for protocol, port in node_ports_of(service):
            self._ports[protocol].release(port)

    def next_address(self) -> str:
        """A free cluster IP. Raises ranges.Full."""
        return str(ipaddress.ip_address(self.addresses.next()))

    def take_address(self, address: str) -> None:
        """That cluster IP. Raises ranges.OutOfRange, ranges.Taken."""
        self.addresses.take(int(ipaddress.ip_address(address)))

    def release_address(self, address: str) -> None:
        """Give a cluster IP back."""
        self.addresses.release(int(ipaddress.ip_address(address)))

    def ports(self, protocol: str) -> ranges.Range:
        """The node ports of a protocol."""
        return self._ports[protocol]


def addresses_of(service: dict[str, Any]) -> list[str]:
    """The cluster IPs that a Service holds."""
    spec = service.get("spec") or {}
    found = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return [address for address in found if address and address != "None"]


def node_ports_of(service: dict[str, Any]) -> set[tuple[str, int]]:
    """The node ports that a Service holds, the one for health checks among them."""
    spec = service.get("spec") or {}
    ports = {
        (port.get("protocol", "TCP"), int(port["nodePort"])) for port in spec.get("ports") or () if port.get("nodePort")
    }
    if spec.get("healthCheckNodePort"):
        ports.add(("TCP", int(spec["healthCheckNodePort"])))
    return ports
