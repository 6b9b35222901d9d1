"""ReplicaSets keep their number of Pods, through the real server and the real controller."""

import msgspec
import pytest

from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.testing.cluster import Cluster

REPLICA_SET = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "demo"}]},
        },
    },
}


@pytest.mark.cluster(nodes=0, scheduler=False)
async def test_makes_as_many_pods_as_wanted(cluster: Cluster) -> None:
    await cluster.apply(REPLICA_SET)
    pods = await cluster.wait("v1", "Pod", lambda pods: len(pods) == 3, "default")
    for pod in pods:
        assert "nodeName" not in pod["spec"]
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("ReplicaSet", "web", True)
        assert pod["metadata"]["name"].startswith("web-")


@pytest.mark.cluster(nodes=0, scheduler=False)
async def test_replaces_a_deleted_pod(cluster: Cluster) -> None:
    await cluster.apply(REPLICA_SET)
    first = await cluster.wait("v1", "Pod", lambda pods: len(pods) == 3, "default")
    victim = first[0]["metadata"]["name"]
    await cluster.client.dynamic("v1", "Pod").delete(victim, "default")
    names = {pod["metadata"]["name"] for pod in first}
    await cluster.wait(
        "v1",
        "Pod",
        lambda pods: len(pods) == 3 and victim not in {pod["metadata"]["name"] for pod in pods},
        "default",
    )
    assert victim in names


@pytest.mark.cluster(nodes=0, scheduler=False)
async def test_scales_down(cluster: Cluster) -> None:
    await cluster.apply(REPLICA_SET)
    await cluster.wait("v1", "Pod", lambda pods: len(pods) == 3, "default")
    await cluster.apply({**REPLICA_SET, "spec": {**REPLICA_SET["spec"], "replicas": 1}})
    await cluster.wait("v1", "Pod", lambda pods: len(pods) == 1, "default")
    (stored,) = await cluster.wait(
        "apps/v1", "ReplicaSet", lambda sets: sets[0]["status"].get("replicas") == 1, "default"
    )
    assert stored["status"]["observedGeneration"] == stored["metadata"]["generation"]


async def test_first_version_has_no_node(cluster: Cluster) -> None:
    """Seed P3: a watch from before shows the Pod without a node first, whatever the scheduler does then."""
    pods = cluster.client.dynamic("v1", "Pod")
    since = (await pods.list("default")).resource_version
    await cluster.apply(REPLICA_SET)
    first: dict[str, dict[str, object]] = {}
    bound: set[str] = set()
    async with pods.watch("default", resource_version=since) as events:
        async for event in events:
            name = event.object["metadata"]["name"]
            first.setdefault(name, event.object["spec"])
            if event.object["spec"].get("nodeName"):
                bound.add(name)
            if len(bound) == 3:
                break
    assert ["nodeName" in spec for spec in first.values()] == [False] * 3
    assert {len(name) for name in first} == {len("web-") + 5}


async def test_a_replica_set_as_users_see_it(cluster: Cluster) -> None:
    """Seed R14: applied, scaled, watched as a Table; its selector stays what it is."""
    table = ("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
    path = "/apis/apps/v1/namespaces/default/replicasets"
    since = (await cluster.client.dynamic("apps/v1", "ReplicaSet").list("default")).resource_version
    query = [("watch", "true"), ("resourceVersion", since)]
    seen: list[list[int]] = []

    async def follow() -> None:
        rows = await cluster.client.transport.stream("GET", path, query=query, headers=[table])
        async for line in rows:
            cells = msgspec.json.decode(line)["object"]["rows"][0]["cells"]
            seen.append(cells[1:4])
            if cells[1:4] == [5, 5, 5]:
                return

    async with tasks.TaskGroup("watch") as group:
        watch = group.start(follow(), "table")
        await cluster.apply(REPLICA_SET)
        await cluster.wait("apps/v1", "ReplicaSet", lambda sets: sets[0]["status"].get("readyReplicas") == 3, "default")
        sets = cluster.client.dynamic("apps/v1", "ReplicaSet")
        await sets.patch("web", {"spec": {"replicas": 5}}, "default", subresource="scale")
        await watch
    assert seen[0] == [3, 0, 0]
    assert [3, 3, 3] in seen
    assert seen == sorted(seen)
    with pytest.raises(errors.Invalid, match=r"spec\.selector: Invalid value: .* field is immutable"):
        await sets.patch("web", {"spec": {"selector": {"matchLabels": {"app": "other"}}}}, "default")
