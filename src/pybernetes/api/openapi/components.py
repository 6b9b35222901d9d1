"""Definitions as the documents show them: references, the zero values Go writes, the values of enumerations.

Upstream: kube-openapi pkg/generators, pkg/builder3. Pure.
"""

from collections.abc import Iterable
from typing import Any

from pybernetes.api import schemas
from pybernetes.api.codec import plans, table

V3_PREFIX = "#/components/schemas/"
V2_PREFIX = "#/definitions/"
_ZEROS = {"s": "", "i": 0, "l": 0, "u": 0, "d": 0, "t": False}


def reachable(names: Iterable[str], custom: dict[str, dict[str, Any]]) -> list[str]:
    """The definitions named and all they refer to, in order of name. `custom` are those not built in."""
    definitions = schemas.served()
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or (name not in custom and name not in definitions):
            continue
        found.add(name)
        waiting += _references(custom[name] if name in custom else definitions.read(name))
    return sorted(found)


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            return [reference.removeprefix(schemas.REF_PREFIX)]
        return [name for child in node.values() for name in _references(child)]
    return [name for child in node for name in _references(child)] if isinstance(node, list) else []


def component(name: str, custom: dict[str, dict[str, Any]], group_version: tuple[str, str]) -> dict[str, Any]:
    """A definition for the OpenAPI v3 document of one group version."""
    node = custom.get(name)
    if node is None:
        node = schemas.served().read(name)
        _add_facts(name, node)
        _keep_kinds(node, group_version)
    written: dict[str, Any] = _v3(node)
    return written


def definition_v2(name: str, custom: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A definition for the Swagger 2.0 document."""
    node = custom.get(name)
    written: dict[str, Any]
    if node is not None:
        written = _v2_references(node)
        return written
    node = schemas.served().read(name)
    _add_facts(name, node)
    written = _v2(node)
    return written


def _keep_kinds(node: dict[str, Any], group_version: tuple[str, str]) -> None:
    """Options belong to every group; a document names its own and the core one."""
    kinds = node.get("x-kubernetes-group-version-kind")
    if kinds and len(kinds) > 1:
        wanted = {group_version, ("", "v1")}
        node["x-kubernetes-group-version-kind"] = [kind for kind in kinds if (kind["group"], kind["version"]) in wanted]


def _add_facts(name: str, node: dict[str, Any]) -> None:
    package, _, message = name.removeprefix("io.k8s.").rpartition(".")
    found = table.Name("k8s.io." + package.replace("-", "_"), message)
    properties = node.get("properties")
    if not properties or not table.has(found):
        return
    for field in plans.fields_of(found):
        written = properties.get(field.json_name)
        if written is None:
            continue
        if field.always_present and not field.repeated and not field.mapped:
            zero = _ZEROS.get(field.scalar) if field.message is None else {} if plans.is_struct(field.message) else None
            if zero is not None:
                written["default"] = zero
        values = table.enum(found.package, field.go_type.removeprefix("[]")) if field.scalar == "s" else ()
        if values:
            (written["items"] if field.repeated else written)["enum"] = list(values)


def _v3(node: Any) -> Any:
    """References get their prefix, and beside other words they must stand in `allOf`."""
    if isinstance(node, list):
        return [_v3(item) for item in node]
    if not isinstance(node, dict):
        return node
    written = {key: _v3(value) for key, value in node.items()}
    reference = written.get("$ref")
    if isinstance(reference, str):
        target = {"$ref": V3_PREFIX + reference.removeprefix(schemas.REF_PREFIX)}
        del written["$ref"]
        return {**written, "allOf": [target]} if written else target
    return written


# What Swagger 2.0 does not know, and the defaults, which Kubernetes leaves out of it.
_NOT_IN_V2 = frozenset({"oneOf", "anyOf", "not", "nullable", "default"})


def _v2(node: Any) -> Any:
    if isinstance(node, list):
        return [_v2(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "oneOf" in node and "type" not in node:
        return {**{key: value for key, value in node.items() if key not in _NOT_IN_V2}, "type": "string"}
    written = {}
    for key, value in node.items():
        if key == "properties" and isinstance(value, dict):
            written[key] = {name: _v2(child) for name, child in value.items()}
        elif key not in _NOT_IN_V2:
            written[key] = _v2(value)
    return _v2_references(written)


def _v2_references(node: Any) -> Any:
    if isinstance(node, list):
        return [_v2_references(item) for item in node]
    if not isinstance(node, dict):
        return node
    written = {key: _v2_references(value) for key, value in node.items()}
    reference = written.get("$ref")
    if isinstance(reference, str) and reference.startswith(schemas.REF_PREFIX):
        written["$ref"] = V2_PREFIX + reference.removeprefix(schemas.REF_PREFIX)
    return written
