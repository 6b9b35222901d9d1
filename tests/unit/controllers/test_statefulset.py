"""StatefulSets against a real API server; the test plays the nodes."""

import pytest

from pybernetes.api.types import apps, core, meta
from pybernetes.controllers.statefulset import identity

NAME = "statefulset-controller"
KIND = "apps/v1/StatefulSet"
CLAIM = "PersistentVolumeClaim"


def stateful_set(cluster, replicas=3, image="s:1", **spec):
    obj = cluster.workload("StatefulSet", "web", replicas, image, **spec)
    obj["spec"].setdefault("serviceName", "web")
    return obj


def claim_template(**spec):
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": "data"}, "spec": {**size, **spec}}


async def pods(cluster):
    return {pod.metadata.name: pod.spec.containers[0].image for pod in await cluster.live_pods()}


async def run(cluster, rounds=12):
    for _ in range(rounds):
        await cluster.settle()
        await cluster.start_pods()
        await cluster.reap()
    await cluster.settle()


async def update(cluster, image):
    containers = [{"name": "c", "image": image}]
    await cluster.patch(KIND, "web", {"spec": {"template": {"spec": {"containers": containers}}}})


async def test_one_after_the_other(cluster):
    await cluster.run(NAME)
    await cluster.apply(stateful_set(cluster))
    await cluster.settle()
    assert await pods(cluster) == {"web-0": "s:1"}
    await cluster.start_pods()
    await cluster.settle()
    assert sorted(await pods(cluster)) == ["web-0", "web-1"]
    await run(cluster)
    found = await cluster.get("Pod", "web-2")
    revision = (await cluster.list_all("apps/v1/ControllerRevision"))[0]["metadata"]["name"]
    assert found["metadata"]["labels"] == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "web-2",
        "apps.kubernetes.io/pod-index": "2",
        "controller-revision-hash": revision,
    }
    assert (found["spec"]["hostname"], found["spec"]["subdomain"]) == ("web-2", "web")
    status = (await cluster.get(KIND, "web"))["status"]
    assert {name: status[name] for name in ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")} == {
        "replicas": 3,
        "readyReplicas": 3,
        "currentReplicas": 3,
        "updatedReplicas": 3,
    }
    assert status["currentRevision"] == status["updateRevision"] == revision
    assert ("SuccessfulCreate", "Create Pod web-0 in StatefulSet web successful") in await cluster.events("web")


async def test_scales_down_from_the_top(cluster):
    await cluster.run(NAME)
    await cluster.apply(stateful_set(cluster))
    await run(cluster)
    await cluster.patch(KIND, "web", {"spec": {"replicas": 1}})
    await cluster.settle()
    assert sorted(await pods(cluster)) == ["web-0", "web-1"] or sorted(await pods(cluster)) == ["web-0"]
    await run(cluster)
    assert sorted(await pods(cluster)) == ["web-0"]
    assert ("SuccessfulDelete", "Delete Pod web-2 in StatefulSet web successful") in await cluster.events("web")


async def test_parallel_does_not_wait(cluster):
    await cluster.run(NAME)
    await cluster.apply(stateful_set(cluster, podManagementPolicy="Parallel", ordinals={"start": 5}))
    await cluster.settle()
    assert sorted(await pods(cluster)) == ["web-5", "web-6", "web-7"]


async def test_rolls_from_the_top_and_waits(cluster):
    await cluster.run(NAME)
    await cluster.apply(stateful_set(cluster))
    await run(cluster)
    await update(cluster, "s:2")
    await cluster.settle()
    await cluster.reap()
    await cluster.settle()
    assert await pods(cluster) == {"web-0": "s:1", "web-1": "s:1", "web-2": "s:2"}
    await cluster.settle(5)
    assert await pods(cluster) == {"web-0": "s:1", "web-1": "s:1", "web-2": "s:2"}
    await run(cluster)
    assert {*(await pods(cluster)).values()} == {"s:2"}
    status = (await cluster.get(KIND, "web"))["status"]
    assert status["currentRevision"] == status["updateRevision"]
    revisions = await cluster.list_all("apps/v1/ControllerRevision")
    assert sorted(one["revision"] for one in revisions) == [1, 2]


