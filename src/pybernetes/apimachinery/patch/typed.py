"""Values together with their type: check, list fields, take fields out.

Upstream: structured-merge-diff typed. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from pybernetes.apimachinery import goformat
from pybernetes.apimachinery.patch import fieldset, typeschema, values

Set = fieldset.Set
Type = typeschema.Type


class _Missing:
    __slots__ = ()

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
#: What is left of a list or map all of whose elements were removed: null in Go, absent once it is an object again.
EMPTIED: Final = _Missing()


class TypedError(ValueError):
    """Values that do not fit their type, each with its path."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        lines = [f"{path}: {text}" if path else text for path, text in problems]
        super().__init__(lines[0] if len(lines) == 1 else "\n".join(["errors:", *(f"  {line}" for line in lines)]))


# Elements of associative lists


def element_of(lst: typeschema.List, item: Any) -> str:
    """The path element of a list item; ValueError if it cannot be told from others."""
    if not lst.keys:
        if isinstance(item, dict):
            raise ValueError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise ValueError("not supported: associative list with lists as elements")
        if item is None or item is EMPTIED:
            raise ValueError("associative list without keys has an element that's an explicit null")
        return fieldset.value(item)
    if item is None or item is EMPTIED:
        raise ValueError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise ValueError("associative list with keys may not have non-map elements")
    found: dict[str, Any] = {}
    for name in lst.keys:
        if name in item:
            found[name] = item[name]
            continue
        element = lst.element.map
        default = element.key_default(name) if element is not None else None
        if default is not None:
            found[name] = default
    if not found:
        quoted = " ".join(map(goformat.quote, lst.keys))
        raise ValueError(
            f"associative list with keys has an element that omits all key fields [{quoted}] "
            "(and doesn't have default values for any key fields)"
        )
    return fieldset.key(found)


# Check


def validate(kind: Type, value: Any, *, allow_duplicates: bool = False) -> None:
    """TypedError unless the value fits the type."""
    problems = list(_validate(kind, value, "", allow_duplicates))
    if problems:
        raise TypedError(problems)


def _validate(kind: Type, value: Any, path: str, allow_duplicates: bool) -> Iterator[tuple[str, str]]:
    mapping, scalar, lst = kind.narrow(value)
    if value is None:
        return
    if mapping is not None:
        if not isinstance(value, dict):
            yield path, f"expected map, got &{{{_go_value(value)}}}"
            return
        for name, item in value.items():
            inner = mapping.type_of(name)
            if inner is None:
                yield f"{path}.{name}", "field not declared in schema"
            else:
                yield from _validate(inner, item, f"{path}.{name}", allow_duplicates)
    elif scalar is not None:
        problem = scalar_problem(scalar, value)
        if problem:
            yield path, problem
    elif lst is not None:
        if not isinstance(value, list):
            yield path, f"expected list, got &{{{_go_value(value)}}}"
            return
        yield from _validate_items(lst, value, path, allow_duplicates)


def _validate_items(
    lst: typeschema.List, items: list[Any], path: str, allow_duplicates: bool
) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for position, item in enumerate(items):
        element = fieldset.index(position)
        if lst.associative:
            try:
                element = element_of(lst, item)
            except ValueError as error:
                yield path, f"element {position}: {error}"
                return
            if element in seen and not allow_duplicates:
                yield path, f"duplicate entries for key {fieldset.element_text(element)}"
            seen.add(element)
        yield from _validate(lst.element, item, path + fieldset.element_text(element), allow_duplicates)


def scalar_problem(scalar: str, value: Any) -> str:
    if value is None or value is MISSING or value is EMPTIED:
        return ""
    boolean = isinstance(value, bool)
    numeric = isinstance(value, int | float) and not boolean
    if scalar == typeschema.NUMERIC and not numeric:
        return f"expected numeric (int or float), got {values.kind(value)}"
    if scalar == typeschema.STRING and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    if scalar == typeschema.BOOLEAN and not boolean:
        return f"expected boolean, got &{{{_go_value(value)}}}"
    if scalar == typeschema.UNTYPED and isinstance(value, dict | list):
        return f"expected any scalar, got &{{{_go_value(value)}}}"
    return ""


def _go_value(value: Any) -> str:
    return goformat.value(value) if isinstance(value, float) else values.text(value)


