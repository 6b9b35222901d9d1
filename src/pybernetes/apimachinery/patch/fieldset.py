"""Sets of field paths, as managedFields records them (FieldsV1).

A path element is its text on the wire: `f:name` a field, `k:{"name":"a"}` a list element by keys, `v:"x"` an element
of a set, `i:0` an index. A set may hold a path, and paths below it, independently of each other.

Upstream: structured-merge-diff fieldpath. Pure.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pybernetes.apimachinery import goformat

Element = str
Path = tuple[Element, ...]

_SELF = "."
_KNOWN = ("f:", "k:", "v:", "i:")


class FieldsError(ValueError):
    """A FieldsV1 that cannot be read."""


class Set:
    """Treat as immutable once built; operations give new sets and may share parts."""

    __slots__ = ("children", "members")

    def __init__(self, members: set[Element] | None = None, children: dict[Element, Set] | None = None) -> None:
        self.members: set[Element] = set() if members is None else members
        self.children: dict[Element, Set] = {} if children is None else children

    def insert(self, path: Path) -> None:
        """Only while building; the empty path stands for nothing."""
        node = self
        for element in path[:-1]:
            below = node.children.get(element)
            if below is None:
                below = node.children[element] = Set()
            node = below
        if path:
            node.members.add(path[-1])

    def attach(self, path: Path, below: Set) -> None:
        """Insert a path with all that is below it."""
        if not path:
            self.members |= below.members
            self.children.update(below.children)
            return
        node = self
        for element in path[:-1]:
            child = node.children.get(element)
            if child is None:
                child = node.children[element] = Set()
            node = child
        node.members.add(path[-1])
        if below.members or below.children:
            known = node.children.get(path[-1])
            node.children[path[-1]] = below if known is None else known.union(below)

    @property
    def empty(self) -> bool:
        return not self.members and all(child.empty for child in self.children.values())

    def has(self, path: Path) -> bool:
        node = self
        for element in path[:-1]:
            below = node.children.get(element)
            if below is None:
                return False
            node = below
        return bool(path) and path[-1] in node.members

    def touches(self, fields: Mapping[str, Any]) -> bool:
        """Whether any path of the set is in a FieldsV1 that we wrote; cheaper than to read it."""
        for element in self.members:
            inner = fields.get(element)
            if inner is not None and (not inner or _SELF in inner):
                return True
        for element, child in self.children.items():
            inner = fields.get(element)
            if inner and child.touches(inner):
                return True
        return False

    def below(self, element: Element) -> Set:
        return self.children.get(element, EMPTY)

    def union(self, other: Set) -> Set:
        children = {**self.children}
        for element, theirs in other.children.items():
            ours = children.get(element)
            children[element] = theirs if ours is None else ours.union(theirs)
        return Set(self.members | other.members, children)

    def intersection(self, other: Set) -> Set:
        children = {}
        for element, ours in self.children.items():
            theirs = other.children.get(element)
            common = ours.intersection(theirs) if theirs is not None else EMPTY
            if not common.empty:
                children[element] = common
        return Set(self.members & other.members, children)

    def difference(self, other: Set) -> Set:
        """Exactly those paths go; what is below them stays."""
        children = {}
        for element, ours in self.children.items():
            theirs = other.children.get(element)
            rest = ours if theirs is None else ours.difference(theirs)
            if theirs is None or not rest.empty:
                children[element] = rest
        return Set(self.members - other.members, children)

    def recursive_difference(self, other: Set) -> Set:
        """Those paths go, and all that is below them."""
        children = {}
        for element, ours in self.children.items():
            if element in other.members:
                continue
            theirs = other.children.get(element)
            rest = ours if theirs is None else ours.recursive_difference(theirs)
            if theirs is None or not rest.empty:
                children[element] = rest
        return Set(self.members - other.members, children)

    def paths(self, prefix: Path = ()) -> Iterator[Path]:
        """In upstream's order: members first, then what is below."""
        for element in sorted(self.members, key=_order):
            yield (*prefix, element)
        for element in sorted(self.children, key=_order):
            yield from self.children[element].paths((*prefix, element))

    def to_fields(self, *, is_member: bool = False) -> dict[str, Any]:
        """The FieldsV1 of the set."""
        fields: dict[str, Any] = {}
        if is_member and (self.members or self.children):
            fields[_SELF] = {}
        for element in sorted(self.members | self.children.keys(), key=_order):
            below = self.children.get(element)
            fields[element] = {} if below is None else below.to_fields(is_member=element in self.members)
        return fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Set) and self.members == other.members and self.children == other.children

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Set({', '.join(map(path_text, self.paths()))})"


EMPTY = Set()


# On a FieldsV1 that we wrote, without reading all of it


def subtract(fields: Mapping[str, Any], gone: Set) -> dict[str, Any]:
    """Less exactly those paths, as `Set.difference`."""
    rest = dict(fields)
    for element in gone.members | gone.children.keys():
        if element not in fields:
            continue
        member, below = _parts(fields[element])
        if element in gone.children:
            below = subtract(below, gone.children[element])
        _write(rest, element, below, is_member=member and element not in gone.members)
    return rest


