"""policy/v1: PodDisruptionBudget, Eviction.

Upstream: k8s.io/api/policy/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import meta
from pybernetes.api.types.meta import EMPTY, Object, Struct, Time, always


class PodDisruptionBudgetSpec(Struct):
    minAvailable: int | str | None = None
    selector: meta.LabelSelector | None = None
    maxUnavailable: int | str | None = None
    unhealthyPodEvictionPolicy: str | None = None


class PodDisruptionBudgetStatus(Struct):
    observedGeneration: int = 0
    disruptedPods: Mapping[str, Time] = EMPTY
    disruptionsAllowed: int = always(0)
    currentHealthy: int = always(0)
    desiredHealthy: int = always(0)
    expectedPods: int = always(0)
    conditions: tuple[meta.Condition, ...] = ()


class PodDisruptionBudget(Object):
    """How many matching pods may be evicted at a time."""

    apiVersion: str = always("policy/v1")
    kind: str = always("PodDisruptionBudget")
    spec: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    status: PodDisruptionBudgetStatus = PodDisruptionBudgetStatus()
