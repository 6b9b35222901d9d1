"""Claims and volumes against a real API server."""

import pytest

from pybernetes.api.types import core, meta
from pybernetes.controllers.volumes import binder

BINDER = "persistentvolume-binder"
PV, PVC, CLASS = "PersistentVolume", "PersistentVolumeClaim", "storage.k8s.io/v1/StorageClass"


async def volume(
    cluster, name, size="1Gi", *, storage_class="manual", policy="Retain", modes=("ReadWriteOnce",), **spec
):
    spec = {"storageClassName": storage_class, "persistentVolumeReclaimPolicy": policy, **spec}
    source = {"hostPath": {"path": "/tmp/x"}, "capacity": {"storage": size}, "accessModes": [*modes]}
    await cluster.apply({"apiVersion": "v1", "kind": PV, "metadata": {"name": name}, "spec": {**source, **spec}}, "")


async def claim(cluster, name="c", size="1Gi", *, storage_class="manual", **spec):
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage_class is not None:
        wanted["storageClassName"] = storage_class
    obj = {"apiVersion": "v1", "kind": PVC, "metadata": {"name": name}, "spec": {**wanted, **spec}}
    return await cluster.apply(obj)


async def phases(cluster):
    volumes = {one["metadata"]["name"]: one["status"]["phase"] for one in await cluster.list_all(PV, "")}
    claims = {one["metadata"]["name"]: one["status"]["phase"] for one in await cluster.list_all(PVC)}
    return volumes, claims


async def test_the_smallest_that_is_enough(cluster):
    await cluster.run(BINDER)
    for name, size in (("big", "9Gi"), ("fits", "2Gi"), ("small", "1Mi")):
        await volume(cluster, name, size)
    await cluster.settle()
    made = await claim(cluster)
    await cluster.settle()
    assert await phases(cluster) == ({"big": "Available", "fits": "Bound", "small": "Available"}, {"c": "Bound"})
    found = await cluster.get(PVC, "c")
    assert found["spec"]["volumeName"] == "fits"
    assert found["status"]["capacity"] == {"storage": "2Gi"}
    assert found["metadata"]["annotations"] == {
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
    }
    bound = await cluster.get(PV, "fits", "")
    assert bound["spec"]["claimRef"]["uid"] == made["metadata"]["uid"]


async def test_a_claim_waits_for_its_volume(cluster):
    await cluster.run(BINDER)
    await claim(cluster, storage_class="")
    await cluster.settle()
    assert (await phases(cluster))[1] == {"c": "Pending"}
    text = "no persistent volumes available for this claim and no storage class is set"
    assert ("FailedBinding", text) in await cluster.events("c")
    await volume(cluster, "v", storage_class="")
    await cluster.settle()
    assert await phases(cluster) == ({"v": "Bound"}, {"c": "Bound"})


async def test_named_volume(cluster):
    await cluster.run(BINDER)
    await volume(cluster, "a")
    await volume(cluster, "b")
    await claim(cluster, volumeName="b")
    await cluster.settle()
    assert (await phases(cluster))[0] == {"a": "Available", "b": "Bound"}


@pytest.mark.parametrize(("policy", "phase"), [("Retain", "Released"), ("Delete", "Failed")])
async def test_released(cluster, policy, phase):
    await cluster.run(BINDER, "pvc-protection")
    await volume(cluster, "v", policy=policy)
    await claim(cluster)
    await cluster.settle()
    await cluster.delete(PVC, "c")
    await cluster.settle()
    assert await phases(cluster) == ({"v": phase}, {})


async def test_lost(cluster):
    await cluster.run(BINDER)
    await volume(cluster, "v")
    await claim(cluster)
    await cluster.settle()
    await cluster.delete(PV, "v", "")
    await cluster.settle()
    assert (await phases(cluster))[1] == {"c": "Lost"}
    text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    assert ("ClaimLost", text) in await cluster.events("c")


async def test_others_provision(cluster):
    await cluster.run(BINDER)
    fast = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "example.com/p"}
    await cluster.apply({**fast, "metadata": {"name": "now"}, "volumeBindingMode": "Immediate"}, "")
    await cluster.apply({**fast, "metadata": {"name": "later"}, "volumeBindingMode": "WaitForFirstConsumer"}, "")
    await claim(cluster, "a", storage_class="now")
    await claim(cluster, "b", storage_class="later")
    await cluster.settle()
    assert (await cluster.get(PVC, "a"))["metadata"]["annotations"] == {
        "volume.kubernetes.io/storage-provisioner": "example.com/p",
        "volume.beta.kubernetes.io/storage-provisioner": "example.com/p",
    }
    assert [reason for reason, _ in await cluster.events("a")] == ["ExternalProvisioning"]
    text = "waiting for first consumer to be created before binding"
    assert await cluster.events("b") == [("WaitForFirstConsumer", text)]
    await cluster.patch(PVC, "b", {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n"}}})
    await cluster.settle()
    assert "ExternalProvisioning" in [reason for reason, _ in await cluster.events("b")]


async def test_what_is_used_stays(cluster):
    await cluster.run(BINDER, "pvc-protection", "pv-protection")
    await volume(cluster, "v")
    await claim(cluster)
    await cluster.settle()
    pod = {"apiVersion": "v1", "kind": "Pod", **cluster.template({}, nodeName="n")}
    pod["spec"]["volumes"] = [{"name": "x", "persistentVolumeClaim": {"claimName": "c"}}]
    assert await unused(cluster) == ("True", "NoPodsUsingPVC")
    await cluster.apply({**pod, "metadata": {"name": "p"}})
    await cluster.settle()
    assert await unused(cluster) == ("False", "PodUsingPVC")
    await cluster.delete(PVC, "c")
    await cluster.delete(PV, "v", "")
    await cluster.settle()
    assert await phases(cluster) == ({"v": "Bound"}, {"c": "Bound"})
    await cluster.delete("Pod", "p", grace_period=0)
    await cluster.settle()
    assert await phases(cluster) == ({}, {})


async def unused(cluster):
    (condition,) = (await cluster.get(PVC, "c"))["status"]["conditions"]
    assert condition["type"] == "Unused"
    return condition["status"], condition["reason"]


def _volume(name, size, modes, **spec):
    return core.PersistentVolume(
        metadata=meta.ObjectMeta(name=name),
        spec=core.PersistentVolumeSpec(capacity={"storage": size}, accessModes=modes, **spec),
        status=core.PersistentVolumeStatus(phase="Available"),
    )


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([("a", "5Gi", ("RWO",)), ("b", "2Gi", ("RWO",))], "b"),
        ([("a", "2Gi", ("RWO", "RWX")), ("b", "2Gi", ("RWO",))], "b"),
        ([("a", "1Gi", ("RWO",))], None),
        ([("a", "2Gi", ("RWX",))], None),
    ],
)
def test_best_match(candidates, expected):
    volumes = [_volume(*one) for one in candidates]
    resources = core.VolumeResourceRequirements(requests={"storage": "2Gi"})
    one = core.PersistentVolumeClaim(spec=core.PersistentVolumeClaimSpec(accessModes=("RWO",), resources=resources))
    found = binder.find_best_match(one, volumes, delayed=False)
    assert (found.metadata.name if found else None) == expected
    assert binder.find_best_match(one, volumes, delayed=True) is None
