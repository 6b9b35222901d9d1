"""OpenAPI definitions of the served version, which patches, apply and `explain` read.

The definitions come from the package `kubernetes-validate`, one JSON file for each Kubernetes version. Loading keeps
the file's bytes and where each definition lies in them (10 ms, 3 MB); a definition is decoded when it is asked for.
Upstream: pkg/generated/openapi, apiextensions pkg/apiserver/schema. Pure (but for reading the file).
"""

import functools
import importlib.util
import pathlib
from collections.abc import Iterator
from typing import Any

import msgspec

from pybernetes.apimachinery import gvk

VERSION = "1.37.0"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
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


@functools.cache
def served() -> Definitions:
    """The definitions of the version that is served; loaded when first asked for."""
    return Definitions(VERSION)


def definition(name: str) -> dict[str, Any]:
    """A definition of the served version by its full name; shared, not to be changed."""
    return served().definition(name)
