"""ReplicaSets keep their number of Pods, through the real server and the real controller."""

import pytest

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
