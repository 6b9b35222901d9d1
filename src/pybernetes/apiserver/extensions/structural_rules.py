"""Is a schema structural: does it say outside of allOf, anyOf, oneOf and not what there is, and inside only what is
allowed of it? Pure.

Upstream: apiextensions-apiserver pkg/apiserver/schema/{validation,complete}.go.
"""

from collections.abc import Mapping
from typing import Any

import re2

from pybernetes.api.openapi import custom
from pybernetes.apimachinery import fieldpath
from pybernetes.apiserver.extensions import validator

Schema = Mapping[str, Any]

ROOT, ITEM, FIELD = "at the root", "for specified array items", "for specified object fields"
_NOTHING: Schema = {}
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_GO = {
    "missing )": "missing closing )",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
}
"""What Go says where RE2 says otherwise."""
_FORBIDDEN_INSIDE = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    custom.PRESERVE: "must be false to be structural",
    custom.EMBEDDED: "must be false to be structural",
    custom.INT_OR_STRING: "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}
"""What schemas inside junctors may not say."""


def check(schema: Schema, path: str) -> fieldpath.ErrorList:
    """Everything that keeps a schema from being structural, in order of text."""
    found: fieldpath.ErrorList = []
    _invariants(found, schema, ROOT, path)
    _described(found, schema, schema, path, path)
    return sorted(found, key=str)


def _invariants(found: fieldpath.ErrorList, schema: Schema, level: str, path: str) -> None:
    kind, items, additional = schema.get("type") or "", schema.get("items"), schema.get("additionalProperties")
    if kind == "array" and items is None:
        found.append(fieldpath.required(f"{path}.items", "must be specified"))
    if items is not None:
        _invariants(found, items, ITEM, f"{path}.items")
    properties = schema.get("properties") or _NOTHING
    for name, below in properties.items():
        _invariants(found, below, FIELD, f"{path}.properties[{name}]")
    if additional is not None and level == ROOT:
        found.append(fieldpath.forbidden(f"{path}.additionalProperties", "must not be used at the root"))
    if isinstance(additional, Mapping):
        _invariants(found, additional, FIELD, f"{path}.additionalProperties")
    if schema.get(custom.INT_OR_STRING):
        for name in (custom.PRESERVE, custom.EMBEDDED):
            if schema.get(name):
                text = "must be false if x-kubernetes-int-or-string is true"
                found.append(fieldpath.invalid(f"{path}.{name}", True, text))
    _values(found, schema, path)
    _type(found, schema, level, path)
    _metadata(found, schema, level, path)


def _type(found: fieldpath.ErrorList, schema: Schema, level: str, path: str) -> None:
    kind, embedded = schema.get("type") or "", schema.get(custom.EMBEDDED)
    if embedded and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        place = f"{path}.type"
        found.append(fieldpath.invalid(place, kind, text) if kind else fieldpath.required(place, text))
    elif not kind and not schema.get(custom.INT_OR_STRING) and not schema.get(custom.PRESERVE):
        found.append(fieldpath.required(f"{path}.type", f"must not be empty {level}"))
    if embedded and schema.get("additionalProperties") is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        found.append(fieldpath.forbidden(f"{path}.additionalProperties", text))
    if level == ROOT and kind and kind != "object":
        found.append(fieldpath.invalid(f"{path}.type", kind, "must be object at the root"))
    if embedded and not schema.get(custom.PRESERVE) and not schema.get("properties"):
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        found.append(fieldpath.required(f"{path}.properties", text))


def _metadata(found: fieldpath.ErrorList, schema: Schema, level: str, path: str) -> None:
    """What is known of every object may not be described otherwise."""
    properties = schema.get("properties") or _NOTHING
    if level != ROOT and not schema.get(custom.EMBEDDED):
        return
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        given = properties.get(name)
        if given is not None and (given.get("type") or "") != wanted:
            place = f"{path}.properties[{name}].type"
            found.append(fieldpath.invalid(place, given.get("type") or "", f"must be {wanted}"))
    facts = properties.get("metadata")
    if level == ROOT and facts is not None:
        # The type was judged above, a default is elsewhere; conditions on names are all that is left.
        said = {name for name, value in facts.items() if value not in (None, "", False, [], {})} - {"type", "default"}
        if set(facts.get("properties") or ()) <= {"name", "generateName"}:
            said.discard("properties")
        if said:
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            found.append(fieldpath.forbidden(f"{path}.properties[metadata]", text))


def _values(found: fieldpath.ErrorList, schema: Schema, path: str) -> None:
    """Junctors and the pattern; the two ways to say int-or-string may name types."""
    spared: set[str] = set()
    if schema.get("anyOf") == _INT_OR_STRING:
        spared.add(f"{path}.anyOf")
    every = schema.get("allOf") or []
    if every and every[0].get("anyOf") == _INT_OR_STRING:
        spared.add(f"{path}.allOf[0].anyOf")
    _junctors(found, schema, path, spared)


def _junctors(found: fieldpath.ErrorList, schema: Schema, path: str, spared: set[str]) -> None:
    for name in ("anyOf", "allOf", "oneOf"):
        for index, one in enumerate(schema.get(name) or ()):
            if f"{path}.{name}" not in spared:
                _nested(found, one, f"{path}.{name}[{index}]", spared)
    if schema.get("not") is not None:
        _nested(found, schema["not"], f"{path}.not", spared)
    shape = schema.get("pattern")
    if shape:
        try:
            validator.pattern(shape)
        except re2.error as error:
            text = f"must be a valid regular expression, but isn't: error parsing regexp: {_reason(error)}"
            found.append(fieldpath.invalid(f"{path}.pattern", shape, text))


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode() if isinstance(said, bytes) else str(said)
    head, separator, piece = text.partition(": ")
    return f"{_GO.get(head, head)}: `{piece}`" if separator else text


def _nested(found: fieldpath.ErrorList, schema: Schema, path: str, spared: set[str]) -> None:
    _junctors(found, schema, path, spared)
    if isinstance(schema.get("items"), Mapping):
        _nested(found, schema["items"], f"{path}.items", spared)
    for name, below in (schema.get("properties") or _NOTHING).items():
        _nested(found, below, f"{path}.properties[{name}]", spared)
    for name, text in _FORBIDDEN_INSIDE.items():
        if schema.get(name) not in (None, "", False, []):
            found.append(fieldpath.forbidden(f"{path}.{name}", text))
    if "metadata" in (schema.get("properties") or ()):
        text = "must not be specified in a nested context"
        found.append(fieldpath.forbidden(f"{path}.properties[metadata]", text))


def _described(found: fieldpath.ErrorList, inside: Schema, outside: Schema | None, path: str, place: str) -> None:
    """What junctors judge must be described outside of them."""
    if outside is None:
        found.append(fieldpath.required(place, f"because it is defined in {path}"))
        return
    for name in ("anyOf", "allOf", "oneOf"):
        for index, one in enumerate(inside.get(name) or ()):
            _described(found, one, outside, f"{path}.{name}[{index}]", place)
    if inside.get("not") is not None:
        _described(found, inside["not"], outside, f"{path}.not", place)
    if inside is outside:
        return
    if inside.get("items") is not None:
        _described(found, inside["items"], outside.get("items"), f"{path}.items", f"{place}.items")
    for name, below in (inside.get("properties") or _NOTHING).items():
        there = (outside.get("properties") or _NOTHING).get(name)
        _described(found, below, there, f"{path}.properties[{name}]", f"{place}.properties[{name}]")
