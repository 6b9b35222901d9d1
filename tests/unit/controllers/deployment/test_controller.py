"""Deployments against a real API server and the ReplicaSet controller."""

NAMES = ("deployment-controller", "replicaset-controller")
DEPLOYMENT, REPLICA_SET = "apps/v1/Deployment", "apps/v1/ReplicaSet"


async def sizes(cluster):
    """Image to size asked for, of every ReplicaSet."""
    found = await cluster.list_all(REPLICA_SET)
    return {one["spec"]["template"]["spec"]["containers"][0]["image"]: one["spec"]["replicas"] for one in found}


async def condition(cluster, kind, name="web"):
    deployment = await cluster.get(DEPLOYMENT, name)
    found = [one for one in deployment.get("status", {}).get("conditions", ()) if one["type"] == kind]
    return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else None


async def set_image(cluster, image, name="web"):
    container = {"name": "c", "image": image}
    await cluster.patch(DEPLOYMENT, name, {"spec": {"template": {"spec": {"containers": [container]}}}})


async def complete(cluster):
    """Play nodes until nothing changes any longer; check the budget on the way."""
    lowest, highest = 10**6, 0
    for _ in range(40):
        await cluster.settle(0.05)
        pods = await cluster.live_pods()
        ready = sum(any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions) for pod in pods)
        lowest, highest = min(lowest, ready), max(highest, len(pods))
        waiting = [pod for pod in pods if pod.status.phase == "Pending"]
        if waiting:
            await cluster.set_pod(waiting[0].metadata.name)
        await cluster.reap()
    return lowest, highest


async def test_rolls_within_surge_and_unavailable(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 4))
    await complete(cluster)
    (replica_set,) = await cluster.list_all(REPLICA_SET)
    suffix = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{suffix}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": suffix}
    assert replica_set["metadata"]["annotations"] == {
        "deployment.kubernetes.io/desired-replicas": "4",
        "deployment.kubernetes.io/max-replicas": "5",
        "deployment.kubernetes.io/revision": "1",
    }
    name = f'ReplicaSet "web-{suffix}"'
    assert await condition(cluster, "Progressing") == (
        "True",
        "NewReplicaSetAvailable",
        f"{name} has successfully progressed.",
    )
    assert await condition(cluster, "Available") == (
        "True",
        "MinimumReplicasAvailable",
        "Deployment has minimum availability.",
    )

    await set_image(cluster, "web:2")
    lowest, highest = await complete(cluster)
    assert await sizes(cluster) == {"web:1": 0, "web:2": 4}
    assert (lowest, highest) == (3, 5)
    deployment = await cluster.get(DEPLOYMENT, "web")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert deployment["status"] == {
        **deployment["status"],
        "observedGeneration": 2,
        "replicas": 4,
        "updatedReplicas": 4,
        "readyReplicas": 4,
        "availableReplicas": 4,
    }
    assert "unavailableReplicas" not in deployment["status"]
    scaled = [message for reason, message in await cluster.events("web") if reason == "ScalingReplicaSet"]
    assert scaled[0] == f"Scaled up replica set web-{suffix} from 0 to 4"
    assert f"Scaled down replica set web-{suffix} from 4 to 3" in scaled
