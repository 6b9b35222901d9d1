"""Quality of service of a pod, and the out-of-memory score that goes with it.

Upstream: pkg/apis/core/v1/helper/qos, pkg/kubelet/qos/policy.go. Pure.
"""

from pybernetes.api.types import core
from pybernetes.apimachinery import quantity
from pybernetes.kubelet import runtime_status

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
_COMPUTE = ("cpu", "memory")
GUARANTEED_SCORE, BEST_EFFORT_SCORE = -997, 1000


def pod_qos(pod: core.Pod) -> str:
    """Guaranteed, Burstable or BestEffort; what the status says wins, as it never changes."""
    return pod.status.qosClass or compute(pod)


def compute(pod: core.Pod) -> str:
    """The class as the resources of the pod make it."""
    resources = [one.resources for one in (*pod.spec.initContainers, *pod.spec.containers)]
    if pod.spec.resources is not None and (pod.spec.resources.requests or pod.spec.resources.limits):
        resources = [pod.spec.resources]
    requested = limited = 0
    guaranteed = True
    for one in resources:
        requests = {name: text for name, text in one.requests.items() if name in _COMPUTE and not _zero(text)}
        limits = {name: text for name, text in one.limits.items() if name in _COMPUTE and not _zero(text)}
        requested += len(requests)
        limited += len(limits)
        same = all(quantity.compare(requests.get(name, limits[name]), limits[name]) == 0 for name in limits)
        guaranteed = guaranteed and len(limits) == len(_COMPUTE) and same
    if not requested and not limited:
        return BEST_EFFORT
    return GUARANTEED if guaranteed else BURSTABLE


def _zero(text: str) -> bool:
    return quantity.compare(text, "0") == 0


def oom_score_adj(pod: core.Pod, container: runtime_status.AnyContainer, memory_capacity: int) -> int:
    """Who dies first when memory runs out: the less was requested, the higher the score."""
    if pod.spec.priority is not None and pod.spec.priority >= 2_000_000_000:
        return GUARANTEED_SCORE
    match pod_qos(pod):
        case "Guaranteed":
            return GUARANTEED_SCORE
        case "BestEffort":
            return BEST_EFFORT_SCORE
    text = container.resources.requests.get("memory", "0")
    request = quantity.parse(text).value()
    score = 1000 - (1000 * request) // max(1, memory_capacity)
    return max(1000 + GUARANTEED_SCORE, min(score, BEST_EFFORT_SCORE - 1))
