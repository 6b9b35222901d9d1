"""Encoding rules of typed structs and the questions one can ask of an object."""

import msgspec
import pytest

from pybernetes.api import types
from pybernetes.api.types import apps, core, meta


def test_identity_is_always_encoded_and_zero_values_follow_go() -> None:
    status = apps.ReplicaSetStatus()
    assert msgspec.json.encode(core.Pod()) == b'{"apiVersion":"v1","kind":"Pod"}'
    assert meta.to_dict(status) == {"replicas": 0}
    assert meta.to_dict(core.Container(name="a")) == {"name": "a"}
    assert types.identity(apps.ReplicaSet) == ("apps/v1", "ReplicaSet")


def test_absent_maps_share_one_read_only_value() -> None:
    one, other = meta.ObjectMeta().labels, meta.ObjectMeta().annotations
    assert one is other
    assert one == {}
    with pytest.raises(TypeError):
        one["a"] = "b"  # type: ignore[index]
    assert msgspec.json.encode({"labels": one}) == b'{"labels":{}}'


def test_objects_are_frozen() -> None:
    pod = core.Pod()
    with pytest.raises(AttributeError):
        pod.spec = core.PodSpec()  # type: ignore[misc]


def test_owners() -> None:
    owner = apps.ReplicaSet(metadata=meta.ObjectMeta(name="web", namespace="default", uid="u1"))
    reference = meta.owner_reference(owner)
    pod = core.Pod(metadata=meta.ObjectMeta(name="web-1", namespace="default", ownerReferences=(reference,)))
    assert meta.to_dict(reference) == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web",
        "uid": "u1",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert meta.controller_of(pod) == reference
    assert meta.is_controlled_by(pod, owner)
    assert not meta.is_controlled_by(owner, owner)
    assert meta.owner_reference(owner, controller=False).controller is None


@pytest.mark.parametrize(
    ("namespace", "name", "key"), [("default", "web", "default/web"), ("", "node-1", "node-1"), ("a", "b", "a/b")]
)
def test_key(namespace: str, name: str, key: str) -> None:
    pod = core.Pod(metadata=meta.ObjectMeta(name=name, namespace=namespace))
    assert meta.key(pod) == key
    assert meta.split_key(key) == (namespace, name)


def test_volumes_that_nobody_looks_into_are_kept() -> None:
    volumes = [{"name": "a", "azureFile": {"secretName": "s", "shareName": "x"}}, {"name": "b", "fc": {"lun": 2}}]
    assert meta.to_dict(msgspec.convert({"volumes": volumes}, core.PodSpec))["volumes"] == volumes
