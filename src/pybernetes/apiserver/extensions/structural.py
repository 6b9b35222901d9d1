"""What a structural schema makes of an object: unknown members go, defaults come, lists have keys once.

Schemas are the plain dicts of `openAPIV3Schema`. Pure.
Upstream: apiextensions-apiserver pkg/apiserver/schema/{pruning,defaulting,objectmeta,listtype}.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pybernetes.api.codec import failure, structure
from pybernetes.api.openapi import custom
from pybernetes.apimachinery import fieldpath, goformat, gvk, names
from pybernetes.apimachinery.patch import values
from pybernetes.apiserver.registry import metadata

Object = dict[str, Any]
Schema = Mapping[str, Any]

_MOST_PLAIN = 1e15
"""Up to here Go writes a whole number without a point or exponent."""
TYPE_AND_METADATA = frozenset({"apiVersion", "kind", "metadata"})
NOTHING: Schema = {}
NO_STRING = "must be a string"


def read(obj: Object, schema: Schema) -> list[str]:
    """Hold a whole object to its schema; the result names what was unknown and is gone, in order.

    Raises DecodeError for objects inside the object that are none.
    """
    unknown: list[str] = []
    _prune(obj, {**schema, custom.EMBEDDED: True}, "", unknown)
    drop_nulls(obj, schema)
    _clean_embedded(obj, schema, "", unknown)
    default(obj, schema)
    return sorted(unknown)


def prune(value: Any, schema: Schema) -> Any:
    """A copy without what the schema does not know."""
    value = values.copy(value)
    _prune(value, schema, "", [])
    return value


def _prune(value: Any, schema: Schema | None, path: str, unknown: list[str]) -> None:
    keep = schema is not None and bool(schema.get(custom.PRESERVE))
    schema = NOTHING if schema is None else schema
    if isinstance(value, list):
        items = schema.get("items")
        for index, item in enumerate(value):
            if not keep:
                _prune(item, items, f"{path}[{index}]", unknown)
            elif items is not None:
                # Below what keeps everything, items keep everything that they do not describe.
                _prune(item, {**items, custom.PRESERVE: True}, f"{path}[{index}]", unknown)
    if not isinstance(value, dict):
        return
    properties, additional = schema.get("properties") or NOTHING, schema.get("additionalProperties")
    embedded = schema.get(custom.EMBEDDED)
    for name in tuple(value):
        if embedded and name in TYPE_AND_METADATA:
            continue
        place = f"{path}.{name}" if path else name
        if name in properties:
            _prune(value[name], properties[name], place, unknown)
        elif additional is not None and additional is not False:
            _prune(value[name], additional if isinstance(additional, Mapping) else None, place, unknown)
        elif not keep:
            unknown.append(place)
            del value[name]


def _children(value: Any, schema: Schema) -> Iterator[tuple[Any, str, Any, Schema]]:
    """Each described member or item: its key, how a path shows it, its value and its schema."""
    if isinstance(value, list):
        items = schema.get("items")
        if items is not None:
            yield from ((index, f"[{index}]", item, items) for index, item in enumerate(value))
    elif isinstance(value, dict):
        properties, additional = schema.get("properties") or NOTHING, schema.get("additionalProperties")
        for name in tuple(value):
            if name in properties:
                yield name, f".{name}", value[name], properties[name]
            elif isinstance(additional, Mapping):
                yield name, f"[{name}]", value[name], additional


def drop_nulls(value: Any, schema: Schema) -> None:
    """A null that is neither allowed nor has a default is as if it were not there."""
    for key, _, child, below in _children(value, schema):
        if child is None and isinstance(value, dict) and not below.get("nullable") and below.get("default") is None:
            del value[key]
        else:
            drop_nulls(child, below)


def default(value: Any, schema: Schema) -> None:
    """Fill in defaults, also below what they bring; whole numbers are integers, as Go writes them."""
    if isinstance(value, dict):
        for name, below in (schema.get("properties") or NOTHING).items():
            given = below.get("default")
            if given is not None and (name not in value or (value[name] is None and not below.get("nullable"))):
                value[name] = values.copy(given)
    for key, _, child, below in _children(value, schema):
        if child is None and not below.get("nullable"):
            child = value[key] = values.copy(below.get("default"))
        elif isinstance(child, float) and child.is_integer() and abs(child) < _MOST_PLAIN:
            value[key] = int(child)
        default(child, below)


def _clean_embedded(value: Any, schema: Schema, path: str, unknown: list[str]) -> None:
    """Metadata of objects inside the object have the type of all metadata."""
    for _, shown, child, below in _children(value, schema):
        prefix = f"{path}{shown}".lstrip(".")
        if below.get(custom.EMBEDDED) and isinstance(child, dict):
            for name in ("apiVersion", "kind"):
                if not isinstance(child.get(name, ""), str):
                    raise failure.DecodeError(str(fieldpath.invalid(f"{prefix}.{name}", child[name], NO_STRING)))
            facts = child.get("metadata", {})
            if not isinstance(facts, dict):
                raise failure.DecodeError(str(fieldpath.invalid(f"{prefix}.metadata", facts, "must be an object")))
            found = structure.conform_metadata(facts)
            unknown += (f"{prefix}.{text.removeprefix('unknown field ').strip(chr(34))}" for text in found)
        _clean_embedded(child, below, path + shown, unknown)


def every(schema: Any, path: str) -> Iterator[tuple[str, Schema]]:
    """The schema and all below it, each with its path."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for name in ("items", "additionalProperties", "not", "additionalItems"):
        yield from every(schema.get(name), f"{path}.{name}")
    for name in ("allOf", "oneOf", "anyOf"):
        for index, one in enumerate(schema.get(name) or ()):
            yield from every(one, f"{path}.{name}[{index}]")
    for name in ("properties", "patternProperties", "definitions", "dependencies"):
        for key, one in (schema.get(name) or NOTHING).items():
            yield from every(one, f"{path}.{name}[{key}]")


