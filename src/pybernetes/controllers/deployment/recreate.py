"""Recreate: the old Pods first go, all of them, then the new ones come.

Upstream: pkg/controller/deployment/recreate.go. Pure.
"""

from collections.abc import Iterable, Mapping

from pybernetes.api.types import apps, core
from pybernetes.controllers.deployment import rollout


def scale_old(old: Iterable[apps.ReplicaSet]) -> list[rollout.Scale]:
    """Every old ReplicaSet down to nothing."""
    return [rollout.Scale(one, 0) for one in rollout.active(old)]


def old_pods_running(
    new: apps.ReplicaSet | None, old: Iterable[apps.ReplicaSet], pods: Mapping[str, Iterable[core.Pod]]
) -> bool:
    """Whether any Pod of an old ReplicaSet may still run; `pods` are by uid of their ReplicaSet."""
    if any(one.status.replicas > 0 for one in old):
        return True
    return any(
        pod.status.phase not in ("Failed", "Succeeded")
        for uid, some in pods.items()
        if new is None or uid != new.metadata.uid
        for pod in some
    )