def _go_syntax(value: Any) -> str:
    """%#v of a decoded JSON value."""
    if isinstance(value, str):
        return goformat.quote(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{goformat.quote(name)}:{_go_syntax(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    return goformat.value(value)


# List fields


def to_field_set(kind: Type, value: Any) -> Set:
    """The fields a value sets."""
    found = Set()
    _collect(kind, value, (), found.insert)
    return found


def _collect(kind: Type, value: Any, path: fieldset.Path, insert: Callable[[fieldset.Path], None]) -> None:
    mapping, scalar, lst = kind.narrow(value)
    if mapping is not None:
        if mapping.atomic:
            insert(path)
        elif isinstance(value, dict):
            for name, item in value.items():
                below = (*path, fieldset.field(name))
                inner = mapping.type_of(name)
                if inner is not None:
                    _collect(inner, item, below, insert)
                if item is None or item is EMPTIED or item == {} or name not in mapping.names:
                    insert(below)
    elif scalar is not None:
        insert(path)
    elif lst is not None:
        if not lst.associative:
            insert(path)
        elif isinstance(value, list):
            elements = [element_of(lst, item) for item in value]
            for element, item in zip(elements, value, strict=True):
                below = (*path, element)
                insert(below)
                if elements.count(element) == 1:
                    _collect(lst.element, item, below, insert)


# Take fields out


def remove_items(kind: Type, value: Any, unwanted: Set) -> Any:
    """The value without those fields; lists and maps that lose everything become EMPTIED."""
    mapping, scalar, lst = kind.narrow(value)
    if mapping is not None:
        if not isinstance(value, dict) or not value or mapping.atomic:
            return EMPTIED
        return _remove_members(mapping, value, unwanted)
    if scalar is not None:
        return value
    if lst is None or not isinstance(value, list) or not value or not lst.associative:
        return EMPTIED
    kept: list[Any] = []
    for item in value:
        element = element_of(lst, item)
        if element in unwanted.members:
            continue
        below = unwanted.below(element)
        kept.append(item if below.empty else remove_items(lst.element, item, below))
    return kept or EMPTIED


def _remove_members(mapping: typeschema.Map, value: dict[str, Any], unwanted: Set) -> Any:
    kept: dict[str, Any] = {}
    for name, item in value.items():
        element = fieldset.field(name)
        if element in unwanted.members:
            continue
        below = unwanted.below(element)
        inner = mapping.type_of(name)
        kept[name] = item if below.empty or inner is None else remove_items(inner, item, below)
    return kept or EMPTIED


def is_emptied(value: Any) -> bool:
    return value is EMPTIED


def settle(value: Any) -> Any:
    """A fresh copy as an object again: what was emptied is not there."""
    if isinstance(value, dict):
        return {name: settle(item) for name, item in value.items() if item is not EMPTIED}
    if isinstance(value, list):
        return [settle(item) for item in value if item is not EMPTIED]
    return {} if value is EMPTIED else value


# Follow the schema


def named_fields_as_members(kind: Type | None, fields: Set) -> Set:
    """The set with every declared field that has something below it."""
    mapping = kind.map if kind is not None else None
    lst = kind.list if kind is not None else None
    members = set(fields.members)
    children: dict[str, Set] = {}
    for element, below in fields.children.items():
        inner: Type | None = None
        if element.startswith("f:") and mapping is not None:
            if element[2:] in mapping.names:
                members.add(element)
            inner = mapping.type_of(element[2:])
        elif element.startswith("k:") and lst is not None:
            inner = lst.element
        children[element] = named_fields_as_members(inner, below)
    return Set(members, children)


def reconcile(kind: Type, fields: Set) -> Set:
    """The set after a change of schema: what is atomic now is owned as a whole."""
    remove, add = Set(), Set()
    _reconcile(kind, fields, (), False, (remove, add))
    return fields.recursive_difference(remove).union(add) if not remove.empty else fields


def _reconcile(kind: Type, fields: Set | None, path: fieldset.Path, whole: bool, changes: tuple[Set, Set]) -> None:
    """`whole`: the path is a member and nothing is below it."""
    mapping, lst = kind.map, kind.list
    if mapping is not None:
        if mapping.untyped:
            return
        if not whole and mapping.atomic:
            if fields is not None and not fields.empty:
                changes[0].insert(path)
                changes[1].insert(path)
            return
    elif lst is None or kind.scalar is not None:
        return
    elif not whole and not lst.associative:
        changes[0].insert(path)
        changes[1].insert(path)
        return
    if fields is None:
        return
    for element in fields.members | fields.children.keys():
        inner = lst.element if mapping is None and lst is not None else None
        if mapping is not None:
            inner = mapping.type_of(element[2:]) if element.startswith("f:") else mapping.element
        if inner is not None:
            below = fields.children.get(element)
            is_whole = element in fields.members and below is None
            _reconcile(inner, below, (*path, element), is_whole, changes)