def add(fields: Mapping[str, Any], new: Set) -> dict[str, Any]:
    """With those paths too, as `Set.union`."""
    both = dict(fields)
    for element in new.members | new.children.keys():
        member, below = _parts(fields[element]) if element in fields else (False, {})
        if element in new.children:
            below = add(below, new.children[element])
        _write(both, element, below, is_member=member or element in new.members)
    return both if len(both) == len(fields) else {element: both[element] for element in sorted(both, key=_order)}


def _parts(inner: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether the path itself belongs to the set, and what is below it."""
    if _SELF not in inner:
        return not inner, inner
    return True, {element: below for element, below in inner.items() if element != _SELF}


def _write(fields: dict[str, Any], element: Element, below: dict[str, Any], *, is_member: bool) -> None:
    if below or is_member:
        fields[element] = {_SELF: {}, **below} if below and is_member else below
    else:
        fields.pop(element, None)


def of(paths: Iterable[Path]) -> Set:
    found = Set()
    for path in paths:
        found.insert(path)
    return found


def from_fields(fields: Mapping[str, Any]) -> Set:
    """Read a FieldsV1; kinds of elements that are not known are left out."""
    if not isinstance(fields, dict):
        raise FieldsError("readObjectCB: expect { or n")
    return _read(fields)[0]


def _read(fields: Mapping[str, Any]) -> tuple[Set, bool]:
    """The set below a path and whether the path itself belongs to it: it does if it says so or nothing is below."""
    found = Set()
    is_member = _SELF in fields
    for text, inner in fields.items():
        if text == _SELF:
            continue
        if len(text) < 2:
            raise FieldsError("key must be 2 characters long:")
        if text[1] != ":":
            raise FieldsError(f"missing colon: {text}")
        if not text.startswith(_KNOWN):
            continue
        element = _canonical(text)
        below, member = _read(inner if isinstance(inner, dict) else {})
        if member:
            found.members.add(element)
        if below.members or below.children:
            found.children[element] = below
    return found, is_member or not (found.members or found.children)


# Elements


def field(name: str) -> Element:
    return f"f:{name}"


def key(values: Mapping[str, Any]) -> Element:
    """The keys of a list element, in the order of their names."""
    if len(values) == 1:
        ((name, item),) = values.items()
        if isinstance(item, str | int):
            return _single_key(name, item)
    return "k:" + goformat.to_json({name: values[name] for name in sorted(values)})


@functools.lru_cache(maxsize=8192, typed=True)
def _single_key(name: str, item: str | int) -> Element:
    return f"k:{goformat.to_json({name: item})}"


def value(item: Any) -> Element:
    return _string_value(item) if isinstance(item, str) else f"v:{goformat.to_json(item)}"


@functools.lru_cache(maxsize=8192)
def _string_value(item: str) -> Element:
    return f"v:{goformat.to_json(item)}"


def index(position: int) -> Element:
    return f"i:{position}"


@functools.lru_cache(maxsize=4096)
def _canonical(text: str) -> Element:
    """Keys and values as we write them, whoever wrote them."""
    kind, rest = text[:2], text[2:]
    try:
        if kind == "k:":
            decoded = json.loads(rest)
            if not isinstance(decoded, dict):
                raise FieldsError(f"parsing key as path element: {text}")
            return key(decoded)
        if kind == "v:":
            return value(json.loads(rest))
        if kind == "i:":
            return index(int(rest))
    except ValueError as error:
        raise FieldsError(f"parsing key as path element: {error}") from None
    return text


@functools.lru_cache(maxsize=4096)
def _order(element: Element) -> tuple[Any, ...]:
    """Fields, then keys, then values, then indices; within them upstream's order of values."""
    kind, rest = element[:2], element[2:]
    if kind == "f:":
        return (0, rest)
    if kind == "k:":
        return (1, tuple((name, _value_order(item)) for name, item in json.loads(rest).items()))
    if kind == "v:":
        return (2, _value_order(json.loads(rest)))
    return (3, int(rest))


def _value_order(item: Any) -> tuple[Any, ...]:
    if isinstance(item, bool):
        return (3, item)
    if isinstance(item, int | float):
        return (1, item)
    if isinstance(item, str):
        return (2, item)
    if isinstance(item, list):
        return (4, tuple(map(_value_order, item)))
    if isinstance(item, dict):
        return (5, tuple((name, _value_order(item[name])) for name in sorted(item)))
    return (6,)


def element_text(element: Element) -> str:
    """As error messages show it: `.name`, `[name="a"]`, `[="x"]`, `[0]`."""
    kind, rest = element[:2], element[2:]
    if kind == "f:":
        return f".{rest}"
    if kind == "k:":
        shown = ",".join(f"{name}={_value_text(item)}" for name, item in json.loads(rest).items())
        return f"[{shown}]"
    if kind == "v:":
        return f"[={_value_text(json.loads(rest))}]"
    return f"[{rest}]"


def path_text(path: Path) -> str:
    return "".join(map(element_text, path))


def _value_text(item: Any) -> str:
    if item is None:
        return "null"
    if isinstance(item, str):
        return goformat.quote(item)
    if isinstance(item, list):
        return f"[{','.join(map(_value_text, item))}]"
    if isinstance(item, dict):
        return "".join(f"{name}={_value_text(inner)}" for name, inner in item.items())
    return goformat.value(item)
