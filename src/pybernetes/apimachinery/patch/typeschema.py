"""What server-side apply must know of a type: which parts are atomic, which lists are sets or maps, by what keys.

Types are made from OpenAPI definitions as they are met and kept for the life of the `Types`.

Upstream: structured-merge-diff schema, kube-openapi/pkg/schemaconv. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Definition = Mapping[str, Any]

UNTYPED = "untyped"
NUMERIC = "numeric"
STRING = "string"
BOOLEAN = "boolean"

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"
#: The schema data has no defaults: this is the only one upstream declares on a key of lists; what Go always writes
#: defaults to its zero.
_KEY_DEFAULTS = {"protocol": "TCP"}
_ZERO = {"string": "", "integer": 0}
#: Members of zero Go values that are structs, not pointers, so that an object upstream never lacks them.
_ALWAYS_THERE = frozenset({"metadata", "spec", "status", "template", "jobTemplate", "strategy", "updateStrategy"})


class Type:
    """What a value may be: a scalar, a list, a map, or (untyped) any of them."""

    __slots__ = ("list", "map", "scalar")

    def __init__(self, scalar: str | None = None, lst: List | None = None, mapping: Map | None = None) -> None:
        self.scalar = scalar
        self.list = lst
        self.map = mapping

    def narrow(self, value: Any) -> tuple[Map | None, str | None, List | None]:
        """The parts that fit the value; all of them for a value that says nothing (null, or not there)."""
        if isinstance(value, dict):
            if self.map is not None:
                return self.map, None, None
        elif isinstance(value, list):
            if self.list is not None:
                return None, None, self.list
        elif self.scalar is not None and isinstance(value, str | int | float | bool):
            return None, self.scalar, None
        return self.map, self.scalar, self.list


class List:
    """Atomic, or associative: a set, or with keys a map."""

    __slots__ = ("_element", "_make", "associative", "keys")

    def __init__(self, make: Callable[[], Type], *, associative: bool = False, keys: tuple[str, ...] = ()) -> None:
        self._make = make
        self._element: Type | None = None
        self.associative = associative
        self.keys = keys

    @property
    def element(self) -> Type:
        if self._element is None:
            self._element = self._make()
        return self._element


class Map:
    """A struct with declared fields, a map of one type of values, or both; atomic or not."""

    __slots__ = ("_element", "_fields", "_make", "atomic", "names", "required", "untyped")

    def __init__(
        self,
        make: Callable[[str | None], Type | None],
        names: Mapping[str, Definition],
        *,
        atomic: bool = False,
        required: tuple[str, ...] = (),
        untyped: bool = False,
    ) -> None:
        self._make = make
        self.names = names
        self.atomic = atomic
        self.required = required
        self.untyped = untyped
        self._fields: dict[str, Type] = {}
        self._element: Type | None = None

    def field(self, name: str) -> Type | None:
        """The type of a declared field."""
        if name not in self.names:
            return None
        found = self._fields.get(name)
        if found is None:
            made = self._make(name)
            assert made is not None
            found = self._fields[name] = made
        return found

    @property
    def element(self) -> Type | None:
        """The type of what is not declared; None if nothing else may be there."""
        if self._element is None:
            self._element = self._make(None)
        return self._element

    def type_of(self, name: str) -> Type | None:
        return self.field(name) if name in self.names else self.element

    def key_default(self, name: str) -> Any:
        """The value a key of a list element has when it is left out."""
        declared = self.names.get(name)
        if declared is None:
            return None
        zero = _ZERO.get(declared.get("type") or "") if name in self.required else None
        return declared.get("default", _KEY_DEFAULTS.get(name, zero))

    def made_atomic(self, *, atomic: bool) -> Map:
        return Map(self._make, self.names, atomic=atomic, required=self.required, untyped=self.untyped)


def _make_untyped() -> Type:
    made = Type(UNTYPED)
    made.list = List(lambda: made)
    made.map = Map(lambda name: made, {}, atomic=True)
    return made


def _make_deduced() -> Type:
    made = Type(UNTYPED)
    made.list = List(lambda: UNTYPED_ATOMIC)
    made.map = Map(lambda name: made, {}, untyped=True)
    return made


#: Anything, replaced as a whole.
UNTYPED_ATOMIC = _make_untyped()
#: Anything, maps merged, lists replaced: what is assumed where there is no schema.
DEDUCED = _make_deduced()


class Types:
    """The types of a set of definitions. `resolve` gives the definition for the last part of a $ref."""

    __slots__ = ("_named", "_resolve")

    def __init__(self, resolve: Callable[[str], Definition]) -> None:
        self._resolve = resolve
        self._named: dict[str, Type] = {}

    def named(self, name: str) -> Type:
        found = self._named.get(name)
        if found is None:
            if name == _QUANTITY:
                found = Type(UNTYPED)
            elif name == _RAW_EXTENSION:
                found = UNTYPED_ATOMIC
            else:
                found = self.of(self._resolve(name))
            self._named[name] = found
        return found

    def of(self, definition: Definition, *, preserve: bool = False) -> Type:
        """The type of a definition given as it is; `preserve`: undeclared fields are allowed from here on."""
        preserve = preserve or definition.get("x-kubernetes-preserve-unknown-fields") is True
        kind = definition.get("type") or ""
        if isinstance(kind, list):  # JSON Schema's way to say nullable
            kind = next((each for each in kind if each != "null"), "")
        if kind == "object":
            return Type(None, None, self._map(definition, preserve))
        if kind == "array":
            return Type(None, self._list(definition, preserve))
        if kind:
            return Type(_scalar(kind, definition.get("format") or ""))
        return Type(UNTYPED, self._list(definition, preserve), self._map(definition, preserve))

    def _reference(self, definition: Definition, preserve: bool) -> Type:
        inner: list[Definition] = definition.get("allOf") or []
        reference = definition.get("$ref") or (inner[0].get("$ref") if len(inner) == 1 else None)
        if not reference:
            return self.of(definition, preserve=preserve)
        named = self.named(reference.rpartition("/")[2])
        relation = definition.get("x-kubernetes-map-type")
        if relation is None or named.map is None:
            return named
        return Type(named.scalar, named.list, named.map.made_atomic(atomic=relation == "atomic"))

    def _map(self, definition: Definition, preserve: bool) -> Map:
        properties = definition.get("properties") or {}
        additional = definition.get("additionalProperties")

        def make(name: str | None) -> Type | None:
            if name is not None:
                return self._reference(properties[name], preserve)
            if additional is None:
                return DEDUCED if preserve or not properties else None
            if isinstance(additional, dict):
                return self._reference(additional, preserve)
            return DEDUCED if additional else None

        return Map(
            make,
            properties,
            atomic=definition.get("x-kubernetes-map-type") == "atomic",
            required=tuple(definition.get("required") or ()),
            untyped=not properties and additional in (None, True),
        )

    def _list(self, definition: Definition, preserve: bool) -> List:
        items = definition.get("items")
        associative, keys = _relationship(definition)
        if items is None:
            return List(lambda: UNTYPED_ATOMIC, associative=associative, keys=keys)
        return List(lambda: self._reference(items, preserve), associative=associative, keys=keys)


def _relationship(definition: Definition) -> tuple[bool, tuple[str, ...]]:
    kind = definition.get("x-kubernetes-list-type")
    if kind == "map":
        return True, tuple(definition.get("x-kubernetes-list-map-keys") or ())
    if kind is not None:
        return kind == "set", ()
    if (definition.get("x-kubernetes-patch-strategy") or "").startswith("merge"):
        merge_key = definition.get("x-kubernetes-patch-merge-key")
        return True, (merge_key,) if merge_key else ()
    return False, ()


def _scalar(kind: str, form: str) -> str:
    if kind in {"integer", "number"}:
        return NUMERIC
    if kind == "boolean":
        return BOOLEAN
    if kind == "string" and form in {"", "byte"}:
        return STRING
    return UNTYPED


def skeleton(kind: Type) -> dict[str, Any]:
    """The part of a zero object that Go never leaves out, so that creating an object does not count as adding it."""
    empty: dict[str, Any] = {}
    if kind.map is None or kind.map.atomic:
        return empty
    for name in kind.map.names:
        inner = kind.map.field(name)
        if inner is None:
            continue
        if name in _ALWAYS_THERE and inner.map is not None and inner.map.names and not inner.map.atomic:
            empty[name] = skeleton(inner)
        elif name in kind.map.required:
            empty[name] = None
    return empty
