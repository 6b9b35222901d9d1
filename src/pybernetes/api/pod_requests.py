"""What a Pod asks for and may not exceed, in nano-units (exact sums of quantities); callers round once, at the end.

Containers add up; an init container needs its own room before they start, beside the sidecars started before it;
requests of the whole Pod replace the sums; the overhead comes on top. While a resize is under way the larger of
wanted, allocated and actual counts.
Upstream: k8s.io/component-helpers/resource (PodRequests, PodLimits). Pure.
"""

from collections.abc import Callable, Iterable, Mapping

from pybernetes.api.types import core
from pybernetes.apimachinery import quantity

Requests = dict[str, int]
NonMissing = Mapping[str, int]

CPU, MEMORY, EPHEMERAL_STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"
HUGE_PAGES = "hugepages-"
DEFAULT_MILLI_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024
"""Counted for a container without requests when nodes are compared, so that not all of them land on one."""
NON_ZERO: NonMissing = {CPU: DEFAULT_MILLI_CPU * 10**6, MEMORY: DEFAULT_MEMORY * 10**9}


def requests(pod: core.Pod, *, non_missing: NonMissing | None = None) -> Requests:
    """What the Pod asks for; `non_missing` is assumed of containers that do not say."""
    result = _container_requests(pod, non_missing or {})
    whole = pod.spec.resources
    if whole is not None and any(map(_pod_level, whole.requests)):
        for name, amount in _effective_pod_level(pod, whole).items():
            if _pod_level(name):
                result[name] = amount
    _add(result, _amounts(pod.spec.overhead))
    return result


def spec_requests(pod: core.Pod) -> Requests:
    """What the spec asks for, whatever the status says of a resize."""
    result = _aggregate(pod, lambda container: container.resources.requests, {})
    whole = pod.spec.resources
    if whole is not None:
        result.update((name, amount) for name, amount in _amounts(whole.requests).items() if _pod_level(name))
    _add(result, _amounts(pod.spec.overhead))
    return result


def spec_limits(pod: core.Pod) -> Requests:
    """What the containers of the spec together may not exceed; those without a limit are left out of the sum."""
    result = _aggregate(pod, lambda container: container.resources.limits, {})
    whole = pod.spec.resources
    if whole is not None:
        result.update((name, amount) for name, amount in _amounts(whole.limits).items() if _pod_level(name))
    for name, amount in _amounts(pod.spec.overhead).items():
        if result.get(name):
            result[name] += amount
    return result


def non_zero_requests(pod: core.Pod, asked: Requests) -> tuple[int, int]:
    """Milli-CPU and bytes of memory, with defaults for containers that ask for nothing; `asked`: `requests(pod)`."""
    whole = pod.spec.resources
    missing = NON_ZERO
    if whole is not None and any(map(_pod_level, whole.requests)):
        missing = {name: amount for name, amount in NON_ZERO.items() if name not in asked}
    counted = requests(pod, non_missing=missing) if missing else asked
    return -(-counted.get(CPU, 0) // 10**6), -(-counted.get(MEMORY, 0) // 10**9)


def same_sources(one: core.Pod, other: core.Pod) -> bool:
    """Whether two states of a Pod surely ask for the same: nothing that `requests` reads differs."""
    first, second = one.spec, other.spec
    return (
        first.containers == second.containers
        and first.initContainers == second.initContainers
        and first.overhead == second.overhead
        and first.resources == second.resources
        and _resizing(one) == _resizing(other)
    )


def _resizing(pod: core.Pod) -> tuple[object, ...]:
    status = pod.status
    return (
        resize_infeasible(pod),
        status.resources,
        status.allocatedResources,
        *(
            (one.name, one.resources, one.allocatedResources)
            for one in (*status.containerStatuses, *status.initContainerStatuses)
        ),
    )


def resize_infeasible(pod: core.Pod) -> bool:
    """The kubelet has refused the wanted size."""
    for condition in pod.status.conditions:
        if condition.type == "PodResizePending":
            return condition.reason == "Infeasible"
    return False


def _pod_level(name: str) -> bool:
    return name in (CPU, MEMORY) or name.startswith(HUGE_PAGES)


def _effective_pod_level(pod: core.Pod, whole: core.ResourceRequirements) -> Requests:
    status = pod.status
    if status.resources is None:
        return _amounts(whole.requests)
    wanted = {} if resize_infeasible(pod) else _amounts(whole.requests)
    return _largest((wanted, _amounts(status.resources.requests), _amounts(status.allocatedResources)))


def _container_requests(pod: core.Pod, non_missing: NonMissing) -> Requests:
    wanted = _aggregate(pod, lambda container: container.resources.requests, non_missing)
    statuses = {one.name: one for one in (*pod.status.containerStatuses, *pod.status.initContainerStatuses)}
    if not any(one.resources is not None or one.allocatedResources for one in statuses.values()):
        return wanted
    infeasible = resize_infeasible(pod)

    def allocated(container: core.Container) -> Mapping[str, str]:
        status = statuses.get(container.name)
        if status is not None and status.allocatedResources:
            return status.allocatedResources
        return {} if infeasible else container.resources.requests

    def actual(container: core.Container) -> Mapping[str, str]:
        status = statuses.get(container.name)
        if status is not None and status.resources is not None and status.resources.requests:
            return status.resources.requests
        return allocated(container)

    sides = [_aggregate(pod, allocated, non_missing), _aggregate(pod, actual, non_missing)]
    return _largest(sides if infeasible else [wanted, *sides])


def _aggregate(pod: core.Pod, of: Callable[[core.Container], Mapping[str, str]], non_missing: NonMissing) -> Requests:
    result: Requests = {}
    for container in pod.spec.containers:
        _add(result, _filled(of(container), non_missing))
    if not pod.spec.initContainers:
        return result
    sidecars: Requests = {}
    initial: Requests = {}
    for container in pod.spec.initContainers:
        amounts = _filled(of(container), non_missing)
        if container.restartPolicy == "Always":
            _add(result, amounts)
            _add(sidecars, amounts)
            amounts = sidecars
        else:
            amounts = {**amounts}
            _add(amounts, sidecars)
        initial = _largest((initial, amounts))
    return _largest((result, initial))


def _filled(requested: Mapping[str, str], non_missing: NonMissing) -> Requests:
    return {**non_missing, **_amounts(requested)}


def _amounts(resources: Mapping[str, str]) -> Requests:
    return {name: quantity.parse(text).nano for name, text in resources.items()}


def _add(total: Requests, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _largest(lists: Iterable[Mapping[str, int]]) -> Requests:
    result: Requests = {}
    for one in lists:
        for name, amount in one.items():
            if name not in result or amount > result[name]:
                result[name] = amount
    return result
