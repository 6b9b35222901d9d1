"""What a namespace that is being deleted says about what is left in it.

Upstream: pkg/controller/namespace/deletion/status_condition_utils.go. Pure.
"""

import collections
import dataclasses

from msgspec import structs

from pybernetes.api.types import core

_OK = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


@dataclasses.dataclass(slots=True)
class Findings:
    """What one attempt to empty a namespace met."""

    discovery_failure: str = ""
    content_failures: list[str] = dataclasses.field(default_factory=list)
    remaining: dict[str, int] = dataclasses.field(default_factory=dict)
    """`resource.group` to the number of objects."""
    finalizers: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def _trouble(self) -> dict[str, tuple[str, str]]:
        found = {}
        if self.discovery_failure:
            found["NamespaceDeletionDiscoveryFailure"] = ("DiscoveryFailed", self.discovery_failure)
        if self.content_failures:
            text = ", ".join(sorted(self.content_failures))
            found["NamespaceDeletionContentFailure"] = (
                "ContentDeletionFailed",
                f"Failed to delete all resource types, {len(self.content_failures)} remaining: {text}",
            )
        if self.remaining:
            some = sorted(f"{resource} has {count} resource instances" for resource, count in self.remaining.items())
            found["NamespaceContentRemaining"] = (
                "SomeResourcesRemain",
                f"Some resources are remaining: {', '.join(some)}",
            )
        if self.finalizers:
            some = sorted(f"{name} in {count} resource instances" for name, count in self.finalizers.items())
            found["NamespaceFinalizersRemaining"] = (
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {', '.join(some)}",
            )
        return found

    def update(self, status: core.NamespaceStatus, now: str) -> core.NamespaceStatus:
        """The status that says so; times change only where a verdict does."""
        known = {one.type: one for one in status.conditions}
        trouble = self._trouble()
        for kind, fine in _OK.items():
            reason, message = trouble.get(kind, fine)
            new = core.NamespaceCondition(
                type=kind,
                status="True" if kind in trouble else "False",
                reason=reason,
                message=message,
                lastTransitionTime=now,
            )
            old = known.get(kind)
            if old is not None and old.status == new.status:
                new = structs.replace(new, lastTransitionTime=old.lastTransitionTime)
            known[kind] = new
        return structs.replace(status, conditions=(*known.values(),))
