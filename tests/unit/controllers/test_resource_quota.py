"""ResourceQuotas against a real API server."""

NAME = "resourcequota-controller"
KIND = "ResourceQuota"


async def used(cluster):
    status = (await cluster.get(KIND, "q"))["status"]
    assert status["hard"].keys() == status["used"].keys()
    return status["used"]


async def test_counts_what_it_names(cluster):
    await cluster.run(NAME)
    hard = {"pods": "5", "requests.cpu": "2", "count/deployments.apps": "3", "secrets": "9"}
    await cluster.apply({"apiVersion": "v1", "kind": KIND, "metadata": {"name": "q"}, "spec": {"hard": hard}})
    await cluster.settle(1)
    assert await used(cluster) == {"pods": "0", "requests.cpu": "0", "count/deployments.apps": "0", "secrets": "0"}
    for number in range(2):
        template = cluster.template({}, nodeName="n")
        template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "300m"}}
        pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": f"p{number}"}}
        await cluster.apply(pod)
    await cluster.apply(cluster.workload("Deployment", "web", 0))
    await cluster.settle(1)
    expected = {"pods": "2", "requests.cpu": "600m", "count/deployments.apps": "1", "secrets": "0"}
    assert await used(cluster) == expected
    await cluster.set_pod("p0", phase="Succeeded")
    await cluster.delete("Pod", "p1", grace_period=0)
    await cluster.settle(1)
    assert await used(cluster) == {**expected, "pods": "0", "requests.cpu": "0"}
    await cluster.patch(KIND, "q", {"spec": {"hard": {"pods": "7", "secrets": None}}})
    await cluster.settle(1)
    found = (await cluster.get(KIND, "q"))["status"]
    assert found["hard"] == {"pods": "7", "requests.cpu": "2", "count/deployments.apps": "3"}
    assert "secrets" not in found["used"]
