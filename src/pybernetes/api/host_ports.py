"""Ports of the node itself that Pods take: which, and whether two want the same.

Upstream: kube-scheduler/framework (HostPortInfo), component-helpers scheduling. Pure.
"""

from typing import NamedTuple

from pybernetes.api.types import core

BIND_ALL = "0.0.0.0"


class HostPort(NamedTuple):
    """A port of the node itself."""

    ip: str
    protocol: str
    port: int


def of(pod: core.Pod) -> tuple[HostPort, ...]:
    """Ports the Pod takes on its node for as long as it runs."""
    running = [one for one in pod.spec.initContainers if one.restartPolicy == "Always"]
    return tuple(
        HostPort(port.hostIP or BIND_ALL, port.protocol or "TCP", port.hostPort)
        for container in (*running, *pod.spec.containers)
        for port in container.ports
        if port.hostPort > 0
    )


class HostPorts:
    """Ports in use on a node. `0.0.0.0` conflicts with every address."""

    __slots__ = ("_by_ip",)

    def __init__(self) -> None:
        self._by_ip: dict[str, set[tuple[str, int]]] = {}

    def add(self, port: HostPort) -> None:
        """Mark as used."""
        self._by_ip.setdefault(port.ip, set()).add((port.protocol, port.port))

    def remove(self, port: HostPort) -> None:
        """Mark as free."""
        ports = self._by_ip.get(port.ip)
        if ports is not None:
            ports.discard((port.protocol, port.port))
            if not ports:
                del self._by_ip[port.ip]

    def conflicts(self, port: HostPort) -> bool:
        """Whether somebody has it."""
        wanted = (port.protocol, port.port)
        if port.ip == BIND_ALL:
            return any(wanted in ports for ports in self._by_ip.values())
        return any(wanted in self._by_ip.get(ip, ()) for ip in (BIND_ALL, port.ip))

    def clone(self) -> "HostPorts":
        """An independent copy."""
        result = HostPorts()
        result._by_ip = {ip: {*ports} for ip, ports in self._by_ip.items()}
        return result

    def __len__(self) -> int:
        return sum(map(len, self._by_ip.values()))
