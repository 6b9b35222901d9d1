"""Strategic merge patch: a merge patch that knows which lists are merged and by what key.

Directives: `$patch: replace|delete|merge` in objects and list elements, `$deleteFromPrimitiveList/x`,
`$setElementOrder/x`, `$retainKeys`. What the schema says comes through a `Schema`; `OpenAPISchema` reads it from
definitions with x-kubernetes-patch-strategy and x-kubernetes-patch-merge-key.

Upstream: pkg/util/strategicpatch patch.go, meta.go (apimachinery). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from pybernetes.apimachinery import goformat
from pybernetes.apimachinery.patch import ordering, values

PatchError = values.PatchError

DIRECTIVE = "$patch"
REPLACE = "replace"
MERGE = "merge"
DELETE = "delete"
RETAIN_KEYS = "$retainKeys"
RETAIN_KEYS_STRATEGY = "retainKeys"
DELETE_FROM_PRIMITIVE_LIST = "$deleteFromPrimitiveList"
SET_ELEMENT_ORDER = "$setElementOrder"

BAD_PRIMITIVE_LIST = "invalid patch format of primitive list"
BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
BAD_ELEMENT_ORDER = "invalid patch format of setElementOrder list"


class Field(NamedTuple):
    """What the schema says of one member: how it is merged and the schema of its value or of its elements."""

    strategy: str
    merge_key: str
    schema: Schema
    retain_keys: bool = False


class Schema(Protocol):
    """The patch rules of one type."""

    @property
    def kind(self) -> str:
        """`struct` or `map`, for messages."""
        ...

    def lookup(self, key: str) -> Field:
        """The rules of one member; PatchError 500 if the type has no such member."""
        ...


class OpenAPISchema:
    """A Schema over one OpenAPI definition. `resolve` gives the definition for the last part of a $ref."""

    __slots__ = ("_definition", "_fields", "_name", "_resolve", "kind")

    def __init__(self, name: str, definition: Mapping[str, Any], resolve: Callable[[str], Mapping[str, Any]]) -> None:
        self._name = name.rpartition(".")[2]
        self.kind = "struct" if "properties" in definition else "map"
        self._definition = definition
        self._resolve = resolve
        self._fields: dict[str, Field] = {}

    def lookup(self, key: str) -> Field:
        field = self._fields.get(key)
        if field is None:
            field = self._fields[key] = self._make(key)
        return field

    def _make(self, key: str) -> Field:
        properties = self._definition.get("properties")
        if properties is None:
            raise PatchError("merging an object in json but data type is not struct, instead is: map", 500)
        prop = properties.get(key)
        if prop is None:
            quoted = goformat.quote(key)
            raise PatchError(f"unable to find api field in struct {self._name} for the json field {quoted}", 500)
        strategies = [each for each in (prop.get("x-kubernetes-patch-strategy") or "").split(",") if each]
        retain = RETAIN_KEYS_STRATEGY in strategies
        others = [each for each in strategies if each != RETAIN_KEYS_STRATEGY]
        if len(others) > 1:
            raise PatchError(f"unexpected patch strategy: {values.text(strategies)}", 500)
        items = prop.get("items")
        schema = self._schema_of(items if items is not None else prop)
        return Field(others[0] if others else "", prop.get("x-kubernetes-patch-merge-key") or "", schema, retain)

    def _schema_of(self, prop: Mapping[str, Any]) -> OpenAPISchema:
        inner = prop.get("allOf") or ()
        reference = prop.get("$ref") or (inner[0].get("$ref") if inner else None)
        if not reference:
            return OpenAPISchema("", prop, self._resolve)
        name = reference.rpartition("/")[2]
        return OpenAPISchema(name, self._resolve(name), self._resolve)


def apply(original: dict[str, Any], patch: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """The changed original; parts that stay the same are shared, and the patch is used up. PatchError if the patch is
    wrong or does not fit."""
    return merge_map(original, patch, schema)


def merge_map(
    original: dict[str, Any], patch: dict[str, Any], schema: Schema, *, combine: bool = False
) -> dict[str, Any]:
    """The original stays as it is, the patch is used up. With `combine` the original is itself a patch, and the result
    the patch that does what both do."""
    if DIRECTIVE in patch:
        return _directive(patch)
    original = {**original}
    _apply_retain_keys(original, patch, combine=combine)
    _merge_ordered_lists(original, patch, schema, combine=combine)
    for name, item in patch.items():
        key = name
        removal = name.startswith(DELETE_FROM_PRIMITIVE_LIST)
        if removal and combine:
            original[name] = item
            continue
        if removal:
            key = _extract_key(name, DELETE_FROM_PRIMITIVE_LIST, BAD_PRIMITIVE_LIST)
        if item is None:
            original.pop(key, None)
            if combine:
                original[key] = None
            continue
        existing = original.get(key)
        if key not in original or existing.__class__ is not item.__class__:
            if not removal:
                _set_or_drop(original, key, item if combine else _discard_nulls(item))
        elif isinstance(item, dict) and isinstance(existing, dict):
            field = schema.lookup(key)
            replaced = field.strategy == REPLACE
            original[key] = item if replaced else merge_map(existing, item, field.schema, combine=combine)
        elif isinstance(item, list) and isinstance(existing, list):
            field = schema.lookup(key)
            original[key] = _merge_list(existing, item, field, removal=removal, combine=combine)
        else:
            original[key] = item
    return original


def _directive(patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch.pop(DIRECTIVE)
    if directive == REPLACE:
        return patch
    if directive == DELETE:
        return {}
    patch[DIRECTIVE] = directive
    raise _bad_patch_type(directive, patch)


def _apply_retain_keys(original: dict[str, Any], patch: dict[str, Any], *, combine: bool) -> None:
    """Drop what the original has beyond the listed keys; the patch itself may set only those."""
    if RETAIN_KEYS not in patch:
        return
    retained = patch.pop(RETAIN_KEYS)
    if combine:
        before = original.setdefault(RETAIN_KEYS, retained)
        if not values.equal(before, retained):
            shown = f"{values.text(before)} and {values.text(retained)}"
            raise PatchError(f"{shown} are not deep equal: this may happen when calculating the 3-way diff patch", 500)
        return
    if not isinstance(retained, list):
        raise PatchError(BAD_RETAIN_KEYS, 400)
    for key, item in patch.items():
        if item is None or key.startswith((DELETE_FROM_PRIMITIVE_LIST, SET_ELEMENT_ORDER)):
            continue
        if key not in retained:
            raise PatchError(BAD_RETAIN_KEYS, 400)
    for key in [key for key in original if key not in retained]:
        del original[key]


def _merge_ordered_lists(original: dict[str, Any], patch: dict[str, Any], schema: Schema, *, combine: bool) -> None:
    """The lists whose order the patch gives; they are done here and taken out of the patch."""
    for name in [key for key in patch if key.startswith(SET_ELEMENT_ORDER)]:
        order = patch.pop(name)
        if combine and not values.equal(original.setdefault(name, values.copy(order)), order):
            raise PatchError(BAD_ELEMENT_ORDER, 400)
        if not isinstance(order, list):
            raise _bad_type(order)
        key = _extract_key(name, SET_ELEMENT_ORDER, BAD_ELEMENT_ORDER)
        existing = _list_member(original, key)
        wanted = _list_member(patch, key)
        field = schema.lookup(key)
        ordering.check_patch_order(wanted or [], order, field.merge_key)
        if existing is None and wanted is None:
            continue
        server_order = existing or []
        merge_key = field.merge_key if ordering.are_maps([*server_order, *(wanted or [])]) else ""
        if wanted is None:
            merged = server_order
        elif existing is None:
            merged = remove_directives(wanted)[0]
        else:
            if merge_key and field.strategy == MERGE:
                server_order = ordering.server_order(existing, wanted, merge_key)
            merged = _merge_list(existing, wanted, field, removal=False, combine=combine)
        in_patch, server_only = ordering.partition(merged, order, field.merge_key)
        original[key] = ordering.normalize(in_patch, server_only, order, server_order, merge_key)
        patch.pop(key, None)


def _list_member(container: dict[str, Any], key: str) -> list[Any] | None:
    if key not in container:
        return None
    member = container[key]
    if not isinstance(member, list):
        raise _bad_type(member)
    return member


def _merge_list(original: list[Any], patch: list[Any], field: Field, *, removal: bool, combine: bool) -> list[Any]:
    if field.strategy != MERGE and not removal:
        return patch
    if not original and not patch:
        return original
    merge_key = field.merge_key
    if not ordering.are_maps([*original, *patch]):
        if removal:
            return [item for item in original if not ordering.contains(patch, item)]
        merged = ordering.deduplicate([*original, *patch])
        merge_key = ""
    else:
        if not merge_key:
            raise PatchError(f"cannot merge lists without merge key for {field.schema.kind}", 500)
        original, patch = _apply_element_directives(original, patch, merge_key)
        merged, in_order = _merge_elements(original, patch, field, combine=combine)
        if in_order and not combine and ordering.are_distinct(merged, merge_key):
            return merged
    in_patch, server_only = ordering.partition(merged, patch, merge_key)
    return ordering.normalize(in_patch, server_only, patch, original, merge_key)


def _apply_element_directives(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Deletions are done at once; a replace directive anywhere makes the patch the whole list."""
    plain: list[Any] = []
    replace = False
    for element in patch:
        if DIRECTIVE not in element:
            plain.append(element)
            continue
        directive = element[DIRECTIVE]
        if directive == DELETE:
            wanted = ordering.merge_value(element, merge_key)
            original = [item for item in original if not _matches(item, merge_key, wanted)]
        elif directive == REPLACE:
            replace = True
        elif directive == MERGE:
            raise PatchError("merging lists cannot yet be specified in the patch", 500)
        else:
            raise _bad_patch_type(directive, element)
    return (plain, []) if replace else (original, plain)


