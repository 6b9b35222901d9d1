"""Namespaces: held back by `spec.finalizers` until their content is gone.

Upstream: pkg/registry/core/namespace.
"""

from pybernetes.apimachinery import names
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(strategy.Strategy):
    """A new namespace is Active and has the finalizer `kubernetes`; only `/finalize` takes that away."""

    generation = False
    returns_deleted = True
    name_check = staticmethod(names.is_dns1123_label)

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Active, and to be finalized."""
        spec = new.setdefault("spec", {})
        finalizers = spec.get("finalizers") or []
        if FINALIZER not in finalizers:
            spec["finalizers"] = [*finalizers, FINALIZER]
        new["status"] = {"phase": "Active"}

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """Finalizers change through `/finalize` alone."""
        if context.subresource == "finalize":
            new["status"] = old.get("status", {})
        elif context.subresource != "status":
            new["spec"] = old.get("spec", {})

    def canonicalize(self, context: strategy.Context, new: Object) -> None:
        """Every namespace carries its own name as a label, for selectors."""
        facts = new["metadata"]
        labels = facts.setdefault("labels", {})
        labels[NAME_LABEL] = facts["name"]

    def mark_deleting(self, context: strategy.Context, obj: Object) -> None:
        """A namespace that is going away says so."""
        obj.setdefault("status", {})["phase"] = "Terminating"
        # Namespaces know no grace period, not even one of zero seconds.
        obj["metadata"].pop("deletionGracePeriodSeconds", None)

    def holds(self, obj: Object) -> bool:
        """As long as finalizers remain."""
        return bool((obj.get("spec") or {}).get("finalizers"))
