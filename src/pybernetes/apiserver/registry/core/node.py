"""Nodes bring their status along; the pod range stands in two fields.

Upstream: pkg/registry/core/node, pkg/apis/core/v1/conversion.go.
"""

from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object


class NodeStrategy(strategy.Strategy):
    """A kubelet registers its Node whole."""

    generation = False
    status_on_create = True

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """The first pod range is the pod range."""
        _agree(new)

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """The same."""
        _agree(new)


def _agree(node: Object) -> None:
    spec = node.get("spec") or {}
    one, several = spec.get("podCIDR"), spec.get("podCIDRs")
    if one and not several:
        spec["podCIDRs"] = [one]
    elif several and not one:
        spec["podCIDR"] = several[0]
