"""DaemonSets: an annotation counts the changes of their template, as their oldest API version did in a field.

Upstream: pkg/registry/apps/daemonset.
"""

from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSetStrategy(strategy.Strategy):
    """Keeps the template's own generation."""

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """The first template, unless the object says otherwise."""
        notes = new["metadata"].get("annotations") or {}
        if _generation(new) < 1:
            new["metadata"]["annotations"] = {**notes, TEMPLATE_GENERATION: "1"}

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """One more when the template is another; clients do not set it."""
        if context.subresource == "status":
            return
        changed = new["spec"].get("template") != old["spec"].get("template")
        notes = new["metadata"].get("annotations") or {}
        new["metadata"]["annotations"] = {**notes, TEMPLATE_GENERATION: str(_generation(old) + changed)}


def _generation(obj: Object) -> int:
    text = (obj["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")
    return int(text) if text.isascii() and text.isdecimal() else 0