def _merge_elements(original: list[Any], patch: list[Any], field: Field, *, combine: bool) -> tuple[list[Any], bool]:
    """The merged list, and whether the patch says nothing else of its order than it had."""
    merged = list(original)
    last, in_order = -1, True
    for element in patch:
        wanted = ordering.merge_value(element, field.merge_key)
        for position, existing in enumerate(merged):
            if _matches(existing, field.merge_key, wanted):
                merged[position] = merge_map(existing, element, field.schema, combine=combine)
                in_order = in_order and last < position
                last = position
                break
        else:
            merged.append(element)
            in_order = False
    return merged, in_order


def _matches(element: Any, merge_key: str, wanted: Any) -> bool:
    return merge_key in element and values.equal(element[merge_key], wanted)


def remove_directives(value: Any) -> tuple[Any, bool]:
    """What a patch says where there was nothing before; False if it only says to delete."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return None, False
        cleaned = ((key, remove_directives(item)) for key, item in value.items())
        return {key: item for key, (item, keep) in cleaned if keep}, True
    if isinstance(value, list):
        return [item for item, keep in map(remove_directives, value) if keep], True
    return value, True


def _set_or_drop(container: dict[str, Any], key: str, value: Any) -> None:
    cleaned, keep = remove_directives(value)
    if keep:
        container[key] = cleaned
    else:
        container.pop(key, None)


def _discard_nulls(value: Any) -> Any:
    """A null where nothing was removes nothing."""
    if isinstance(value, dict):
        return {key: _discard_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_discard_nulls(item) for item in value]
    return value


def _extract_key(name: str, prefix: str, otherwise: str) -> str:
    head, slash, key = name.partition("/")
    if not slash or head != prefix:
        raise PatchError(otherwise, 400)
    return key


def _bad_type(value: Any) -> PatchError:
    found = values.kind(value)
    return PatchError(f"expected a []interface {{}}, but received a {'%!s(<nil>)' if found == 'nil' else found}", 500)


def _bad_patch_type(directive: Any, container: dict[str, Any]) -> PatchError:
    return PatchError(f"unknown patch type: {values.text(directive)} in map: {values.text(container)}", 500)
