"""What the schema of a version must be: the part of OpenAPI that upstream takes, structural, with sound defaults. Pure.

Rules in CEL are not evaluated here, and so a schema with any is refused: nobody shall believe that they hold.
Upstream: apiextensions-apiserver pkg/apis/apiextensions/validation, pkg/apiserver/schema/defaulting.
"""

from collections.abc import Mapping
from typing import Any

from pybernetes.api.openapi import custom
from pybernetes.apimachinery import fieldpath
from pybernetes.apiserver.extensions import structural, structural_rules, validator

Schema = Mapping[str, Any]
Errors = fieldpath.ErrorList

CEL = "x-kubernetes-validations"
CEL_TEXT = "rules in CEL are not supported by this server"
TYPES = ("array", "boolean", "integer", "number", "object", "string")
_ROOT_FIELDS = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations"
)
_AT_ROOT = {name[0].lower() + name[1:] for name in _ROOT_FIELDS.split()} | {custom.PRESERVE, CEL}
_NOT_SUPPORTED = {
    "id": "id is not supported",
    "additionalItems": "additionalItems is not supported",
    "patternProperties": "patternProperties is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "$ref": "$ref is not supported",
}


def check(found: Errors, schema: Schema, path: str, *, with_status: bool) -> None:
    """Everything wrong with a version's schema; `with_status`: the version has a status subresource."""
    before = len(found)
    if with_status:
        _root(found, schema, path)
    if schema.get("nullable"):
        found.append(fieldpath.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    if not any(_unsupported(one) for _, one in structural.every(schema, path)):
        wrong = structural_rules.check(schema, path)
        found += wrong
        if not wrong:
            _defaults(found, schema, path)
    _openapi(found, schema, path, _Place(root=True))
    if len(found) == before:
        for where, one in structural.every(schema, path):
            if one.get(CEL):
                found.append(fieldpath.forbidden(f"{where}.{CEL}", CEL_TEXT))


def _unsupported(schema: Schema) -> bool:
    return isinstance(schema.get("items"), list) or any(schema.get(name) for name in _NOT_SUPPORTED)


def _root(found: Errors, schema: Schema, path: str) -> None:
    for name, value in schema.items():
        if value in (None, "", False, [], {}):
            continue
        if name == "type" and value != "object":
            text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            found.append(fieldpath.invalid(f"{path}.type", value, text))
            return
        if name not in _AT_ROOT:
            text = f"only [{_ROOT_FIELDS}] fields are allowed at the root of the schema if the status subresource is"
            found.append(fieldpath.invalid(path, dict(schema), f"{text} enabled"))
            return


def _defaults(found: Errors, schema: Schema, path: str) -> None:
    """A default has no unknown members, and is itself valid."""
    for where, one in structural.every(schema, path):
        given = one.get("default")
        if given is None:
            continue
        place = f"{where}.default"
        if structural.prune(given, one) != given:
            found.append(fieldpath.invalid(place, given, "must not have unknown fields"))
        wrong: Errors = []
        structural.embedded(wrong, given, one, place)
        found += wrong or validator.validate(given, one, prefix=place)


class _Place:
    """Where a schema stands, as far as that forbids something."""

    __slots__ = ("inside_metadata", "no_default", "root")

    def __init__(self, *, root: bool = False, inside_metadata: bool = False, no_default: str = "") -> None:
        self.root = root
        self.inside_metadata = inside_metadata
        self.no_default = no_default

    def child(self, name: str, schema: Schema) -> "_Place":
        inside, reason = self.inside_metadata, self.no_default
        if (self.root or schema.get(custom.EMBEDDED)) and name in structural.TYPE_AND_METADATA:
            inside = True
            reason = f"in top-level {name}" if self.root else reason
        return _Place(inside_metadata=inside, no_default=reason)

    def below(self, *, additional: bool = False) -> "_Place":
        reason = "inside additionalProperties applying to object metadata"
        forbidden = additional and self.inside_metadata
        return _Place(inside_metadata=self.inside_metadata, no_default=reason if forbidden else self.no_default)


def _openapi(found: Errors, schema: Schema, path: str, place: _Place) -> None:
    """What upstream allows of OpenAPI, here and below."""
    _standard(found, schema, path, place)
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(fieldpath.forbidden(f"{path}.uniqueItems", text))
    additional, properties = schema.get("additionalProperties"), schema.get("properties") or {}
    if additional is not None and properties and additional is not True:
        text = "additionalProperties and properties are mutual exclusive"
        found.append(fieldpath.forbidden(f"{path}.additionalProperties", text))
    if isinstance(additional, Mapping):
        _openapi(found, additional, f"{path}.additionalProperties", place.below(additional=True))
    for name, below in properties.items():
        _openapi(found, below, f"{path}.properties[{name}]", place.child(name, schema))
    if schema.get("not") is not None:
        _openapi(found, schema["not"], f"{path}.not", place.below())
    for name in ("allOf", "oneOf", "anyOf"):
        for index, one in enumerate(schema.get(name) or ()):
            _openapi(found, one, f"{path}.{name}[{index}]", place.below())
    if isinstance(schema.get("items"), Mapping):
        _openapi(found, schema["items"], f"{path}.items", place.below())
    if schema.get(custom.PRESERVE) is False:
        found.append(fieldpath.invalid(f"{path}.{custom.PRESERVE}", False, "must be true or undefined"))
    _list_and_map(found, schema, path)


def _standard(found: Errors, schema: Schema, path: str, place: _Place) -> None:
    kind = schema.get("type") or ""
    if kind and kind not in TYPES:
        found.append(fieldpath.not_supported(f"{path}.type", kind, TYPES))
    if schema.get("default") is not None and place.no_default:
        found.append(fieldpath.forbidden(f"{path}.default", f"must not be set {place.no_default}"))
    found += (fieldpath.forbidden(f"{path}.{name}", text) for name, text in _NOT_SUPPORTED.items() if schema.get(name))
    if kind == "null":
        text = "type cannot be set to null, use nullable as an alternative"
        found.append(fieldpath.forbidden(f"{path}.type", text))
    if isinstance(schema.get("items"), list):
        found.append(fieldpath.forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if place.inside_metadata and schema.get(custom.EMBEDDED):
        found.append(fieldpath.forbidden(f"{path}.{custom.EMBEDDED}", "must not be used inside of resource meta"))


def _of_type(found: Errors, schema: Schema, path: str, wanted: str, name: str) -> bool:
    kind, text = schema.get("type") or "", f"must be {wanted} if {name} is specified"
    if kind == wanted:
        return True
    place = f"{path}.type"
    found.append(fieldpath.invalid(place, kind, text) if kind else fieldpath.required(place, text))
    return False


def _list_and_map(found: Errors, schema: Schema, path: str) -> None:
    """x-kubernetes-map-type, -list-type and -list-map-keys."""
    of_map, of_list = schema.get("x-kubernetes-map-type"), schema.get("x-kubernetes-list-type")
    items = schema.get("items")
    items = items if isinstance(items, Mapping) else None
    if of_map is not None:
        _of_type(found, schema, path, "object", "x-kubernetes-map-type")
        if of_map not in ("atomic", "granular"):
            found.append(fieldpath.not_supported(f"{path}.x-kubernetes-map-type", of_map, ("atomic", "granular")))
    place = f"{path}.x-kubernetes-list-type"
    if of_list is not None:
        if _of_type(found, schema, path, "array", "x-kubernetes-list-type") and of_list == "set" and items:
            _set_items(found, items, f"{path}.items")
        if of_list not in ("atomic", "set", "map"):
            found.append(fieldpath.not_supported(place, of_list, ("atomic", "set", "map")))
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if keys and of_list != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        found.append(fieldpath.required(place, text) if of_list is None else fieldpath.invalid(place, of_list, text))
    if of_list == "map":
        _list_map(found, schema, items, keys, path)
    if of_list in ("set", "map") and items and items.get("nullable"):
        text = f"cannot be nullable when x-kubernetes-list-type is {of_list}"
        found.append(fieldpath.forbidden(f"{path}.items.nullable", text))
    if of_list == "map" and items:
        _keys(found, items, keys, f"{path}.items")


def _set_items(found: Errors, items: Schema, path: str) -> None:
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "array" and items.get("x-kubernetes-list-type") not in (None, "atomic"):
        given = items["x-kubernetes-list-type"]
        found.append(fieldpath.invalid(f"{path}.x-kubernetes-list-type", given, text))
    elif items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        found.append(fieldpath.invalid(f"{path}.x-kubernetes-map-type", None, text))


def _list_map(found: Errors, schema: Schema, items: Schema | None, keys: list[str], path: str) -> None:
    place = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        found.append(fieldpath.required(place, "must not be empty if x-kubernetes-list-type is map"))
    if schema.get("items") is None:
        text = "must have a schema if x-kubernetes-list-type is map"
        found.append(fieldpath.required(f"{path}.items", text))
    if items is None:
        return
    kind = items.get("type") or ""
    if kind != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        found.append(fieldpath.invalid(f"{path}.items.type", kind, text))
        return
    seen: set[str] = set()
    for key in keys:
        below = (items.get("properties") or {}).get(key)
        if below is None:
            found.append(fieldpath.invalid(place, keys, "entries must all be names of item properties"))
        elif below.get("type") in ("array", "object"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            found.append(fieldpath.invalid(f"{path}.items.properties[{key}].type", kind, text))
        if key in seen:
            found.append(fieldpath.invalid(place, keys, "must not contain duplicate entries"))
        seen.add(key)


def _keys(found: Errors, items: Schema, keys: list[str], path: str) -> None:
    for key in keys:
        below = (items.get("properties") or {}).get(key)
        if below is None:
            continue
        place = f"{path}.properties[{key}]"
        head = "this property is in x-kubernetes-list-map-keys, so it"
        if key not in (items.get("required") or ()) and below.get("default") is None:
            text = f"{head} must have a default or be a required property"
            found.append(fieldpath.required(f"{place}.default", text))
        if below.get("nullable"):
            found.append(fieldpath.forbidden(f"{place}.nullable", f"{head} cannot be nullable"))
