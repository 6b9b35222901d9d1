"""OpenAPI definitions of the served version, and schemas that patches, apply, CEL and explain read.

The definitions come from the package `kubernetes-validate`, one JSON file for each Kubernetes version. Loading keeps
the file's bytes and where each definition lies in them (10 ms, 3 MB); a definition is decoded when it is asked for.
`Schema` is one node, of a built-in kind or of a CustomResourceDefinition alike.
Upstream: pkg/generated/openapi, apiextensions pkg/apiserver/schema. Pure (but for reading the file).
"""

import builtins  # `property` is also a question one asks of a schema
import functools
import importlib.util
import pathlib
from collections.abc import Iterator
from typing import Any

import msgspec

from pybernetes.apimachinery import gvk
from pybernetes.apimachinery.patch import strategic

VERSION = "1.37.0"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
TIMES = frozenset(f"io.k8s.apimachinery.pkg.apis.meta.v1.{name}" for name in ("Time", "MicroTime"))
REF_PREFIX = "#/$defs/"

# What the package's JSON Schema flavour says differently from OpenAPI.
_OVERRIDES: dict[str, dict[str, Any]] = {
    INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
}

# Defaults that upstream writes into its schemas (most defaults it only has in code). That of a key of list items tells
# items apart in which it was left out.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "io.k8s.api.autoscaling.v1.ScaleSpec": {"replicas": 0},
    "io.k8s.api.certificates.v1.PodCertificateRequestSpec": {"maxExpirationSeconds": 86400},
    "io.k8s.api.core.v1.AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "kind": "Shared",
        "readOnly": False,
    },
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.FileKeySelector": {"optional": False},
    "io.k8s.api.core.v1.GRPCAction": {"service": ""},
    "io.k8s.api.core.v1.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.ISCSIVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.LocalObjectReference": {"name": ""},
    "io.k8s.api.core.v1.RBDPersistentVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "io.k8s.api.core.v1.RBDVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "io.k8s.api.core.v1.ReplicationControllerSpec": {"minReadySeconds": 0, "replicas": 1},
    "io.k8s.api.core.v1.ScaleIOPersistentVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "io.k8s.api.core.v1.ScaleIOVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
    "io.k8s.api.resource.v1.DeviceToleration": {"operator": "Equal"},
}


class _Head(msgspec.Struct, gc=False):
    """Of a definition, only the kinds it describes."""

    kinds: list[dict[str, str]] = msgspec.field(name="x-kubernetes-group-version-kind", default_factory=list)


class _RawFile(msgspec.Struct, gc=False):
    definitions: dict[str, msgspec.Raw] = msgspec.field(name="$defs")


class _HeadFile(msgspec.Struct, gc=False):
    definitions: dict[str, _Head] = msgspec.field(name="$defs")


class Definitions:
    """The definitions of one Kubernetes version, by name and by kind."""

    def __init__(self, version: str = VERSION) -> None:
        self.version = version
        data = _file(version).read_bytes()
        self._raw = msgspec.json.decode(data, type=_RawFile).definitions
        self._kinds: dict[gvk.GroupVersionKind, str] = {}
        for name, head in msgspec.json.decode(data, type=_HeadFile).definitions.items():
            for kind in head.kinds:
                self._kinds[gvk.GroupVersionKind(kind["group"], kind["version"], kind["kind"])] = name
        self._decoded: dict[str, dict[str, Any]] = {}
        self._schemas: dict[str, Schema] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def kinds(self) -> dict[gvk.GroupVersionKind, str]:
        """Every kind described, and the name of its definition."""
        return self._kinds

    def name_of(self, group: str, version: str, kind: str) -> str | None:
        return self._kinds.get(gvk.GroupVersionKind(group, version, kind))

    def read(self, name: str) -> dict[str, Any]:
        """A definition as OpenAPI writes it, references as `#/$defs/NAME`; a fresh value. KeyError if unknown."""
        value: dict[str, Any] = _openapi(msgspec.json.decode(self._raw[name]))
        if name in _OVERRIDES:
            value.pop("oneOf", None)
            value |= _OVERRIDES[name]
        for field, default in _DEFAULTS.get(name, {}).items():
            value["properties"][field]["default"] = default
        return value

    def definition(self, name: str) -> dict[str, Any]:
        """The same, kept and shared: not to be changed."""
        found = self._decoded.get(name)
        if found is None:
            found = self._decoded[name] = self.read(name)
        return found

    def schema(self, name: str) -> "Schema":
        found = self._schemas.get(name)
        if found is None:
            found = self._schemas[name] = Schema(self.definition(name), self, name)
        return found


