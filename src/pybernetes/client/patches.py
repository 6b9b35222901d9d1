"""What to send to turn one state of an object into another.

Lists are replaced as a whole by a merge patch: where several writers share a list (conditions), send a strategic patch
with one's own elements instead.

Upstream: client-go's users of jsonpatch.CreateMergePatch. Pure.
"""

from typing import Any

import msgspec

from pybernetes.api.types import meta
from pybernetes.apimachinery.patch import merge

Value = msgspec.Struct | dict[str, Any]


def diff(old: Value, new: Value) -> dict[str, Any]:
    """The merge patch from old to new; empty if they encode to the same."""
    return merge.diff(_plain(old), _plain(new))


def status(old: Any, new: Value, *, resource_version: bool = False) -> dict[str, Any]:
    """The merge patch that gives the object `old` that status; empty if it has it.

    With `resource_version` the patch only holds for the very object that `old` is (`Conflict` otherwise).
    """
    before = old.get("status", {}) if isinstance(old, dict) else old.status
    changes = diff(before, new)
    if not changes:
        return {}
    patch: dict[str, Any] = {"status": changes}
    if resource_version:
        patch["metadata"] = {"resourceVersion": _version(old)}
    return patch


def _plain(value: Value) -> dict[str, Any]:
    return value if isinstance(value, dict) else meta.to_dict(value)  # type: ignore[arg-type]


def _version(obj: Any) -> str:
    version: str = obj["metadata"]["resourceVersion"] if isinstance(obj, dict) else obj.metadata.resourceVersion
    return version
