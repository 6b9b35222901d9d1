"""PersistentVolumes and claims: both start as Pending, a volume remembers when its phase changed.

Upstream: pkg/registry/core/{persistentvolume,persistentvolumeclaim}.
"""

from pybernetes.apimachinery import timestamps
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object


class VolumeStrategy(strategy.Strategy):
    """PersistentVolumes."""

    generation = False
    returns_deleted = True

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Nobody has looked at it yet."""
        now = timestamps.format_time(context.clock.now())
        new["status"] = {"phase": "Pending", "lastPhaseTransitionTime": now}

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """A new phase has a new time."""
        if context.subresource != "status":
            return
        status, before = new.setdefault("status", {}), old.get("status") or {}
        given, known = status.get("lastPhaseTransitionTime"), before.get("lastPhaseTransitionTime")
        if status.get("phase") != before.get("phase"):
            if not given or given == known:
                status["lastPhaseTransitionTime"] = timestamps.format_time(context.clock.now())
        elif not given and known:
            status["lastPhaseTransitionTime"] = known


class ClaimStrategy(strategy.Strategy):
    """PersistentVolumeClaims."""

    generation = False
    returns_deleted = True

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Not bound yet."""
        new["status"] = {"phase": "Pending"}
