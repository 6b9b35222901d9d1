"""Requests and limits as the kernel wants them, and as containers may read them.

Upstream: pkg/kubelet/cm/helpers_linux.go, pkg/api/v1/resource/helpers.go. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import core
from pybernetes.apimachinery import quantity
from pybernetes.kubelet import runtime_status
from pybernetes.kubelet.cri.runtime import Message

MIN_SHARES, MAX_SHARES, SHARES_PER_CPU = 2, 262144, 1024
QUOTA_PERIOD, MIN_QUOTA = 100_000, 1000


class FieldError(ValueError):
    """A field or resource that cannot be read."""


def milli(resources: Mapping[str, str], name: str) -> int | None:
    """Thousandths of a resource, None when it is not named."""
    text = resources.get(name)
    return None if text is None else quantity.parse(text).milli_value()


def value(resources: Mapping[str, str], name: str) -> int | None:
    """Whole units of a resource, None when it is not named."""
    text = resources.get(name)
    return None if text is None else quantity.parse(text).value()


def cpu_shares(milli_cpu: int) -> int:
    """cgroup CPU weight."""
    if milli_cpu == 0:
        return MIN_SHARES
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * SHARES_PER_CPU // 1000))


def cpu_quota(milli_cpu: int, period: int = QUOTA_PERIOD) -> int:
    """Microseconds of CPU in each period; 0 for no limit."""
    return 0 if milli_cpu == 0 else max(MIN_QUOTA, milli_cpu * period // 1000)


def linux_resources(
    container: runtime_status.AnyContainer, oom_score_adj: int | None = None, *, enforce_cpu_limits: bool = True
) -> Message:
    """`LinuxContainerResources` of the CRI."""
    requests, limits = container.resources.requests, container.resources.limits
    cpu_request, cpu_limit = milli(requests, "cpu"), milli(limits, "cpu")
    if cpu_request is None:
        cpu_request = cpu_limit
    result: Message = {"cpu_shares": cpu_shares(cpu_request or 0)}
    if cpu_limit and enforce_cpu_limits:
        result["cpu_period"] = QUOTA_PERIOD
        result["cpu_quota"] = cpu_quota(cpu_limit)
    memory = value(limits, "memory")
    if memory:
        result["memory_limit_in_bytes"] = memory
    if oom_score_adj is not None:
        result["oom_score_adj"] = oom_score_adj
    hugepages = [
        {"page_size": _page_size(name.removeprefix("hugepages-")), "limit": quantity.parse(text).value()}
        for name, text in limits.items()
        if name.startswith("hugepages-")
    ]
    if hugepages:
        result["hugepage_limits"] = hugepages
    return result


def _page_size(text: str) -> str:
    """`2Mi` as the kernel names it: `2MB`."""
    return f"{text[:-1]}B" if text.endswith("i") else text


def sum_pod(pod: core.Pod, name: str, *, limits: bool = False) -> int | None:
    """Thousandths of a resource for the whole pod; None when one container has no limit."""
    chosen = [one.resources.limits if limits else one.resources.requests for one in pod.spec.containers]
    sidecars = [
        one.resources.limits if limits else one.resources.requests
        for one in pod.spec.initContainers
        if runtime_status.is_sidecar(one)
    ]
    amounts = [milli(one, name) for one in (*chosen, *sidecars)]
    if limits and any(amount is None for amount in amounts):
        return None
    init = [
        milli(one.resources.limits if limits else one.resources.requests, name) or 0
        for one in pod.spec.initContainers
        if not runtime_status.is_sidecar(one)
    ]
    return max([sum(amount or 0 for amount in amounts), *init]) + (milli(pod.spec.overhead, name) or 0)


def field_value(
    selector: core.ResourceFieldSelector, container: runtime_status.AnyContainer, allocatable: Mapping[str, str]
) -> str:
    """What a resourceFieldRef reads: missing limits are what the node can give."""
    kind, _, name = selector.resource.partition(".")
    if kind not in ("limits", "requests") or not (
        name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-")
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
