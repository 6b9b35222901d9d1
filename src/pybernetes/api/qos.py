"""Quality of service: how much a Pod was promised, which decides whom the kernel kills first.

Pure. Works on (requests, limits) pairs of quantity texts, so that server (dicts) and kubelet (structs) share it.
Upstream: pkg/apis/core/v1/helper/qos.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pybernetes.apimachinery import quantity

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
COUNTED = ("cpu", "memory")

Amounts = Mapping[str, str]


def qos_class(containers: Iterable[tuple[Amounts, Amounts]]) -> str:
    """The class of a Pod with those containers (init containers count): requests and limits of each.

    Guaranteed: every container has limits for CPU and memory, and equal requests. BestEffort: nobody asks for
    anything. Burstable: all else.
    """
    found = {_resource_class(asked, allowed, name) for asked, allowed in containers for name in COUNTED}
    if not found:
        return BEST_EFFORT
    return found.pop() if len(found) == 1 else BURSTABLE


def _resource_class(requests: Amounts, limits: Amounts, name: str) -> str:
    request, limit = (quantity.parse(str(one.get(name, "0"))) for one in (requests, limits))
    if request != limit:
        return BURSTABLE
    return BEST_EFFORT if request.is_zero else GUARANTEED


def spec_class(spec: Mapping[str, Any]) -> str:
    """The class of a Pod spec; resources of the Pod itself stand for those of its containers."""
    shared = spec.get("resources") or {}
    parts = [shared]
    if not (shared.get("requests") or shared.get("limits")):
        containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
        parts = [one.get("resources") or {} for one in containers]
    return qos_class((one.get("requests") or {}, one.get("limits") or {}) for one in parts)
