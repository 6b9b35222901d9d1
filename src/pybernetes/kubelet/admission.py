"""Whether this node takes a pod that was bound to it.

The scheduler decided with what it knew; static pods and races make the node have the last word.

Upstream: pkg/kubelet/lifecycle/predicate.go. Pure.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from pybernetes.api import host_ports, pod_requests
from pybernetes.api.types import core
from pybernetes.apimachinery import quantity

_SAFE_SYSCTLS = frozenset(
    (
        *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
        *("net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports"),
        *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
        *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    )
)
NODE_AFFINITY = "NodeAffinity"
_COUNTED = ("cpu", "memory", "ephemeral-storage")


@dataclasses.dataclass(frozen=True, slots=True)
class Rejection:
    """Why a pod may not run here."""

    reason: str
    message: str
    hopeless: bool = True
    """It would not fit on the empty node either"""


def admit(
    pod: core.Pod, others: Iterable[core.Pod], allocatable: Mapping[str, str], node_labels: Mapping[str, str]
) -> Rejection | None:
    """None when the pod fits beside the others that run here."""
    running = list(others)
    room = quantity.parse(allocatable.get("pods", "110")).value()
    if len(running) + 1 > room:
        return _lack("pods", 1, len(running), room)
    asked, taken = pod_requests.spec_requests(pod), [pod_requests.spec_requests(one) for one in running]
    for name in _COUNTED:
        wanted = asked.get(name, 0)
        if not wanted or name not in allocatable:
            continue
        used = sum(one.get(name, 0) for one in taken)
        total = quantity.parse(allocatable[name]).nano
        if used + wanted > total:
            unit = 10**6 if name == "cpu" else 10**9
            return _lack(name, wanted // unit, used // unit, total // unit)
    busy = host_ports.HostPorts()
    for port in (port for one in running for port in host_ports.of(one)):
        busy.add(port)
    if any(map(busy.conflicts, host_ports.of(pod))):
        return Rejection(
            "NodePorts",
            "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
            hopeless=False,
        )
    if any(node_labels.get(key) != text for key, text in pod.spec.nodeSelector.items()):
        return Rejection(
            NODE_AFFINITY,
            "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )
    for sysctl in pod.spec.securityContext.sysctls if pod.spec.securityContext is not None else ():
        if sysctl.name.replace("/", ".") not in _SAFE_SYSCTLS:
            return Rejection("SysctlForbidden", f'forbidden sysctl: "{sysctl.name}" not allowlisted')
    if pod.spec.os is not None and pod.spec.os.name not in ("", node_labels.get("kubernetes.io/os", "linux")):
        return Rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None


def _lack(name: str, wanted: int, used: int, total: int) -> Rejection:
    return Rejection(
        f"OutOf{name}",
        f"Pod was rejected: Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, "
        f"capacity: {total}",
        wanted > total,
    )
