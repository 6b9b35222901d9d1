"""scheduling.k8s.io/v1: PriorityClass.

Upstream: k8s.io/api/scheduling/v1. Pure.
"""

from pybernetes.api.types.meta import Object, always


class PriorityClass(Object):
    """A name for the importance of pods."""

    apiVersion: str = always("scheduling.k8s.io/v1")
    kind: str = always("PriorityClass")
    value: int = always(0)
    globalDefault: bool = False
    description: str = ""
    preemptionPolicy: str | None = None