def _file(version: str) -> pathlib.Path:
    # The package itself is not imported: it would bring a JSON Schema validator along.
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package kubernetes-validate is not installed")
    return pathlib.Path(spec.origin).parent / "kubernetes-json-schema" / f"v{version}-local" / "_definitions.json"


def _openapi(node: Any) -> Any:
    """Undo, in place, what made JSON Schema of OpenAPI: `null` as a second type, constants as enums."""
    if isinstance(node, dict):
        kind = node.get("type")
        if isinstance(kind, list):
            node["type"] = next(name for name in kind if name != "null")
        for key in ("items", "additionalProperties"):
            if key in node:
                _openapi(node[key])
        properties = node.get("properties")
        if properties:
            for name, child in properties.items():
                _openapi(child)
                if name in ("apiVersion", "kind"):
                    child.pop("enum", None)
    return node


class Schema:
    """What is known of one place in an object. `node` is the schema as written there, `name` what it refers to."""

    __slots__ = ("_children", "_definitions", "_resolved", "name", "node")

    def __init__(self, node: dict[str, Any], definitions: Definitions | None = None, name: str = "") -> None:
        self.node = node
        self.name = name
        self._definitions = definitions
        reference = node.get("$ref")
        self._resolved = node
        if reference is not None and definitions is not None:
            self.name = reference.removeprefix(REF_PREFIX)
            self._resolved = definitions.definition(self.name)
        self._children: dict[str, Schema | None] = {}

    def __repr__(self) -> str:
        return f"Schema({self.name or self.type!r})"

    def _get(self, key: str, default: Any = None) -> Any:
        """What is written at the place itself comes before what its definition says."""
        value = self.node.get(key)
        return self._resolved.get(key, default) if value is None else value

    def _child(self, key: str, node: dict[str, Any]) -> "Schema":
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = Schema(node, self._definitions)
        return child

    # --- shape

    @builtins.property
    def type(self) -> str:
        """object, array, string, integer, number, boolean, or empty for anything."""
        value: str = self._resolved.get("type", "")
        return value

    @builtins.property
    def format(self) -> str:
        value: str = self._get("format", "")
        return value

    @builtins.property
    def description(self) -> str:
        value: str = self._get("description", "")
        return value

    @builtins.property
    def properties(self) -> dict[str, Any]:
        """The nodes of the named fields, as written."""
        return self._resolved.get("properties") or {}

    def property(self, name: str) -> "Schema | None":
        """The field, or what every value of a map is; None if there is no such field."""
        try:
            return self._children["." + name]
        except KeyError:
            pass
        node = self.properties.get(name)
        if node is None:
            return self.additional_properties
        return self._child("." + name, node)

    @builtins.property
    def additional_properties(self) -> "Schema | None":
        """What the values of a map are; a schema that allows anything where it only says `true`."""
        node = self._resolved.get("additionalProperties")
        if node is None or node is False:
            return None
        return self._child("*", {} if node is True else node)

    @builtins.property
    def items(self) -> "Schema | None":
        """What the elements of a list are."""
        node = self._resolved.get("items")
        return None if node is None else self._child("[]", node)

    @builtins.property
    def required(self) -> tuple[str, ...]:
        return tuple(self._resolved.get("required") or ())

    @builtins.property
    def enum(self) -> tuple[Any, ...]:
        return tuple(self._get("enum") or ())

    @builtins.property
    def nullable(self) -> bool:
        return bool(self._get("nullable"))

    @builtins.property
    def default(self) -> Any:
        """The default written in the schema; None if there is none."""
        return self._get("default")

    def key_default(self, key: str) -> Any:
        """For the element of a list told apart by `key`: the value meant when the key is left out."""
        child = self.property(key)
        return None if child is None else child.default

    # --- merging

    @builtins.property
    def patch_strategy(self) -> tuple[str, ...]:
        """merge, replace, retainKeys: how a strategic merge patch treats the field."""
        value = self.node.get("x-kubernetes-patch-strategy")
        return tuple(value.split(",")) if value else ()

    @builtins.property
    def patch_merge_key(self) -> str:
        value: str = self.node.get("x-kubernetes-patch-merge-key", "")
        return value

    @builtins.property
    def list_type(self) -> str:
        """atomic, set, map; empty means atomic."""
        value: str = self._get("x-kubernetes-list-type", "")
        return value

    @builtins.property
    def list_map_keys(self) -> tuple[str, ...]:
        return tuple(self._get("x-kubernetes-list-map-keys") or ())

    @builtins.property
    def map_type(self) -> str:
        """granular or atomic; empty means granular."""
        value: str = self._get("x-kubernetes-map-type", "")
        return value

    # --- special values

    @builtins.property
    def is_int_or_string(self) -> bool:
        return self.name == INT_OR_STRING or bool(self._get("x-kubernetes-int-or-string"))

    @builtins.property
    def is_quantity(self) -> bool:
        return self.name == QUANTITY

    @builtins.property
    def is_time(self) -> bool:
        return self.name in TIMES

    @builtins.property
    def preserve_unknown_fields(self) -> bool:
        """Nothing is known of what is inside: keep it whole."""
        if self._get("x-kubernetes-preserve-unknown-fields"):
            return True
        return self._definitions is not None and self.type == "object" and self._opaque

    @builtins.property
    def _opaque(self) -> bool:
        return self.name.rpartition(".")[2] in ("RawExtension", "FieldsV1", "JSON")

    @builtins.property
    def embedded_resource(self) -> bool:
        return bool(self._get("x-kubernetes-embedded-resource"))


