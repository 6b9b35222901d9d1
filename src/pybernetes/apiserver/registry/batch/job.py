"""Jobs: labels and a selector that only this Job's Pods can match.

Upstream: pkg/registry/batch/job.
"""

from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object

PREFIX = "batch.kubernetes.io/"
NAME_LABELS = ("job-name", f"{PREFIX}job-name")
UID_LABELS = ("controller-uid", f"{PREFIX}controller-uid")


class JobStrategy(strategy.Strategy):
    """A Job without a selector of its own gets one by its uid. Dependents stay unless a deletion says otherwise."""

    default_garbage_collection = "orphan"

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Generate selector and labels unless the user takes care of them."""
        spec, facts = new["spec"], new["metadata"]
        if spec.get("manualSelector"):
            return
        template = spec.setdefault("template", {}).setdefault("metadata", {})
        labels = template.get("labels") or {}
        inherits = not facts.get("labels") or facts["labels"] == labels
        generated = dict.fromkeys(NAME_LABELS, facts.get("name", "")) | dict.fromkeys(UID_LABELS, facts["uid"])
        template["labels"] = dict(sorted({**generated, **labels}.items()))
        if inherits:
            facts["labels"] = dict(template["labels"])
        selector = spec.get("selector") or {}
        wanted = {UID_LABELS[1]: facts["uid"], **(selector.get("matchLabels") or {})}
        selector["matchLabels"] = dict(sorted(wanted.items()))
        spec["selector"] = selector
