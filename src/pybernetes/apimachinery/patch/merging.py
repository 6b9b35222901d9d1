"""A configured value on top of a live one, by the rules of their type.

Upstream: structured-merge-diff typed/merge.go. Pure.
"""

from __future__ import annotations

from typing import Any

from pybernetes.apimachinery.patch import fieldset, typed, typeschema


def merge(kind: typeschema.Type, live: Any, config: Any) -> Any:
    """The live value with the configured one on top; lists of the latter keep its order."""
    merged = _merge(kind, live, config)
    return {} if merged is typed.MISSING else merged


def _merge(kind: typeschema.Type, live: Any, config: Any) -> Any:
    """MISSING where nothing comes out."""
    mapping, scalar, lst = kind.narrow(live if config is typed.MISSING else config)
    if mapping is not None:
        before = live if isinstance(live, dict) else None
        after = config if isinstance(config, dict) else None
        if mapping.atomic or not (before or after):
            return _right(live, config)
        return _merge_members(mapping, before or {}, after or {})
    if scalar is not None:
        problems = [typed.scalar_problem(scalar, live), typed.scalar_problem(scalar, config)]
        if all(problems):
            raise typed.TypedError([("", f"lhs: {problems[0]}"), ("", f"rhs: {problems[1]}")])
        return _right(live, config)
    if lst is not None:
        first = live if isinstance(live, list) else None
        second = config if isinstance(config, list) else None
        if not lst.associative or not (first or second):
            return _right(live, config)
        return _merge_items(lst, first or [], second or [])
    return typed.MISSING


def _right(live: Any, config: Any) -> Any:
    return live if config is typed.MISSING else config


def _merge_members(mapping: typeschema.Map, before: dict[str, Any], after: dict[str, Any]) -> Any:
    out: dict[str, Any] = {}
    for name in (*before, *(name for name in after if name not in before)):
        inner = mapping.type_of(name)
        if inner is None:
            merged = _right(before.get(name, typed.MISSING), after.get(name, typed.MISSING))
        else:
            merged = _merge(inner, before.get(name, typed.MISSING), after.get(name, typed.MISSING))
        if merged is not typed.MISSING:
            out[name] = merged
    return out or typed.MISSING


def _merge_items(lst: typeschema.List, first: list[Any], second: list[Any]) -> Any:
    """Walk both lists; items that both have come in the configured order, others next to where they were."""
    left, left_items = _indexed(lst, first, allow_duplicates=True)
    right, right_items = _indexed(lst, second, allow_duplicates=False)
    shared = iter([element for element in right if element in left_items])
    next_shared = next(shared, None)
    out: list[Any] = []
    merged: set[str] = set()

    def take(element: str, live: Any, config: Any) -> None:
        item = _merge(lst.element, live, config)
        if item is not typed.MISSING:
            out.append(item)

    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            element = left[i]
            if element == right[j]:
                merged.add(element)
                take(element, left_items[element], right_items[element])
                i, j = i + 1, j + 1
                next_shared = next(shared, None)
                continue
            if element in right_items and next_shared is not None and next_shared != element:
                # An item that both have, but not the next in the configured order: its turn comes on the right.
                i += 1
                continue
        if i < len(left):
            element = left[i]
            if element not in right_items:
                take(element, first[i], typed.MISSING)
                i += 1
                continue
            if element in merged:
                i += 1
        if j < len(right):
            element = right[j]
            merged.add(element)
            take(element, left_items.get(element, typed.MISSING), right_items[element])
            j += 1
            if next_shared == element:
                next_shared = next(shared, None)
    return out or typed.MISSING


def _indexed(lst: typeschema.List, items: list[Any], *, allow_duplicates: bool) -> tuple[list[str], dict[str, Any]]:
    elements: list[str] = []
    found: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for position, item in enumerate(items):
        try:
            element = typed.element_of(lst, item)
        except ValueError as error:
            problems.append(("", f"element {position}: {error}"))
            continue
        if element in found and not allow_duplicates:
            problems.append(("", f"duplicate entries for key {fieldset.element_text(element)}"))
            continue
        # Of repeated items none is merged: which one would be meant?
        found[element] = None if element in found else item
        elements.append(element)
    if problems:
        raise typed.TypedError(problems)
    return elements, found