@functools.cache
def served() -> Definitions:
    """The definitions of the version that is served; loaded when first asked for."""
    return Definitions(VERSION)


def definition(name: str) -> dict[str, Any]:
    """A definition of the served version by its full name; shared, not to be changed."""
    return served().definition(name)


def for_kind(group: str, version: str, kind: str) -> Schema | None:
    """The schema of a built-in kind; None for a kind the definitions do not have."""
    definitions = served()
    name = definitions.name_of(group, version, kind)
    return None if name is None else definitions.schema(name)


def for_patch(group: str, version: str, kind: str) -> strategic.OpenAPISchema | None:
    """The rules by which a strategic merge patch of a built-in kind is applied; None for another kind."""
    definitions = served()
    name = definitions.name_of(group, version, kind)
    return None if name is None else _patch_schema(name)


@functools.cache
def _patch_schema(name: str) -> strategic.OpenAPISchema:
    definitions = served()
    return strategic.OpenAPISchema(name, definitions.definition(name), definitions.definition)


def for_custom_resource(node: dict[str, Any]) -> Schema:
    """The schema of a custom resource: what its CustomResourceDefinition says, with the metadata every object has."""
    string = {"type": "string"}
    properties = {"apiVersion": string, "kind": string} | (node.get("properties") or {})
    properties["metadata"] = {"$ref": REF_PREFIX + OBJECT_META}
    return Schema({**node, "properties": properties}, served())
