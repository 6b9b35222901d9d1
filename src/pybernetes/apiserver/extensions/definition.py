"""CustomResourceDefinitions as objects: stored versions are kept, a deletion first takes the custom resources.

Upstream: apiextensions-apiserver pkg/registry/customresourcedefinition.
"""

from typing import Any

from pybernetes.apimachinery import fieldpath, meta, timestamps
from pybernetes.apiserver.extensions import definition_rules
from pybernetes.apiserver.registry import strategy

Object = dict[str, Any]

GROUP, PLURAL = "apiextensions.k8s.io", "customresourcedefinitions"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


class DefinitionStrategy(strategy.Strategy):
    """See the module."""

    allow_unconditional_update = False

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """The server says what is accepted; so far only in which version objects will be stored."""
        new["status"] = {"conditions": None, "storedVersions": None}
        _store_version(new)

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """A new storage version joins those that objects may have been stored in."""
        if context.subresource != "status":
            _store_version(new)

    def validate(self, context: strategy.Context, new: Object) -> fieldpath.ErrorList:
        """A new definition."""
        return definition_rules.definition(new)

    def validate_update(self, context: strategy.Context, new: Object, old: Object) -> fieldpath.ErrorList:
        """A change of a definition."""
        if context.subresource == "status":
            return definition_rules.status(new)
        return definition_rules.definition(new, old)

    def warnings(self, context: strategy.Context, new: Object, old: Object | None) -> None:
        """What is new and will not do what it may seem to."""
        if context.subresource != "status":
            known = definition_rules.warnings(old) if old else ()
            context.warnings += (text for text in definition_rules.warnings(new) if text not in known)

    def check_graceful_delete(self, context: strategy.Context, old: Object, grace_period: int | None) -> int | None:
        """Custom resources go before their definition: until then a finalizer holds it."""
        meta.add_finalizer(old, CLEANUP)
        text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        now = timestamps.format_time(context.clock.now())
        set_condition(old, condition("Terminating", "True", "InstanceDeletionPending", text), now)
        return None


def _store_version(obj: Object) -> None:
    stored = obj.setdefault("status", {}).get("storedVersions") or []
    for version in obj["spec"].get("versions") or ():
        if version.get("storage"):
            if version["name"] not in stored:
                # The list may be the old object's.
                obj["status"] = {**obj["status"], "storedVersions": [*stored, version["name"]]}
            return


def condition(kind: str, status: str, reason: str, message: str) -> Object:
    """A condition without its time."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def set_condition(obj: Object, new: Object, now: str) -> None:
    """Put a condition into a definition's status."""
    status = obj.setdefault("status", {})
    status["conditions"] = status.get("conditions") or []
    meta.set_condition(status["conditions"], new, now)
