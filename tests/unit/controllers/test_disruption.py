"""PodDisruptionBudgets against a real API server, the ReplicaSet controller and evictions."""

import pytest

from pybernetes.apimachinery import errors

NAMES = ("disruption-controller", "replicaset-controller", "deployment-controller")
KIND = "policy/v1/PodDisruptionBudget"


async def budget(cluster, **spec):
    selector = {"selector": {"matchLabels": {"app": "web"}}}
    about = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}}
    await cluster.apply({**about, "spec": {**selector, **spec}})


async def status(cluster):
    found = (await cluster.get(KIND, "b"))["status"]
    names = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    return tuple(found[name] for name in names)


async def evict(cluster, name):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await cluster.client.dynamic("v1", "Pod").create_subresource(name, "eviction", body, "default")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 3}, (4, 3, 4, 1)),
        ({"minAvailable": "50%"}, (4, 2, 4, 2)),
        ({"maxUnavailable": 1}, (4, 3, 4, 1)),
        ({"maxUnavailable": "30%"}, (4, 2, 4, 2)),
        ({"maxUnavailable": 9}, (4, 0, 4, 4)),
        ({"minAvailable": 9}, (4, 9, 4, 0)),
    ],
)
async def test_counts(cluster, spec, expected):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 4))
    await budget(cluster, **spec)
    await cluster.settle()
    await cluster.start_pods()
    await cluster.settle()
    assert await status(cluster) == expected
    (condition,) = (await cluster.get(KIND, "b"))["status"]["conditions"]
    enough = expected[3] > 0
    assert (condition["status"], condition["reason"]) == (
        ("True", "SufficientPods") if enough else ("False", "InsufficientPods")
    )


async def test_evictions_take_turns(cluster):
    await cluster.run(*NAMES)
    await cluster.apply(cluster.workload("Deployment", "web", 3))
    await budget(cluster, minAvailable=2)
    await cluster.settle()
    await cluster.start_pods()
    await cluster.settle()
    first, second, _ = await cluster.live_pods()
    await evict(cluster, first.metadata.name)
    with pytest.raises(errors.TooManyRequests):
        await evict(cluster, second.metadata.name)
    await cluster.settle()
    await cluster.start_pods()
    await cluster.settle()
    assert await status(cluster) == (3, 2, 3, 1)
    await evict(cluster, second.metadata.name)


async def test_unmanaged_pods_are_told(cluster):
    await cluster.run(*NAMES)
    pod = {"apiVersion": "v1", "kind": "Pod", **cluster.template({"app": "web"})}
    pod["metadata"] = {**pod["metadata"], "name": "p"}
    await cluster.apply(pod)
    await budget(cluster, maxUnavailable=1)
    await cluster.settle()
    assert "UnmanagedPods" in [reason for reason, _ in await cluster.events("b")]


async def test_a_disruption_that_did_not_happen_is_taken_back(cluster):
    await cluster.run(*NAMES)
    pod = {"apiVersion": "v1", "kind": "Pod", **cluster.template({"app": "web"})}
    pod["metadata"] = {**pod["metadata"], "name": "p"}
    await cluster.apply(pod)
    await cluster.set_pod("p")
    await cluster.settle()
    since = (await cluster.get("Pod", "p"))["status"]["conditions"][0]["lastTransitionTime"]
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    status = {"conditions": [{**target, "lastTransitionTime": since}]}
    await cluster.patch("Pod", "p", {"status": status}, subresource="status")
    await cluster.settle(110)
    assert (await cluster.get("Pod", "p"))["status"]["conditions"][0]["status"] == "True"
    await cluster.settle(15)
    assert (await cluster.get("Pod", "p"))["status"]["conditions"][0]["status"] == "False"
