"""ResourceQuotas against a real API server: counted by the controller, enforced by admission."""

import re

import pytest

from pybernetes.apimachinery import errors

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


def pod(cluster, name, **resources):
    made = cluster.template({"app": "a"}, nodeName="n")
    made["spec"]["containers"][0]["resources"] = resources
    return {"apiVersion": "v1", "kind": "Pod", **made, "metadata": {"name": name}}


@pytest.mark.parametrize(
    ("hard", "scopes", "resources", "refused"),
    [
        ({"pods": "0"}, [], {}, "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"),
        (
            {"requests.cpu": "1", "requests.memory": "1Gi"},
            [],
            {"requests": {"cpu": "1500m", "memory": "2Gi"}},
            "exceeded quota: q, requested: requests.cpu=1500m,requests.memory=2Gi, "
            "used: requests.cpu=0,requests.memory=0, limited: requests.cpu=1,requests.memory=1Gi",
        ),
        (
            {"requests.cpu": "1", "memory": "1Gi"},
            [],
            {},
            "failed quota: q: must specify memory for: c; requests.cpu for: c",
        ),
        ({"limits.cpu": "1"}, [], {"requests": {"cpu": "1"}}, "failed quota: q: must specify limits.cpu for: c"),
        ({"pods": "0"}, ["BestEffort"], {"requests": {"cpu": "1"}}, ""),
        ({"pods": "0"}, ["NotBestEffort"], {"requests": {"cpu": "1"}}, "exceeded quota"),
        (
            {"count/pods": "0"},
            [],
            {},
            "exceeded quota: q, requested: count/pods=1, used: count/pods=0, limited: count/pods=0",
        ),
        ({"services": "0", "secrets": "0"}, [], {}, ""),
    ],
)
async def test_what_exceeds_is_refused(cluster, hard, scopes, resources, refused):
    await cluster.run(NAME)
    await cluster.quota("q", {"scopes": scopes} if scopes else None, **hard)
    made = pod(cluster, "p", **resources)
    if not refused:
        await cluster.apply(made)
        return
    with pytest.raises(errors.Forbidden, match=re.escape(f'pods "p" is forbidden: {refused}')):
        await cluster.apply(made)
    assert set((await used(cluster)).values()) == {"0"}


async def test_every_quota_is_charged_at_once(cluster):
    await cluster.run(NAME)
    await cluster.quota("q", **{"services.nodeports": "2"})
    await cluster.quota("other", services="9")
    await cluster.stop_controllers()
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    ports = [{"name": name, "port": number} for number, name in enumerate("abc", 80)]
    await cluster.apply({**service, "spec": {"type": "NodePort", "ports": ports[:1]}})
    assert await used(cluster) == {"services.nodeports": "1"}
    await cluster.patch("Service", "s", {"spec": {"ports": ports[:2]}})
    assert await used(cluster) == {"services.nodeports": "2"}
    with pytest.raises(errors.Forbidden, match=r"requested: services.nodeports=1, used: services.nodeports=2"):
        await cluster.patch("Service", "s", {"spec": {"ports": ports}})
    await cluster.patch("Service", "s", {"spec": {"ports": ports[:1]}})
    assert await used(cluster) == {"services.nodeports": "2"}  # only the controller gives back
    assert (await cluster.get(KIND, "other"))["status"]["used"] == {"services": "2"}  # with `kubernetes`


async def test_an_uncounted_quota_lets_nothing_pass(cluster):
    spec = {"hard": {"pods": "5"}}
    made = await cluster.apply({"apiVersion": "v1", "kind": KIND, "metadata": {"name": "q"}, "spec": spec})
    await cluster.patch(KIND, "q", {"status": {"hard": spec["hard"]}}, subresource="status")
    with pytest.raises(errors.Forbidden, match="status unknown for quota: q, resources: pods"):
        await cluster.apply(pod(cluster, "p"))
    assert made["spec"] == spec
