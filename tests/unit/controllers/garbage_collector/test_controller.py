"""Cascading deletion against a real API server."""

from pybernetes.apimachinery import errors

GC = "garbage-collector-controller"


async def exists(cluster, kind, name, namespace="default"):
    try:
        return await cluster.get(kind, name, namespace)
    except errors.NotFound:
        return None


async def family(cluster, *, block=True):
    """A ConfigMap `owner` that controls `child`, which owns `grandchild`."""
    owner = await cluster.apply(cluster.config_map("owner"))
    child = await cluster.apply(
        cluster.config_map("child", cluster.owner(owner, controller=True, blockOwnerDeletion=block))
    )
    await cluster.apply(cluster.config_map("grandchild", cluster.owner(child, blockOwnerDeletion=block)))
    await cluster.settle()


async def names(cluster):
    found = await cluster.list_all("ConfigMap")
    return sorted(one["metadata"]["name"] for one in found if one["metadata"]["name"] != "kube-root-ca.crt")


async def test_background_deletion_takes_dependents(cluster):
    """Seed M6: in the background dependents follow."""
    await cluster.run(GC)
    await family(cluster)
    await cluster.delete("ConfigMap", "owner", propagation="Background")
    await cluster.settle()
    assert await names(cluster) == []


async def test_foreground_deletion_takes_dependents_first(cluster):
    """Seed M6: in the foreground dependents go first."""
    await cluster.run(GC)
    await family(cluster)
    await cluster.patch("ConfigMap", "grandchild", {"metadata": {"finalizers": ["example.com/hold"]}})
    await cluster.delete("ConfigMap", "owner", propagation="Foreground")
    await cluster.settle()
    assert await names(cluster) == ["child", "grandchild", "owner"]
    owner = await cluster.get("ConfigMap", "owner")
    assert owner["metadata"]["finalizers"] == ["foregroundDeletion"]
    await cluster.patch("ConfigMap", "grandchild", {"metadata": {"finalizers": None}})
    await cluster.settle()
    assert await names(cluster) == []


async def test_foreground_deletion_waits_only_for_blocking_dependents(cluster):
    await cluster.run(GC)
    await family(cluster, block=False)
    await cluster.patch("ConfigMap", "child", {"metadata": {"finalizers": ["example.com/hold"]}})
    await cluster.delete("ConfigMap", "owner", propagation="Foreground")
    await cluster.settle()
    assert "owner" not in await names(cluster)


async def test_orphans_live_on_without_owner(cluster):
    """Seed M6: orphans live on without an owner."""
    await cluster.run(GC)
    await family(cluster)
    await cluster.delete("ConfigMap", "owner", propagation="Orphan")
    await cluster.settle()
    assert await names(cluster) == ["child", "grandchild"]
    child = await cluster.get("ConfigMap", "child")
    assert "ownerReferences" not in child["metadata"]


async def test_absent_owner_counts_as_deleted(cluster):
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "no-such-uid"}
    await cluster.apply(cluster.config_map("child", reference))
    await cluster.run(GC)
    await cluster.settle()
    assert await names(cluster) == []


async def test_one_living_owner_keeps_the_dependent(cluster):
    await cluster.run(GC)
    first = await cluster.apply(cluster.config_map("first"))
    second = await cluster.apply(cluster.config_map("second"))
    await cluster.apply(cluster.config_map("child", cluster.owner(first), cluster.owner(second)))
    await cluster.settle()
    await cluster.delete("ConfigMap", "first")
    await cluster.settle()
    child = await cluster.get("ConfigMap", "child")
    assert [one["name"] for one in child["metadata"]["ownerReferences"]] == ["second"]


async def test_deletions_while_it_was_away_are_made_good(cluster):
    await cluster.run(GC)
    await family(cluster)
    await cluster.stop_controllers()
    await cluster.delete("ConfigMap", "owner")
    await cluster.settle()
    assert await names(cluster) == ["child", "grandchild"]
    await cluster.run(GC)
    await cluster.settle()
    assert await names(cluster) == []


async def test_owner_in_another_namespace_is_no_owner(cluster):
    await cluster.run(GC)
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    owner = await cluster.apply(cluster.config_map("owner"), "other")
    child = await cluster.apply(cluster.config_map("child", cluster.owner(owner)))
    await cluster.settle()
    assert await names(cluster) == []
    text = (
        f"ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {owner['metadata']['uid']}] "
        'does not exist in namespace "default"'
    )
    assert await cluster.events(child["metadata"]["name"]) == [("OwnerRefInvalidNamespace", text)]
    assert await exists(cluster, "ConfigMap", "owner", "other")


async def test_same_name_with_another_uid_is_another_owner(cluster):
    await cluster.run(GC)
    await family(cluster)
    await cluster.stop_controllers()
    await cluster.delete("ConfigMap", "owner")
    await cluster.apply(cluster.config_map("owner"))
    await cluster.run(GC)
    await cluster.settle()
    assert await names(cluster) == ["owner"]


async def test_circle_of_foreground_deletions_ends(cluster):
    await cluster.run(GC)
    first = await cluster.apply(cluster.config_map("first"))
    second = await cluster.apply(cluster.config_map("second", cluster.owner(first, blockOwnerDeletion=True)))
    reference = cluster.owner(second, blockOwnerDeletion=True)
    await cluster.patch("ConfigMap", "first", {"metadata": {"ownerReferences": [reference]}})
    await cluster.settle()
    await cluster.delete("ConfigMap", "first", propagation="Foreground")
    await cluster.settle(2.0)
    assert await names(cluster) == []


async def test_replica_set_takes_its_pods_along(cluster):
    await cluster.run(GC, "replicaset-controller", "deployment-controller")
    await cluster.apply(cluster.workload("Deployment", "web", 2))
    await cluster.settle()
    assert len(await cluster.live_pods()) == 2
    await cluster.delete("apps/v1/Deployment", "web")
    await cluster.settle()
    await cluster.reap()
    await cluster.settle()
    assert await cluster.list_all("apps/v1/ReplicaSet") == []
    assert await cluster.list_all("Pod") == []


async def test_custom_resources_are_followed(cluster):
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "wheels.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "wheels", "singular": "wheel", "kind": "Wheel", "listKind": "WheelList"},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    await cluster.run(GC)
    await cluster.apply(definition, "")
    await cluster.settle(10.0)
    owner = await cluster.apply(cluster.config_map("owner"))
    wheel = {"apiVersion": "example.com/v1", "kind": "Wheel"}
    await cluster.apply({**wheel, "metadata": {"name": "front", "ownerReferences": [cluster.owner(owner)]}})
    await cluster.settle()
    await cluster.delete("ConfigMap", "owner", propagation="Orphan")
    await cluster.settle()
    front = await cluster.get("example.com/v1/Wheel", "front")
    assert "ownerReferences" not in front["metadata"]
    await cluster.apply({**wheel, "metadata": {"name": "rear", "ownerReferences": [cluster.owner(front)]}})
    await cluster.settle()
    await cluster.delete("example.com/v1/Wheel", "front")
    await cluster.settle()
    assert await cluster.list_all("example.com/v1/Wheel") == []
