"""Requests and limits as the kernel wants them, and as containers may read them.

Upstream: pkg/kubelet/cm/helpers_linux.go, pkg/kubelet/kuberuntime/kuberuntime_container_linux.go,
pkg/kubelet/qos/policy.go, pkg/api/v1/resource/helpers.go. Pure.
"""

import dataclasses
from collections.abc import Mapping

from pybernetes.api import pod_requests, qos
from pybernetes.api.types import core
from pybernetes.apimachinery import quantity
from pybernetes.kubelet import runtime_status
from pybernetes.kubelet.cri.runtime import Message

MIN_SHARES, MAX_SHARES, SHARES_PER_CPU = 2, 262144, 1024
QUOTA_PERIOD, MIN_QUOTA = 100_000, 1000
GUARANTEED_SCORE, BEST_EFFORT_SCORE = -997, 1000
NODE_CRITICAL = "system-node-critical"
_NO_RESOURCES = core.ResourceRequirements()


class FieldError(ValueError):
    """A field or resource that cannot be read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """What the node lays down for all its containers."""

    memory_capacity: int = 0
    cpu_cfs_quota: bool = True
    cpu_period: int = QUOTA_PERIOD
    cgroup_version: int = 1
    counts_swap: bool = False


DEFAULT_NODE = Node()


def milli(resources: Mapping[str, str], name: str) -> int | None:
    """Thousandths of a resource, None when it is not named."""
    text = resources.get(name)
    return None if text is None else quantity.parse(text).milli_value()


def value(resources: Mapping[str, str], name: str) -> int:
    """Whole units of a resource, 0 when it is not named."""
    return quantity.parse(resources.get(name, "0")).value()


def cpu_shares(milli_cpu: int) -> int:
    """CPU weight as cgroup v1 has it."""
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * SHARES_PER_CPU // 1000))


def cpu_quota(milli_cpu: int, period: int = QUOTA_PERIOD) -> int:
    """Microseconds of CPU in each period; 0 for no limit."""
    return 0 if milli_cpu == 0 else max(MIN_QUOTA, milli_cpu * period // 1000)


def pod_qos(pod: core.Pod) -> str:
    """Guaranteed, Burstable or BestEffort; what the status says wins, as it never changes."""
    if pod.status.qosClass:
        return pod.status.qosClass
    whole = pod.spec.resources or _NO_RESOURCES
    parts = [whole]
    if not (whole.requests or whole.limits):
        parts = [one.resources for one in (*pod.spec.initContainers, *pod.spec.containers)]
    return qos.qos_class((one.requests, one.limits) for one in parts)


def oom_score_adj(pod: core.Pod, container: runtime_status.AnyContainer, memory_capacity: int) -> int:
    """Who dies first when memory runs out: the less was requested, the higher the score."""
    if pod.spec.priorityClassName == NODE_CRITICAL:
        return GUARANTEED_SCORE
    match pod_qos(pod):
        case qos.GUARANTEED:
            return GUARANTEED_SCORE
        case qos.BEST_EFFORT:
            return BEST_EFFORT_SCORE
    wanted = value(container.resources.requests, "memory")
    if container in pod.spec.initContainers and runtime_status.is_sidecar(container):
        # A sidecar must not die before the containers it serves.
        wanted = max(wanted, min(value(one.resources.requests, "memory") for one in pod.spec.containers))
    score = 1000 - 1000 * (wanted + _unclaimed_memory(pod)) // max(1, memory_capacity)
    return max(1000 + GUARANTEED_SCORE, min(score, BEST_EFFORT_SCORE - 1))


def _unclaimed_memory(pod: core.Pod) -> int:
    """Each container's share of what the pod as a whole asks for beyond its containers."""
    if pod.spec.resources is None or "memory" not in pod.spec.resources.requests:
        return 0
    sharing = [one for one in pod.spec.initContainers if runtime_status.is_sidecar(one)] + list(pod.spec.containers)
    claimed = sum(value(one.resources.requests, "memory") for one in sharing)
    return max(0, value(pod.spec.resources.requests, "memory") - claimed) // len(sharing)


def linux_resources(pod: core.Pod, container: runtime_status.AnyContainer, node: Node) -> Message:
    """`LinuxContainerResources` of the CRI."""
    requests, limits = container.resources.requests, dict(container.resources.limits)
    for name, text in (pod.spec.resources or _NO_RESOURCES).limits.items():
        if value(limits, name) == 0:
            limits[name] = text  # a container without a limit may use all that the pod has
    cpu_limit = milli(limits, "cpu") or 0
    cpu_request = milli(requests, "cpu")
    result: Message = {"cpu_shares": cpu_shares(cpu_limit if cpu_request is None else cpu_request)}
    if node.cpu_cfs_quota:
        result["cpu_period"], result["cpu_quota"] = node.cpu_period, cpu_quota(cpu_limit, node.cpu_period)
    memory = value(limits, "memory")
    if memory:
        result["memory_limit_in_bytes"] = memory
    if node.cgroup_version == 2:
        result["unified"] = {"memory.oom.group": "1"} | ({"memory.swap.max": "0"} if node.counts_swap else {})
    elif memory and node.counts_swap:
        result["memory_swap_limit_in_bytes"] = memory
    if node.memory_capacity:
        result["oom_score_adj"] = oom_score_adj(pod, container, node.memory_capacity)
    hugepages = [
        {"page_size": _page_size(name.removeprefix("hugepages-")), "limit": value(limits, name)}
        for name in limits
        if name.startswith("hugepages-")
    ]
    if hugepages:
        result["hugepage_limits"] = hugepages
    return result


def overhead(pod: core.Pod) -> Message:
    """`LinuxContainerResources` that the sandbox itself needs."""
    result: Message = {}
    if cpu := milli(pod.spec.overhead, "cpu"):
        result |= {"cpu_shares": cpu_shares(cpu), "cpu_period": QUOTA_PERIOD, "cpu_quota": cpu_quota(cpu)}
    if memory := value(pod.spec.overhead, "memory"):
        result["memory_limit_in_bytes"] = memory
    return result


def _page_size(text: str) -> str:
    """`2Mi` as the kernel names it: `2MB`."""
    return f"{text[:-1]}B" if text.endswith("i") else text


def field_value(
    selector: core.ResourceFieldSelector, container: runtime_status.AnyContainer, allocatable: Mapping[str, str]
) -> str:
    """What a resourceFieldRef reads: missing limits are what the node can give."""
    kind, _, name = selector.resource.partition(".")
    if kind not in ("limits", "requests") or not (
        name in (pod_requests.CPU, pod_requests.MEMORY, pod_requests.EPHEMERAL_STORAGE)
        or name.startswith(pod_requests.HUGE_PAGES)
    ):
        raise FieldError(f"unsupported container resource : {selector.resource}")
    amounts = container.resources.limits if kind == "limits" else container.resources.requests
    text = amounts.get(name, "0")
    if kind == "limits" and quantity.parse(text).is_zero:
        text = allocatable.get(name, "0")
    divisor = quantity.parse(selector.divisor or "1")
    divisor = quantity.parse("1") if divisor.is_zero else divisor
    if name == "cpu":
        return str(-(-quantity.parse(text).milli_value() // divisor.milli_value()))
    return str(-(-quantity.parse(text).value() // divisor.value()))
