"""Namespaces that are deleted, against a real API server."""

from pybernetes.apimachinery import errors

NS = "namespace-controller"
GRACE = 5.0


async def gone(cluster, name):
    try:
        await cluster.get("Namespace", name, "")
    except errors.NotFound:
        return True
    return False


async def make(cluster, name):
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "")


async def conditions(cluster, name):
    namespace = await cluster.get("Namespace", name, "")
    found = namespace["status"]["conditions"]
    return {one["type"]: (one["status"], one["reason"], one["message"]) for one in found}


async def test_everything_in_it_goes_with_it(cluster):
    await cluster.run(NS, "serviceaccount-controller")
    await make(cluster, "a")
    await cluster.apply(cluster.config_map("one"), "a")
    await cluster.apply(cluster.workload("Deployment", "web", 1), "a")
    await cluster.delete("Namespace", "a", "")
    await cluster.settle()
    assert (await cluster.get("Namespace", "a", ""))["status"]["phase"] == "Terminating"
    await cluster.settle(GRACE)
    assert await gone(cluster, "a")
    for kind in ("ConfigMap", "apps/v1/Deployment", "ServiceAccount"):
        assert await cluster.list_all(kind, "a") == []


async def test_says_what_finalizers_it_waits_for(cluster):
    await cluster.run(NS)
    await make(cluster, "a")
    await cluster.apply(cluster.config_map("one", finalizers=["example.com/hold"]), "a")
    await cluster.delete("Namespace", "a", "")
    await cluster.settle(GRACE + 0.1)
    assert await conditions(cluster, "a") == {
        "NamespaceDeletionDiscoveryFailure": (
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        ),
    }
    await cluster.patch("ConfigMap", "one", {"metadata": {"finalizers": None}}, "a")
    await cluster.settle(8.1)
    assert await gone(cluster, "a")


async def test_waits_for_pods_and_goes_at_once_after_the_last(cluster):
    await cluster.run(NS)
    await make(cluster, "a")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    spec = cluster.template({})["spec"]
    await cluster.apply({**pod, "spec": {**spec, "nodeName": "n1"}}, "a")
    await cluster.apply(cluster.config_map("one"), "a")
    await cluster.delete("Namespace", "a", "")
    await cluster.settle(GRACE + 0.1)
    assert len(await cluster.list_all("ConfigMap", "a")) == 1
    await cluster.reap("a")
    await cluster.settle(0.5)
    assert await gone(cluster, "a")


async def test_replica_set_gives_up_in_it(cluster):
    await cluster.run(NS, "replicaset-controller")
    await make(cluster, "a")
    await cluster.apply(cluster.workload("ReplicaSet", "web", 1, template=cluster.template({"app": "web"})), "a")
    await cluster.settle()
    await cluster.delete("Namespace", "a", "")
    await cluster.patch("apps/v1/ReplicaSet", "web", {"spec": {"replicas": 3}}, "a")
    await cluster.settle(GRACE - 1)
    assert len(await cluster.list_all("Pod", "a")) == 1
    assert [reason for reason, _ in await cluster.events("web", "a")] == ["SuccessfulCreate"]
