"""JSON values as the patch formats see them: copies, equality that keeps kinds apart, the patch errors.

Upstream: none of its own; Go's types do this there. Pure.
"""

from __future__ import annotations

from typing import Any


class PatchError(ValueError):
    """The patch cannot be read or applied. `code` is the HTTP status upstream gives it: 400, 422 or 500."""

    def __init__(self, message: str, code: int = 422) -> None:
        super().__init__(message)
        self.code = code


def copy(value: Any) -> Any:
    """A deep copy of JSON data."""
    if isinstance(value, dict):
        return {key: copy(item) if isinstance(item, dict | list) else item for key, item in value.items()}
    if isinstance(value, list):
        return [copy(item) if isinstance(item, dict | list) else item for item in value]
    return value


def equal(left: Any, right: Any) -> bool:
    """Equality that, unlike Python's, tells true from 1 and 1 from 1.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return len(left) == len(right) and all(key in right and equal(item, right[key]) for key, item in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def kind(value: Any) -> str:
    """What Go's reflection calls a decoded JSON value."""
    if value is None:
        return "nil"
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    return "float64" if isinstance(value, float) else "string"


def text(value: Any) -> str:
    """%v of a decoded JSON value: maps in key order, no quotes."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(text, value))}]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
