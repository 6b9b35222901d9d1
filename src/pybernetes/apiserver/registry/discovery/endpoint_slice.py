"""EndpointSlices: what v1 no longer takes is dropped.

Upstream: pkg/registry/discovery/endpointslice.
"""

from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object


class EndpointSliceStrategy(strategy.Strategy):
    """Topology lies in other fields now."""

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Drop it."""
        for endpoint in new.get("endpoints") or ():
            endpoint.pop("deprecatedTopology", None)

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """Drop it."""
        self.prepare_for_create(context, new)
