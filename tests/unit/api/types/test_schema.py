"""Every field of every typed struct exists in the schema data, in the same shape."""

import importlib
import importlib.resources
import pkgutil
import types as python_types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from pybernetes.api import types
from pybernetes.api.types import meta

DEFINITIONS = "kubernetes-json-schema/v1.37.0-local/_definitions.json"


@pytest.fixture(scope="module")
def definitions() -> dict[str, Any]:
    text = (importlib.resources.files("kubernetes_validate") / DEFINITIONS).read_bytes()
    loaded: dict[str, Any] = msgspec.json.decode(text)["$defs"]
    return loaded


def _schema_of(definitions: dict[str, Any], api_version: str, kind: str) -> dict[str, Any]:
    group, _, version = api_version.rpartition("/")
    identity = {"group": group, "version": version, "kind": kind}
    for definition in definitions.values():
        if identity in definition.get("x-kubernetes-group-version-kind", ()):
            return dict(definition)
    raise AssertionError(f"no schema for {identity}")


def _follow(definitions: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def _schema_shape(schema: dict[str, Any]) -> str:
    if schema.get("format") == "int-or-string":
        return "int-or-string"
    kind = schema.get("type")
    kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
    if not kind and "oneOf" in schema:
        return "quantity"
    if kind == "object" or "properties" in schema:
        return "map" if "additionalProperties" in schema else "object"
    return str(kind or "any")


def _struct_shape(annotation: Any) -> str:
    if annotation == int | str:
        return "int-or-string"
    origin = typing.get_origin(annotation)
    if origin is tuple:
        return "array"
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "map"
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return "object"
    return {str: "string", int: "integer", bool: "boolean", float: "number"}.get(annotation, "any")


def _required(annotation: Any) -> Any:
    """The annotation without `| None`."""
    if isinstance(annotation, python_types.UnionType | typing._UnionGenericAlias):  # type: ignore[attr-defined]
        rest = [one for one in typing.get_args(annotation) if one is not type(None)]
        return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007
    return annotation


def _differences(
    definitions: dict[str, Any], annotation: Any, schema: dict[str, Any], path: str, seen: set[tuple[Any, int]]
) -> Iterator[str]:
    annotation = _required(annotation)
    schema = _follow(definitions, schema)
    ours, theirs = _struct_shape(annotation), _schema_shape(schema)
    # A quantity and an int-or-string look alike in the schema: one of string and number.
    same = {ours} | ({"quantity"} if ours in ("string", "int-or-string") else set())
    if annotation is not Any and theirs not in same:
        yield f"{path}: {ours}, schema says {theirs}"
        return
    if ours == "array":
        yield from _differences(definitions, typing.get_args(annotation)[0], schema["items"], path + "[]", seen)
    elif ours == "map":
        values = schema["additionalProperties"]
        yield from _differences(definitions, typing.get_args(annotation)[1], values, path + "{}", seen)
    elif ours == "object" and (annotation, id(schema)) not in seen:
        seen.add((annotation, id(schema)))
        properties = schema.get("properties", {})
        hints = typing.get_type_hints(annotation)
        for field in msgspec.structs.fields(annotation):
            where = f"{path}.{field.encode_name}"
            if field.encode_name not in properties:
                yield f"{where}: not in the schema"
            else:
                yield from _differences(definitions, hints[field.name], properties[field.encode_name], where, seen)


def _kinds() -> list[type[meta.Object]]:
    for module in pkgutil.iter_modules(types.__path__, types.__name__ + "."):
        importlib.import_module(module.name)
    return [cls for cls in meta.Object.__subclasses__() if cls.__module__.startswith(types.__name__) and cls().kind]


@pytest.mark.parametrize("cls", _kinds(), ids=lambda cls: f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}")
def test_struct_matches_schema(definitions: dict[str, Any], cls: type[meta.Object]) -> None:
    schema = _schema_of(definitions, *types.identity(cls))
    assert list(_differences(definitions, cls, schema, cls.__name__, set())) == []
