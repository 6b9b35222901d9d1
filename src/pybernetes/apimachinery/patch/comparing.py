"""What differs between two values of a type, field by field.

Upstream: structured-merge-diff typed/compare.go. Pure.
"""

from __future__ import annotations

from typing import Any

from pybernetes.apimachinery.patch import fieldset, typed, typeschema


class Comparison:
    """What differs between two values."""

    __slots__ = ("_written", "added", "modified", "removed")

    def __init__(self) -> None:
        self.removed = fieldset.Set()
        self.modified = fieldset.Set()
        self.added = fieldset.Set()
        self._written: fieldset.Set | None = None

    @property
    def written(self) -> fieldset.Set:
        """What was added or modified."""
        if self._written is None:
            self._written = self.modified.union(self.added)
        return self._written

    def without(self, ignored: fieldset.Set | None) -> Comparison:
        """The comparison less everything at and below the ignored paths."""
        if ignored is None or ignored.empty:
            return self
        rest = Comparison()
        rest.removed = self.removed.recursive_difference(ignored)
        rest.modified = self.modified.recursive_difference(ignored)
        rest.added = self.added.recursive_difference(ignored)
        return rest


def compare(kind: typeschema.Type, old: Any, new: Any) -> Comparison:
    comparison = Comparison()
    _Comparing(comparison).compare(kind, old, new, ())
    return comparison


class _Comparing:
    """Walks two values at once; a value that is not there is typed.MISSING."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison

    def compare(self, kind: typeschema.Type, old: Any, new: Any, path: fieldset.Path) -> None:
        if old is typed.MISSING:
            self._comparison.added.attach(path, everything(kind, new))
            return
        if new is typed.MISSING:
            self._comparison.removed.attach(path, everything(kind, old))
            return
        ours = kind.narrow(old)
        theirs = ours if old.__class__ is new.__class__ else kind.narrow(new)
        if ours != theirs:
            self._atom(ours, old, new, path)
        self._atom(theirs, old, new, path)

    def _atom(self, atom: tuple[Any, Any, Any], old: Any, new: Any, path: fieldset.Path) -> None:
        mapping, scalar, lst = atom
        if mapping is not None:
            before = old if isinstance(old, dict) else None
            after = new if isinstance(new, dict) else None
            if mapping.atomic or not (before or after):
                self._leaf(old, new, path)
            else:
                self._members(mapping, before or {}, after or {}, path)
        elif scalar is not None:
            self._leaf(old, new, path)
        elif lst is not None:
            first = old if isinstance(old, list) else None
            second = new if isinstance(new, list) else None
            if not lst.associative or not (first or second):
                self._leaf(old, new, path)
            else:
                self._items(lst, first or [], second or [], path)

    def _leaf(self, old: Any, new: Any, path: fieldset.Path) -> None:
        if not same(old, new):
            self._comparison.modified.insert(path)

    def _members(
        self, mapping: typeschema.Map, before: dict[str, Any], after: dict[str, Any], path: fieldset.Path
    ) -> None:
        pairs = [(name, before.get(name, typed.MISSING), new) for name, new in after.items()]
        pairs += [(name, old, typed.MISSING) for name, old in before.items() if name not in after]
        for name, old, new in pairs:
            # Most members of most objects are the same; nothing below them needs a look.
            if old is new or old == new:
                continue
            inner = mapping.type_of(name)
            if inner is not None:
                self.compare(inner, old, new, (*path, fieldset.field(name)))

    def _items(self, lst: typeschema.List, first: list[Any], second: list[Any], path: fieldset.Path) -> None:
        before, after = _group(lst, first), _group(lst, second)
        for element in (*before, *(each for each in after if each not in before)):
            olds, news = before.get(element, []), after.get(element, [])
            below = (*path, element)
            if olds == news:
                continue
            if len(olds) <= 1 and len(news) <= 1:
                self.compare(lst.element, olds[0] if olds else typed.MISSING, news[0] if news else typed.MISSING, below)
            elif len(olds) >= 2 and len(news) >= 2:
                if len(olds) != len(news) or not all(map(same, olds, news)):
                    self._comparison.modified.insert(below)
            elif len(olds) >= 2:
                if news:
                    self.compare(lst.element, typed.MISSING, news[0], below)
                self._comparison.removed.insert(below)
            else:
                if olds:
                    self.compare(lst.element, olds[0], typed.MISSING, below)
                self._comparison.added.insert(below)


def everything(kind: typeschema.Type, value: Any) -> fieldset.Set:
    """All that comes or goes below a value that comes or goes, the value itself not included."""
    mapping, scalar, lst = kind.narrow(value)
    members: set[str] = set()
    children: dict[str, fieldset.Set] = {}
    if mapping is not None:
        if isinstance(value, dict) and not mapping.atomic:
            for name, item in value.items():
                inner = mapping.type_of(name)
                if inner is None:
                    continue
                element = f"f:{name}"
                members.add(element)
                if item and isinstance(item, dict | list):
                    children[element] = everything(inner, item)
    elif scalar is None and lst is not None and lst.associative and isinstance(value, list):
        for element, items in _group(lst, value).items():
            members.add(element)
            if len(items) == 1 and isinstance(items[0], dict):
                children[element] = everything(lst.element, items[0])
    return fieldset.Set(members, {element: below for element, below in children.items() if below.members})


def _group(lst: typeschema.List, items: list[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(typed.element_of(lst, item), []).append(item)
    return groups


def same(left: Any, right: Any) -> bool:
    """Equality where 1 is 1.0 but true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and len(left) == len(right)
            and all(name in right and same(item, right[name]) for name, item in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
