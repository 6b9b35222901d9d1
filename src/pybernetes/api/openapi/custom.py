"""The definitions of custom resources: their schema, with what every object has, for OpenAPI v3 and for Swagger 2.0.

Swagger 2.0 cannot say everything; what it cannot is left out, so that clients accept rather than refuse.
Upstream: apiextensions-apiserver pkg/controller/openapi. Pure.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pybernetes.api import kinds, schemas

Schema = Mapping[str, Any]

PRESERVE, EMBEDDED, INT_OR_STRING = (
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
)
# [{"fieldPath": "spec.color"}]: the fields by which a field selector may choose.
SELECTABLE = "x-kubernetes-selectable-fields"
_JUNCTORS = ("allOf", "anyOf", "oneOf", "not")
_METADATA = {"description": "Standard object's metadata.", "$ref": schemas.REF_PREFIX + schemas.OBJECT_META}


def definition_name(row: kinds.Kind) -> str:
    """`com.example.v1.Widget`."""
    return ".".join((*reversed(row.group.split(".")), row.version, row.kind))


def definition(row: kinds.Kind, schema: Schema) -> dict[str, Any]:
    """For OpenAPI v3. An empty schema describes nothing but an object; SELECTABLE at its root is passed on."""
    written = _map(schema, _unfold) if schema else {"type": "object"}
    if schema:
        _add_object(written)
    return _sign(written, row, row.kind)


def definition_v2(row: kinds.Kind, schema: Schema) -> dict[str, Any]:
    """For Swagger 2.0."""
    written: dict[str, Any] = {"type": "object"}
    if schema and not schema.get(PRESERVE):
        written = _map(schema, _simplify)
        _add_object(written)
    return _sign(written, row, row.kind)


def list_definition(row: kinds.Kind, schema: Schema) -> dict[str, Any]:
    """The list of the kind, for both."""
    name = definition_name(row)
    written = {
        "description": f"{row.list_kind} is a list of {row.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            **_type_meta(),
            "items": {
                "description": f"List of {row.plural}.",
                "type": "array",
                "items": {"$ref": schemas.REF_PREFIX + name},
            },
            "metadata": {
                "description": "Standard list metadata.",
                "$ref": schemas.REF_PREFIX + schemas.LIST_META,
            },
        },
    }
    if SELECTABLE in schema:
        written[SELECTABLE] = schema[SELECTABLE]
    return _sign(written, row, row.list_kind)


def _sign(written: dict[str, Any], row: kinds.Kind, kind: str) -> dict[str, Any]:
    written["x-kubernetes-group-version-kind"] = [{"group": row.group, "kind": kind, "version": row.version}]
    return written


def _type_meta() -> dict[str, Any]:
    """apiVersion and kind, described as every definition describes them."""
    properties = schemas.definition("io.k8s.api.core.v1.ConfigMap")["properties"]
    return {name: properties[name] for name in ("apiVersion", "kind")}


def _add_object(written: dict[str, Any]) -> None:
    written["properties"] = {**(written.get("properties") or {}), **_type_meta(), "metadata": _METADATA}


def _map(node: Schema, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A copy in which every schema below and at the node is changed, outermost first."""
    written = dict(node)
    change(written)
    if written.get("properties"):
        written["properties"] = {name: _map(child, change) for name, child in written["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(written.get(key), Mapping):
            written[key] = _map(written[key], change)
    return written


def _unfold(node: dict[str, Any]) -> None:
    if node.get(INT_OR_STRING) and "anyOf" not in node and "allOf" not in node:
        node["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if node.get(EMBEDDED):
        _embed(node)


def _embed(node: dict[str, Any]) -> None:
    node["properties"] = {**(node.get("properties") or {}), **_type_meta(), "metadata": _METADATA}
    required = list(node.get("required") or ())
    node["required"] = required + [name for name in ("kind", "apiVersion") if name not in required]


def _simplify(node: dict[str, Any]) -> None:
    """What kubectl's reader of Swagger 2.0 would misunderstand goes."""
    for key in _JUNCTORS:
        node.pop(key, None)
    nullable = node.pop("nullable", False)
    preserve = node.get(PRESERVE)
    properties = node.get("properties") or {}
    if nullable or preserve:
        node.pop("items", None)
        node.pop("properties", None)
    if nullable or (preserve and node.get("type") == "object"):
        node.pop("type", None)
    if node.get("type") == "array" and "items" not in node:
        del node["type"]
    extra = node.get("additionalProperties")
    if isinstance(extra, Mapping) and extra.get("nullable"):
        node.pop("required", None)
    elif node.get("required") and not (nullable or preserve):
        required = [name for name in node["required"] if not properties.get(name, {}).get("nullable")]
        node["required"] = required
        if not required:
            del node["required"]
    if node.get(EMBEDDED) and not preserve:
        _embed(node)
