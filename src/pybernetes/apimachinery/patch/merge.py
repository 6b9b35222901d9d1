"""JSON merge patch (RFC 7386): apply one, or make the one that leads from one object to another.

Upstream: gopkg.in/evanphx/json-patch.v4 merge.go. Pure.
"""

from __future__ import annotations

from typing import Any

from pybernetes.apimachinery.patch import values

PatchError = values.PatchError


def apply(document: Any, patch: Any) -> Any:
    """The document with the patch merged in: null removes, lists and scalars replace, objects merge."""
    if not isinstance(patch, dict | list):
        raise PatchError("Invalid JSON Patch", 400)
    if document is None:
        raise PatchError("Invalid JSON Document", 500)
    if isinstance(patch, list):
        return _without_nulls(patch)
    return _merge(document, patch)


def _merge(current: Any, patch: Any) -> Any:
    if not isinstance(current, dict):
        return _without_nulls(patch)
    if not isinstance(patch, dict):
        return values.copy(patch)
    merged = {key: values.copy(item) for key, item in current.items() if key not in patch}
    for key, item in patch.items():
        if item is None:
            continue
        existing = current.get(key)
        merged[key] = _without_nulls(item) if existing is None else _merge(existing, item)
    # Members keep the order they had; new ones follow.
    return {key: merged[key] for key in [*current, *(key for key in patch if key not in current)] if key in merged}


def _without_nulls(value: Any) -> Any:
    """Null members go, null elements of lists stay."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def diff(original: dict[str, Any], modified: dict[str, Any]) -> dict[str, Any]:
    """The merge patch that turns original into modified; empty if they are equal."""
    patch: dict[str, Any] = {}
    for key, wanted in modified.items():
        if key not in original:
            patch[key] = values.copy(wanted)
            continue
        existing = original[key]
        if isinstance(existing, dict) and isinstance(wanted, dict):
            inner = diff(existing, wanted)
            if inner:
                patch[key] = inner
        elif not values.equal(existing, wanted):
            patch[key] = values.copy(wanted)
    for key in original:
        if key not in modified:
            patch[key] = None
    return patch
