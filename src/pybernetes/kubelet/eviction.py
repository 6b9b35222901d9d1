"""When the node runs short of memory or disk, pods are ended before the kernel ends them.

Who goes first: pods that use more than they asked for, then the lower priority, then who exceeds its request the most.

Upstream: pkg/kubelet/eviction (eviction_manager.go, helpers.go). Pure.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from pybernetes.api import pod_requests
from pybernetes.api.types import core
from pybernetes.kubelet import pod_conditions

MEMORY_THRESHOLD = 100 * 2**20
DISK_THRESHOLD = 0.10


@dataclasses.dataclass(frozen=True, slots=True)
class Signal:
    """A resource the node is short of."""

    resource: str
    """memory or ephemeral-storage"""
    threshold: int
    available: int


def signals(memory_available: int, disk_free: int, disk_total: int) -> list[Signal]:
    """What the node is short of now; memory first."""
    found = []
    if memory_available < MEMORY_THRESHOLD:
        found.append(Signal("memory", MEMORY_THRESHOLD, memory_available))
    threshold = int(disk_total * DISK_THRESHOLD)
    if disk_free < threshold:
        found.append(Signal("ephemeral-storage", threshold, disk_free))
    return found


def rank(pods: Iterable[core.Pod], signal: Signal, usage: Mapping[str, int]) -> list[core.Pod]:
    """Pods that may be evicted, the first one first; `usage` is by uid. Critical pods and static ones stay."""

    def excess(pod: core.Pod) -> int:
        requested = pod_requests.spec_requests(pod).get(signal.resource, 0) // 10**9
        return usage.get(pod.metadata.uid, 0) - requested

    candidates = [pod for pod in pods if not _is_critical(pod)]
    return sorted(candidates, key=lambda pod: (excess(pod) <= 0, pod.spec.priority or 0, -excess(pod)))


def _is_critical(pod: core.Pod) -> bool:
    static = pod.metadata.annotations.get("kubernetes.io/config.source", "api") != "api"
    return static or (pod.spec.priority or 0) >= 2_000_000_000


def message(pod: core.Pod, signal: Signal, usage: Mapping[str, int]) -> str:
    """What the pod's status and the event say."""
    text = (
        f"The node was low on resource: {signal.resource}. Threshold quantity: {signal.threshold}, "
        f"available: {signal.available // 1024}Ki. "
    )
    used = usage.get(pod.metadata.uid)
    for container in pod.spec.containers if used is not None else ():
        requested = container.resources.requests.get(signal.resource, "0")
        text += (
            f"Container {container.name} was using {(used or 0) // 1024}Ki, request is {requested}, "
            f"has larger consumption of {signal.resource}. "
        )
        break
    return text


def condition(pod: core.Pod, text: str) -> core.PodCondition:
    """Tells controllers that the pod was ended for the node's sake."""
    return core.PodCondition(
        type=pod_conditions.DISRUPTION_TARGET,
        status="True",
        reason="TerminationByKubelet",
        message=text,
        observedGeneration=pod.metadata.generation,
    )
