"""DaemonSets against a real API server; the test plays scheduler and nodes."""

NAME = "daemonset-controller"
KIND = "apps/v1/DaemonSet"


async def nodes(cluster, *names, **spec):
    for name in names:
        about = {"name": name, "labels": {"disk": "ssd" if name != "slow" else "hdd"}}
        await cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": about, "spec": spec}, "")


def daemon_set(cluster, name="d", image="d:1", strategy=None, **pod):
    obj = cluster.workload("DaemonSet", name, 0)
    del obj["spec"]["replicas"]
    obj["spec"]["template"] = cluster.template({"app": name}, image, **pod)
    if strategy:
        obj["spec"]["updateStrategy"] = strategy
    return obj


def made_for(pod):
    affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]


async def schedule(cluster, *, ready=True):
    """Bind every waiting Pod to the node it was made for, and make it run."""
    for pod in await cluster.list_all("Pod"):
        name = pod["metadata"]["name"]
        if "nodeName" not in pod["spec"]:
            target = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": name},
                "target": {"name": made_for(pod)},
            }
            await cluster.client.dynamic("v1", "Pod").create_subresource(name, "binding", target, "default")
            await cluster.set_pod(name, ready=ready)


async def run(cluster, rounds=10):
    for _ in range(rounds):
        await cluster.settle()
        await schedule(cluster)
        await cluster.reap()
    await cluster.settle()


async def images(cluster):
    found = await cluster.live_pods()
    return {pod.spec.nodeName: pod.spec.containers[0].image for pod in found}


async def status(cluster):
    return (await cluster.get(KIND, "d"))["status"]


async def test_one_pod_on_every_matching_node(cluster):
    await nodes(cluster, "a", "b", "slow")
    await cluster.run(NAME)
    await cluster.apply(daemon_set(cluster, nodeSelector={"disk": "ssd"}))
    await run(cluster)
    assert await images(cluster) == {"a": "d:1", "b": "d:1"}
    found = await status(cluster)
    names = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "numberAvailable",
        "updatedNumberScheduled",
    )
    assert [found[name] for name in names] == [2] * 5
    assert found["numberMisscheduled"] == 0
    (revision,) = await cluster.list_all("apps/v1/ControllerRevision")
    for pod in await cluster.list_all("Pod"):
        labels = pod["metadata"]["labels"]
        assert labels["controller-revision-hash"] == revision["metadata"]["labels"]["controller-revision-hash"]
        tolerated = {(one["key"], one["effect"]) for one in pod["spec"]["tolerations"]}
        assert ("node.kubernetes.io/unschedulable", "NoSchedule") in tolerated
    await nodes(cluster, "c")
    await cluster.patch("Node", "a", {"metadata": {"labels": {"disk": "hdd"}}}, "")
    await run(cluster)
    assert await images(cluster) == {"b": "d:1", "c": "d:1"}


async def test_taints_keep_it_off_and_drive_it_away(cluster):
    await nodes(cluster, "a")
    await nodes(cluster, "b", taints=[{"key": "x", "effect": "NoSchedule"}])
    await cluster.run(NAME)
    await cluster.apply(daemon_set(cluster))
    await run(cluster)
    assert await images(cluster) == {"a": "d:1"}
    await cluster.patch("Node", "a", {"spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}}, "")
    await run(cluster)
    assert await images(cluster) == {"a": "d:1"}
    assert (await status(cluster))["numberMisscheduled"] == 1
    await cluster.patch("Node", "a", {"spec": {"taints": [{"key": "x", "effect": "NoExecute"}]}}, "")
    await run(cluster)
    assert await images(cluster) == {}


async def update(cluster, image):
    containers = [{"name": "c", "image": image}]
    await cluster.patch(KIND, "d", {"spec": {"template": {"spec": {"containers": containers}}}})


async def test_rolls_one_node_after_the_other(cluster):
    await nodes(cluster, "a", "b", "c")
    await cluster.run(NAME)
    await cluster.apply(daemon_set(cluster))
    await run(cluster)
    await update(cluster, "d:2")
    await cluster.settle()
    assert len(await cluster.live_pods()) == 2
    await run(cluster)
    assert await images(cluster) == dict.fromkeys("abc", "d:2")
    assert (await status(cluster))["updatedNumberScheduled"] == 3
    revisions = await cluster.list_all("apps/v1/ControllerRevision")
    assert sorted(one["revision"] for one in revisions) == [1, 2]
    await update(cluster, "d:1")
    await run(cluster)
    assert sorted(one["revision"] for one in await cluster.list_all("apps/v1/ControllerRevision")) == [2, 3]


async def test_surge_starts_the_new_before_the_old_ends(cluster):
    await nodes(cluster, "a", "b")
    await cluster.run(NAME)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await cluster.apply(daemon_set(cluster, strategy=strategy))
    await run(cluster)
    await update(cluster, "d:2")
    await cluster.settle()
    assert len(await cluster.live_pods()) == 3
    await run(cluster)
    assert await images(cluster) == dict.fromkeys("ab", "d:2")
    assert len(await cluster.live_pods()) == 2


async def test_on_delete_waits(cluster):
    await nodes(cluster, "a")
    await cluster.run(NAME)
    await cluster.apply(daemon_set(cluster, strategy={"type": "OnDelete"}))
    await run(cluster)
    await update(cluster, "d:2")
    await run(cluster)
    assert await images(cluster) == {"a": "d:1"}
    (pod,) = await cluster.live_pods()
    await cluster.delete("Pod", pod.metadata.name, grace_period=0)
    await run(cluster)
    assert await images(cluster) == {"a": "d:2"}


async def test_failed_pods_are_replaced_later_and_later(cluster):
    await nodes(cluster, "a")
    await cluster.run(NAME)
    await cluster.apply(daemon_set(cluster))
    await run(cluster, 2)
    (first,) = await cluster.live_pods()
    await cluster.set_pod(first.metadata.name, phase="Failed", ready=False)
    await run(cluster, 2)
    (second,) = await cluster.live_pods()
    assert second.metadata.name != first.metadata.name
    text = f"Found failed daemon pod default/{first.metadata.name} on node a, will try to kill it"
    assert ("FailedDaemonPod", text) in await cluster.events("d")
    await cluster.set_pod(second.metadata.name, phase="Failed", ready=False)
    await cluster.settle(0.1)
    assert [pod.metadata.name for pod in await cluster.live_pods()] == [second.metadata.name]
    await cluster.settle(2)
    await run(cluster, 2)
    assert [pod.metadata.name for pod in await cluster.live_pods()] != [second.metadata.name]


async def test_steady_state_writes_nothing(cluster):
    await nodes(cluster, "a", "b")
    await cluster.run(NAME)
    await cluster.apply(daemon_set(cluster))
    await run(cluster)
    kinds = (KIND, "Pod", "apps/v1/ControllerRevision")
    before = [await cluster.list_all(kind) for kind in kinds]
    await cluster.stop_controllers()
    await cluster.run(NAME)
    await cluster.settle(30)
    assert [await cluster.list_all(kind) for kind in kinds] == before
