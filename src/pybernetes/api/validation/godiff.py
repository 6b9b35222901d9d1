"""How two states of a pod spec or claim differ, printed as upstream prints its own Go structs.

Messages about forbidden changes carry a unified difference of two JSON texts in which every member appears under its
Go name. Which members a struct has is data: `internal_structs.txt`, made by `scripts/internal_structs.py`.

Upstream: k8s.io/apimachinery/pkg/util/diff, equality.Semantic. Pure.
"""

import difflib
import functools
import importlib.resources
import json
from typing import Any

from pybernetes.api.validation import formats
from pybernetes.apimachinery import quantity

ZEROS = {"string": "", "bool": False, "int32": 0, "int64": 0, "types.UID": "", "intstr.IntOrString": 0}
Member = tuple[str, str, str]


@functools.cache
def _structs() -> dict[str, tuple[Member, ...]]:
    text = importlib.resources.files(__package__).joinpath("internal_structs.txt").read_text()
    found = {}
    for line in text.splitlines():
        name, *members = line.split()
        found[name] = tuple((go, key, kind) for go, key, kind in (member.split(":", 2) for member in members))
    return found


def struct(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The struct of that type, all members present, in Go's order and under Go's names."""
    result: dict[str, Any] = {}
    for go, key, kind in _structs()[name]:
        if go:
            result[go] = _value(kind, given.get(key))
        elif kind.startswith("metav1."):
            # Metadata has JSON names of its own and leaves out what is empty.
            result.update(_sparse(given.get("metadata") or {}))
        else:
            result.update(struct(kind, given))
    return result


def _value(kind: str, given: Any) -> Any:
    if kind.startswith("*"):
        return None if given is None else _value(kind[1:], given)
    if kind.startswith("[]"):
        return [_value(kind[2:], one) for one in given] if given else None
    if kind.startswith("map["):
        inner = kind.partition("]")[2]
        return {name: _value(inner, given[name]) for name in sorted(given)} if given else None
    if kind == "resource.Quantity":
        return formats.amount(given or "0")
    if kind in _structs():
        return struct(kind, given or {})
    if given is None:
        return ZEROS.get(kind, {})
    return _sparse(given) if isinstance(given, dict) else given


def _sparse(given: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in given.items() if value not in (None, "", [], {})}
    for name in ("labels", "annotations", "matchLabels"):
        if name in kept:
            kept[name] = dict(sorted(kept[name].items()))
    return kept


def equal(name: str, first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two structs of that type are the same to Go."""
    return first == second or struct(name, first) == struct(name, second)


def diff(name: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    """The difference of two structs of that type."""
    return "".join(list(difflib.unified_diff(_lines(name, old), _lines(name, new), n=3))[2:])


def _lines(name: str, value: dict[str, Any]) -> list[str]:
    return [line + "\n" for line in _dump(struct(name, value)).split("\n")]


def _dump(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, quantity.Quantity):
        return str(value)
    raise TypeError(type(value).__name__)


def shown(name: str, given: dict[str, Any]) -> Any:
    """A struct as a bad value."""
    return json.loads(_dump(struct(name, given)))
