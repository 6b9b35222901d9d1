"""Defaulted objects are what upstream stores, as far as defaults alone decide."""

import copy
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pybernetes.api import defaults, kinds
from pybernetes.apimachinery import quantity

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "upstream" / "defaults"
NAMES = sorted(path.name.removesuffix(".input.yaml") for path in GOLDEN.glob("*.input.yaml"))

GIVEN_OUT_BY_THE_SERVER = {
    "status",
    "spec.clusterIP",
    "spec.clusterIPs",
    "spec.ipFamilies",
    "spec.ipFamilyPolicy",
    "spec.healthCheckNodePort",
    "spec.ports[].nodePort",
    "spec.selector",
    "spec.template.metadata.labels",
    "spec.finalizers",
    "spec.priority",
    "spec.preemptionPolicy",
    "spec.priorityClassName",
    "spec.tolerations",
    "spec.serviceAccount",
    "spec.serviceAccountName",
    "spec.volumes",
    "spec.containers[].volumeMounts",
    "spec.initContainers[].volumeMounts",
    "spec.imagePullSecrets",
    "spec.taints",
    "spec.storageClassName",
    "spec.podCIDRs",
}
"""Allocators, strategies and admission add these."""


def _load(name: str, which: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((GOLDEN / f"{name}.{which}.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    return loaded


def _differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    generic = path.replace("[0]", "[]")
    if path == "metadata" or generic in GIVEN_OUT_BY_THE_SERVER:
        return
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours.keys() | theirs.keys():
            below = f"{path}.{key}".lstrip(".")
            if key not in ours or key not in theirs:
                where = "theirs" if key in theirs else "ours"
                if below.replace("[0]", "[]") not in GIVEN_OUT_BY_THE_SERVER and below != "metadata":
                    yield f"{below}: only in {where}: {(theirs if key in theirs else ours)[key]!r}"
            else:
                yield from _differences(ours[key], theirs[key], below)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for one, other in zip(ours, theirs, strict=True):
            yield from _differences(one, other, f"{path}[0]")
    elif ours != theirs and not _same_quantity(ours, theirs):
        yield f"{path}: {ours!r}, upstream {theirs!r}"


def _same_quantity(ours: Any, theirs: Any) -> bool:
    """Quantities get their canonical form when the object is held to its schema."""
    try:
        return quantity.parse(str(ours)) == quantity.parse(str(theirs))
    except ValueError:
        return False


def _kind(obj: dict[str, Any]) -> kinds.Kind:
    group, _, version = obj["apiVersion"].rpartition("/")
    kind = kinds.TABLE.by_gvk(group, version, obj["kind"])
    assert kind is not None
    return kind


@pytest.mark.parametrize("name", NAMES)
def test_defaults_of_what_is_stored_change_nothing(name: str) -> None:
    stored = _load(name, "output")
    again = copy.deepcopy(stored)
    defaults.apply(_kind(stored), again)
    assert list(_differences(again, stored)) == []


@pytest.mark.parametrize("name", NAMES)
def test_defaults_fill_in_what_upstream_does(name: str) -> None:
    obj, stored = _load(name, "input"), _load(name, "output")
    defaults.apply(_kind(obj), obj)
    if "spec" not in obj and set(stored.get("spec", ())) <= {"finalizers", "taints"}:
        stored.pop("spec", None)
    assert list(_differences(obj, stored)) == []