async def test_partition_keeps_the_lower_ones(cluster):
    await cluster.run(NAME)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    await cluster.apply(stateful_set(cluster, updateStrategy=strategy))
    await run(cluster)
    await update(cluster, "s:2")
    await run(cluster)
    assert await pods(cluster) == {"web-0": "s:1", "web-1": "s:1", "web-2": "s:2"}
    await cluster.delete("Pod", "web-0", grace_period=0)
    await run(cluster)
    assert (await pods(cluster))["web-0"] == "s:1"


async def test_failed_pods_are_made_again(cluster):
    await cluster.run(NAME)
    await cluster.apply(stateful_set(cluster, 1))
    await run(cluster)
    before = await cluster.get("Pod", "web-0")
    await cluster.set_pod("web-0", phase="Failed", ready=False)
    await run(cluster)
    after = await cluster.get("Pod", "web-0")
    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    assert after["status"]["phase"] == "Running"


async def test_claims_stay_unless_told_otherwise(cluster):
    await cluster.run(NAME)
    await cluster.apply(stateful_set(cluster, 2, volumeClaimTemplates=[claim_template()]))
    await run(cluster)
    assert sorted(one["metadata"]["name"] for one in await cluster.list_all(CLAIM)) == ["data-web-0", "data-web-1"]
    pod = await cluster.get("Pod", "web-1")
    assert pod["spec"]["volumes"][0] == {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}}
    await cluster.patch(KIND, "web", {"spec": {"replicas": 1}})
    await run(cluster)
    claim = await cluster.get(CLAIM, "data-web-1")
    assert "ownerReferences" not in claim["metadata"]
    text = "Create Claim data-web-0 Pod web-0 in StatefulSet web success"
    assert ("SuccessfulCreate", text) in await cluster.events("web")


async def test_claims_go_with_pods_that_are_scaled_away(cluster):
    await cluster.run(NAME, "garbage-collector-controller")
    policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
    spec = {"volumeClaimTemplates": [claim_template()], "persistentVolumeClaimRetentionPolicy": policy}
    made = await cluster.apply(stateful_set(cluster, 2, **spec))
    await run(cluster)
    claim = await cluster.get(CLAIM, "data-web-1")
    assert claim["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    await cluster.patch(KIND, "web", {"spec": {"replicas": 1}})
    await run(cluster)
    assert [one["metadata"]["name"] for one in await cluster.list_all(CLAIM)] == ["data-web-0"]


async def test_restart_changes_nothing(cluster):
    await cluster.run(NAME)
    await cluster.apply(stateful_set(cluster, volumeClaimTemplates=[claim_template()]))
    await run(cluster)
    kinds = (KIND, "Pod", CLAIM, "apps/v1/ControllerRevision")
    before = [await cluster.list_all(kind) for kind in kinds]
    await cluster.stop_controllers()
    await cluster.run(NAME)
    await cluster.settle(30)
    assert [await cluster.list_all(kind) for kind in kinds] == before


@pytest.mark.parametrize(
    ("deleted", "scaled", "number", "owner"),
    [
        ("Retain", "Retain", 0, []),
        ("Delete", "Retain", 0, ["StatefulSet"]),
        ("Delete", "Retain", 9, ["StatefulSet"]),
        ("Retain", "Delete", 0, []),
        ("Retain", "Delete", 9, ["Pod"]),
        ("Delete", "Delete", 0, ["StatefulSet"]),
        ("Delete", "Delete", 9, ["Pod"]),
    ],
)
def test_owners_of_claims(deleted, scaled, number, owner):
    policy = apps.StatefulSetPersistentVolumeClaimRetentionPolicy(whenDeleted=deleted, whenScaled=scaled)
    spec = apps.StatefulSetSpec(replicas=3, persistentVolumeClaimRetentionPolicy=policy)
    one = apps.StatefulSet(metadata=meta.ObjectMeta(name="web", uid="set"), spec=spec)
    pod = core.Pod(metadata=meta.ObjectMeta(name=f"web-{number}", uid="pod"))
    claim = core.PersistentVolumeClaim(metadata=meta.ObjectMeta(name=f"data-web-{number}"))
    assert [reference.kind for reference in identity.claim_owners(claim, one, pod)] == owner


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web-0", ("web", 0)),
        ("a-b-12", ("a-b", 12)),
        ("web", ("", -1)),
        ("web-x", ("", -1)),
        ("w-9999999999", ("", -1)),
    ],
)
def test_names(name, expected):
    assert identity.parent_and_ordinal(name) == expected
