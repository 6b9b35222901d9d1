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


async def test_never_misses_more_than_allowed(cluster):
    await cluster.run(*NAMES)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}}
    await cluster.apply(cluster.workload("Deployment", "web", 5, strategy=strategy))
    await complete(cluster)
    await set_image(cluster, "web:2")
    lowest, highest = await complete(cluster)
    assert await sizes(cluster) == {"web:1": 0, "web:2": 5}
    assert lowest >= 3
    assert highest == 5


async def test_rolls_back_to_the_same_replica_set(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 2))
    await complete(cluster)
    for image in ("web:2", "web:1"):
        await set_image(cluster, image)
        await complete(cluster)
    found = {one["spec"]["replicas"]: one["metadata"]["annotations"] for one in await cluster.list_all(REPLICA_SET)}
    assert len(found) == 2
    assert found[2]["deployment.kubernetes.io/revision"] == "3"
    assert found[2]["deployment.kubernetes.io/revision-history"] == "1"
    assert found[0]["deployment.kubernetes.io/revision"] == "2"


async def test_recreate_waits_for_the_last_old_pod(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 2, strategy={"type": "Recreate"}))
    await complete(cluster)
    for pod in await cluster.live_pods():
        await cluster.patch("Pod", pod.metadata.name, {"metadata": {"finalizers": ["example.com/hold"]}})
    await set_image(cluster, "web:2")
    await cluster.settle()
    assert await sizes(cluster) == {"web:1": 0}
    for pod in await cluster.list_all("Pod"):
        await cluster.patch("Pod", pod["metadata"]["name"], {"metadata": {"finalizers": None}})
    await complete(cluster)
    assert await sizes(cluster) == {"web:1": 0, "web:2": 2}


async def test_paused_changes_nothing_but_scale(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 2))
    await complete(cluster)
    await cluster.patch(DEPLOYMENT, "web", {"spec": {"paused": True}})
    await set_image(cluster, "web:2")
    await cluster.settle()
    assert await condition(cluster, "Progressing") == ("Unknown", "DeploymentPaused", "Deployment is paused")
    await cluster.patch(DEPLOYMENT, "web", {"spec": {"replicas": 3}})
    await complete(cluster)
    assert await sizes(cluster) == {"web:1": 3}
    await cluster.patch(DEPLOYMENT, "web", {"spec": {"paused": False}})
    await complete(cluster)
    assert await sizes(cluster) == {"web:1": 0, "web:2": 3}


async def test_says_when_the_deadline_has_passed(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 1, progressDeadlineSeconds=60))
    await cluster.settle(59)
    verdict = await condition(cluster, "Progressing")
    assert verdict[:2] == ("True", "ReplicaSetUpdated")
    await cluster.settle(5)
    (replica_set,) = await cluster.list_all(REPLICA_SET)
    text = f'ReplicaSet "{replica_set["metadata"]["name"]}" has timed out progressing.'
    assert await condition(cluster, "Progressing") == ("False", "ProgressDeadlineExceeded", text)
    await complete(cluster)
    assert (await condition(cluster, "Progressing"))[1] == "NewReplicaSetAvailable"


async def test_history_is_kept_as_long_as_wished(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 1, revisionHistoryLimit=2))
    for number in range(1, 6):
        await set_image(cluster, f"web:{number}")
        await complete(cluster)
    assert sorted(await sizes(cluster)) == ["web:3", "web:4", "web:5"]


async def test_scaling_in_the_middle_keeps_proportions(cluster):
    await cluster.run(*NAMES)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    await cluster.apply(cluster.workload("Deployment", "web", 10, strategy=strategy))
    await cluster.settle()
    await cluster.start_pods()
    await cluster.settle()
    await set_image(cluster, "web:2")
    await cluster.settle()
    assert await sizes(cluster) == {"web:1": 8, "web:2": 5}
    await cluster.patch(DEPLOYMENT, "web", {"spec": {"replicas": 15}})
    await cluster.settle()
    assert await sizes(cluster) == {"web:1": 11, "web:2": 7}


async def test_adopts_a_matching_replica_set(cluster):
    lonely = cluster.workload("ReplicaSet", "web", 2)
    await cluster.apply({**lonely, "metadata": {"name": "web", "labels": {"app": "web"}}})
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 2))
    await complete(cluster)
    (only,) = await cluster.list_all(REPLICA_SET)
    assert only["metadata"]["name"] == "web"
    assert only["metadata"]["ownerReferences"][0]["kind"] == "Deployment"


async def test_a_name_that_is_taken_counts_as_collision(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 1))
    await complete(cluster)
    (first,) = await cluster.list_all(REPLICA_SET)
    await cluster.stop_controllers()
    name = first["metadata"]["name"]
    await cluster.delete(DEPLOYMENT, "web")
    await cluster.delete(REPLICA_SET, name)
    await cluster.apply({**cluster.workload("ReplicaSet", "other", 0), "metadata": {"name": name}})
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 1))
    await complete(cluster)
    deployment = await cluster.get(DEPLOYMENT, "web")
    assert deployment["status"]["collisionCount"] == 1
    assert deployment["status"]["readyReplicas"] == 1


async def test_survives_a_restart_in_the_middle(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 4))
    await complete(cluster)
    await set_image(cluster, "web:2")
    await cluster.settle()
    await cluster.stop_controllers()
    await cluster.start_pods()
    await cluster.run(*NAMES)
    await complete(cluster)
    assert await sizes(cluster) == {"web:1": 0, "web:2": 4}


async def test_steady_state_writes_nothing(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 2))
    await complete(cluster)
    before = [await cluster.list_all(kind) for kind in (DEPLOYMENT, REPLICA_SET, "Pod")]
    await cluster.settle(60)
    assert [await cluster.list_all(kind) for kind in (DEPLOYMENT, REPLICA_SET, "Pod")] == before


async def test_failures_of_pods_show(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 1))
    await cluster.settle()
    (replica_set,) = await cluster.list_all(REPLICA_SET)
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "no",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    await cluster.stop_controllers()
    patch = {"status": {"conditions": [failure]}}
    await cluster.patch(REPLICA_SET, replica_set["metadata"]["name"], patch, subresource="status")
    await cluster.run("deployment-controller")
    await cluster.settle()
    assert await condition(cluster, "ReplicaFailure") == ("True", "FailedCreate", "no")