# --- what a schema asks beside types and values


def lists(found: fieldpath.ErrorList, value: Any, schema: Schema, path: str = "") -> None:
    """Sets have each item, maps each key once."""
    if isinstance(value, list):
        kind = schema.get("x-kubernetes-list-type")
        if kind == "set":
            found += (fieldpath.duplicate(f"{path}[{at}]", value[at]) for at in _repeated(value))
        elif kind == "map":
            _list_map(found, value, schema.get("x-kubernetes-list-map-keys") or [], path)
    for _, shown, child, below in _children(value, schema):
        lists(found, child, below, f"{path}{shown}".lstrip("."))


def _list_map(found: fieldpath.ErrorList, items: list[Any], names_of_keys: list[str], path: str) -> None:
    for index, item in enumerate(items):
        if item is not None and not isinstance(item, dict):
            text = "must be an object for an array of list-type map"
            found.append(fieldpath.invalid(f"{path}[{index}]", item, text))
            return
    keys = [{name: item[name] for name in names_of_keys if name in item} if item else {} for item in items]
    found += (fieldpath.duplicate(f"{path}[{at}]", keys[at]) for at in _repeated(keys))


def _repeated(items: list[Any]) -> list[int]:
    """Where an item comes for the second time."""
    seen: dict[str, int] = {}
    repeated = []
    for index, item in enumerate(items):
        text = goformat.to_sorted_json(item)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            repeated.append(index)
    return repeated


def embedded(found: fieldpath.ErrorList, value: Any, schema: Schema, path: str = "") -> None:
    """Objects inside the object say what they are, and have sound metadata."""
    if schema.get(custom.EMBEDDED) and isinstance(value, dict):
        _embedded(found, value, path)
    for _, shown, child, below in _children(value, schema):
        embedded(found, child, below, f"{path}{shown}".lstrip("."))


def _embedded(found: fieldpath.ErrorList, value: Object, path: str) -> None:
    found += (fieldpath.required(f"{path}.{name}") for name in ("apiVersion", "kind") if name not in value)
    for name in ("apiVersion", "kind"):
        given, place = value.get(name, "-"), f"{path}.{name}"
        if not isinstance(given, str):
            found.append(fieldpath.invalid(place, given, NO_STRING))
        elif not given:
            found.append(fieldpath.invalid(place, given, "must not be empty"))
        elif name == "apiVersion" and name in value:
            try:
                gvk.parse_api_version(given)
            except ValueError as error:
                found.append(fieldpath.invalid(place, given, str(error)))
        elif name in value and (wrong := names.is_dns1035_label(given.lower())):
            text = "may have mixed case, but should otherwise match: " + ",".join(wrong)
            found.append(fieldpath.invalid(place, given, text))
    facts = value.get("metadata")
    if isinstance(facts, dict):
        facts = {**facts, "name": facts.get("name") or "fakename"}
        namespaced = bool(facts.get("namespace"))
        for one in metadata.validate(facts, namespaced=namespaced, check=names.is_path_segment_name):
            found.append(fieldpath.FieldError(one.type, f"{path}.{one.field}", one.bad_value, one.detail))
