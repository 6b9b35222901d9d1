"""What a strict reader says of a JSON body that names fields twice, in the order of the body. Slow and rare.

structure.py finds unknown fields; but it sees dicts, and a dict has already forgotten that a field came twice.
Upstream: sigs.k8s.io/json kubernetes_patch.go. Pure.
"""

from typing import Any

from pybernetes.api.codec import json, plans, structure, table
from pybernetes.apimachinery import goformat


def errors(body: bytes, api_version: str, kind: str) -> list[str]:
    """Unknown and repeated fields. Of a kind that is not built in, only the repeated ones."""
    found: dict[str, None] = {}
    name = table.find(api_version, kind)
    plan = None if name is None else plans.plan_of(name)
    _walk(json.pairs(body), "", plan, name is None, found)
    return list(found)[: structure.MAX_STRICT_ERRORS]


def _walk(value: Any, path: str, plan: plans.Plan | None, free: bool, found: dict[str, None]) -> None:
    """`plan` tells the fields of an object; without one, `free` objects may have any fields, but each once."""
    if isinstance(value, json.Pairs):
        seen = set()
        for name, member in value:
            place = f"{path}.{name}" if path else name
            entry = plan.fields[name][4] if plan is not None and name in plan.fields else None
            if entry is None and plan is not None:
                found[f"unknown field {goformat.quote(place)}"] = None
                continue
            if name in seen:
                found[f"duplicate field {goformat.quote(place)}"] = None
            seen.add(name)
            if entry is not None:
                _walk_field(member, place, entry, found)
            elif free:
                _walk(member, place, None, True, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _walk(item, f"{path}[{index}]", plan, free, found)


def _walk_field(value: Any, path: str, entry: plans.Entry, found: dict[str, None]) -> None:
    """Types that read themselves (times, schemas inside schemas, anything raw) are not read strictly."""
    if entry.operation == plans.MESSAGE:
        _walk(value, path, _plan(entry), False, found)
    elif entry.operation == plans.LIST and entry.element is not None and isinstance(value, list):
        for index, item in enumerate(value):
            _walk_field(item, f"{path}[{index}]", entry.element, found)
    elif entry.operation in (plans.MAP, plans.STRING_MAP) and isinstance(value, json.Pairs):
        seen = set()
        for key, item in value:
            place = f"{path}.{key}"
            if key in seen:
                found[f"duplicate field {goformat.quote(place)}"] = None
            seen.add(key)
            if entry.element is not None:
                _walk_field(item, place, entry.element, found)


def _plan(entry: plans.Entry) -> plans.Plan:
    argument = entry.argument
    return argument if isinstance(argument, plans.Plan) else plans.plan_of(argument)
