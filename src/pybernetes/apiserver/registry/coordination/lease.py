"""Leases: what belongs to coordinated leader election is dropped, as upstream does while that is off.

Upstream: pkg/registry/coordination/lease.
"""

from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object


class LeaseStrategy(strategy.Strategy):
    """Clients make a Lease by updating it."""

    generation = False
    allow_create_on_update = True
    allow_unconditional_update = False

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Drop what is off."""
        self.prepare_for_update(context, new, {})

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """Drop what is off and was not there."""
        for field in ("strategy", "preferredHolder"):
            if not (old.get("spec") or {}).get(field):
                (new.get("spec") or {}).pop(field, None)
