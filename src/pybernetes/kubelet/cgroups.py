"""What stands in the node's control groups: which one is whose, and what is written into its files.

    ROOT/kubepods                                 what all pods together may have: the node without what is reserved
    ROOT/kubepods/podUID                          guaranteed pods
    ROOT/kubepods/{burstable,besteffort}/podUID   the others; burstable weighs what its pods ask for together
    …/podUID/CONTAINER                            made by the runtime

Upstream: pkg/kubelet/cm (node_container_manager_linux.go, qos_container_manager_linux.go, helpers_linux.go,
cgroup_manager_linux.go). Pure.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from pybernetes.api import pod_requests, qos
from pybernetes.api.types import core
from pybernetes.kubelet import resources

KUBEPODS = "kubepods"
CLASSES = {qos.GUARANTEED: "", qos.BURSTABLE: "/burstable", qos.BEST_EFFORT: "/besteffort"}
_POD = "pod"


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Settings of one control group; None leaves a file alone, a quota of -1 is none."""

    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int = resources.QUOTA_PERIOD
    memory: int | None = None
    pids: int | None = None


def kubepods(root: str) -> str:
    """The group of all pods."""
    return f"{root.rstrip('/')}/{KUBEPODS}"


def pod_group(root: str, pod: core.Pod) -> str:
    """The group of a pod."""
    return f"{kubepods(root)}{CLASSES[resources.pod_qos(pod)]}/{_POD}{pod.metadata.uid}"


def pod_uid(name: str) -> str:
    """Whose group has that name; empty when it is no pod's."""
    return name.removeprefix(_POD) if name.startswith(_POD) else ""


def of_node(allocatable: Mapping[str, str]) -> Limits:
    """What all pods together may have."""
    return Limits(
        cpu_shares=resources.cpu_shares(resources.milli(allocatable, "cpu") or 0),
        memory=resources.value(allocatable, "memory") or None,
    )


def of_class(name: str, pods: Iterable[core.Pod]) -> Limits:
    """The weight of a class: burstable pods weigh together what they ask for, best-effort ones the least."""
    if name == qos.BEST_EFFORT:
        return Limits(cpu_shares=resources.MIN_SHARES)
    asked = sum(_milli(pod_requests.spec_requests(pod)) for pod in pods if resources.pod_qos(pod) == name)
    return Limits(cpu_shares=resources.cpu_shares(asked))


def of_pod(pod: core.Pod, node: resources.Node, pids: int | None = None) -> Limits:
    """What a pod may have; limits only where every container has one."""
    name = resources.pod_qos(pod)
    if name == qos.BEST_EFFORT:
        return Limits(cpu_shares=resources.MIN_SHARES, pids=pids)
    limits = pod_requests.spec_limits(pod)
    quota = resources.cpu_quota(_milli(limits), node.cpu_period) if node.cpu_cfs_quota else -1
    return Limits(
        cpu_shares=resources.cpu_shares(_milli(pod_requests.spec_requests(pod))),
        cpu_quota=quota if _limits_all(pod, "cpu") else None,
        cpu_period=node.cpu_period,
        memory=-(-limits.get("memory", 0) // 10**9) if _limits_all(pod, "memory") else None,
        pids=pids,
    )


def _milli(amounts: Mapping[str, int]) -> int:
    return -(-amounts.get("cpu", 0) // 10**6)


def _limits_all(pod: core.Pod, name: str) -> bool:
    if pod.spec.resources is not None and resources.milli(pod.spec.resources.limits, name):
        return True
    every = (*pod.spec.initContainers, *pod.spec.containers)
    return all(resources.milli(one.resources.limits, name) for one in every)


# -- files -----------------------------------------------------------------------------------------------------------


def files(limits: Limits, version: int) -> list[tuple[str, str, str]]:
    """(controller, file, text) to write, in order."""
    return _files_v2(limits) if version == 2 else _files_v1(limits)


def _files_v1(limits: Limits) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if limits.cpu_shares is not None:
        found.append(("cpu", "cpu.shares", str(limits.cpu_shares)))
    if limits.cpu_quota is not None:
        found.append(("cpu", "cpu.cfs_period_us", str(limits.cpu_period)))
        found.append(("cpu", "cpu.cfs_quota_us", str(limits.cpu_quota or -1)))
    if limits.memory is not None:
        found.append(("memory", "memory.limit_in_bytes", str(limits.memory)))
    if limits.pids is not None:
        found.append(("pids", "pids.max", str(limits.pids)))
    return found


def _files_v2(limits: Limits) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if limits.cpu_shares is not None:
        found.append(("cpu", "cpu.weight", str(cpu_weight(limits.cpu_shares))))
    if limits.cpu_quota is not None:
        quota = str(limits.cpu_quota) if limits.cpu_quota > 0 else "max"
        found.append(("cpu", "cpu.max", f"{quota} {limits.cpu_period}"))
    if limits.memory is not None:
        found.append(("memory", "memory.max", str(limits.memory)))
    if limits.pids is not None:
        found.append(("pids", "pids.max", str(limits.pids)))
    return found


def cpu_weight(shares: int) -> int:
    """Shares of cgroup v1 (2 to 262144) as a weight of v2 (1 to 10000)."""
    return 1 + (shares - 2) * 9999 // 262142


@dataclasses.dataclass(frozen=True, slots=True)
class CpuStatistics:
    """How often a group was held back by its CPU quota; seconds."""

    periods: int = 0
    throttled_periods: int = 0
    throttled: float = 0.0


def cpu_statistics(text: str) -> CpuStatistics:
    """The content of `cpu.stat` in either version."""
    found = dict(line.split()[:2] for line in text.splitlines() if " " in line)
    seconds = int(found.get("throttled_time", 0)) / 1e9 or int(found.get("throttled_usec", 0)) / 1e6
    return CpuStatistics(int(found.get("nr_periods", 0)), int(found.get("nr_throttled", 0)), seconds)
