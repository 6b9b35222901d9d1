"""A new node is not ready until it says so.

Upstream: plugin/pkg/admission/nodetaint.
"""

from pybernetes.apiserver.admission.attributes import Attributes
from pybernetes.apiserver.admission.default_toleration_seconds import NOT_READY


class TaintNodesByCondition:
    """The plugin `TaintNodesByCondition`."""

    name = "TaintNodesByCondition"

    def handles(self, attributes: Attributes) -> bool:
        """Creation of Nodes."""
        kind = attributes.kind
        return (
            kind.kind == "Node" and not kind.group and not attributes.subresource and attributes.operation == "CREATE"
        )

    async def admit(self, attributes: Attributes) -> None:
        """Taint the node `not-ready:NoSchedule`."""
        assert attributes.object is not None
        spec = attributes.object.setdefault("spec", {})
        taints = list(spec.get("taints") or ())
        if not any(taint.get("key") == NOT_READY and taint.get("effect") == "NoSchedule" for taint in taints):
            spec["taints"] = [*taints, {"key": NOT_READY, "effect": "NoSchedule"}]

    async def validate(self, attributes: Attributes) -> None:
        """Nothing to refuse."""
