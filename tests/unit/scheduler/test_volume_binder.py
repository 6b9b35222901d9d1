"""Volumes that wait for their first consumer, on a real API server; the test plays controller and provisioner."""

from typing import Any


async def storage_class(cluster: Any, provisioner: str) -> None:
    """A class whose volumes wait."""
    made = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "later"},
        "provisioner": provisioner,
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    await cluster.client.dynamic("storage.k8s.io/v1", "StorageClass").create(made)


async def claim(cluster: Any) -> None:
    """A claim of that class."""
    spec = {
        "storageClassName": "later",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    made = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec}
    await cluster.client.dynamic("v1", "PersistentVolumeClaim").create(made, "default")


async def bind_claim(cluster: Any, volume: str) -> None:
    """The persistent volume controller's part."""
    annotations = {"pv.kubernetes.io/bind-completed": "yes"}
    patch = {"metadata": {"annotations": annotations}, "spec": {"volumeName": volume}}
    await cluster.client.dynamic("v1", "PersistentVolumeClaim").patch("c", patch, "default")


VOLUMES = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]


async def test_a_provisioner_is_told_the_node(cluster: Any) -> None:
    await cluster.node("n1")
    await storage_class(cluster, "example.com/maker")
    await claim(cluster)
    await cluster.start()
    await cluster.pod("a", volumes=VOLUMES)
    claims = cluster.client.dynamic("v1", "PersistentVolumeClaim")

    async def told() -> bool:
        annotations = (await claims.get("c", "default"))["metadata"].get("annotations", {})
        return bool(annotations.get("volume.kubernetes.io/selected-node") == "n1")

    await cluster.until(told)
    assert await cluster.node_of("a") == ""
    assert (await cluster.get("a"))["status"]["nominatedNodeName"] == "n1"
    await bind_claim(cluster, "made")
    await cluster.bound("a")


async def test_a_free_volume_is_reserved(cluster: Any) -> None:
    await cluster.node("n1")
    await storage_class(cluster, "kubernetes.io/no-provisioner")
    await claim(cluster)
    volumes = cluster.client.dynamic("v1", "PersistentVolume")
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "later",
        "hostPath": {"path": "/data"},
    }
    await cluster.start()
    await cluster.pod("a", volumes=VOLUMES)
    assert "didn't find available persistent volumes to bind" in await cluster.refused("a")
    made = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": spec}
    await volumes.create(made)
    await volumes.patch("v", {"status": {"phase": "Available"}}, subresource="status")

    async def reserved() -> bool:
        return bool((await volumes.get("v"))["spec"].get("claimRef", {}).get("name") == "c")

    await cluster.until(reserved)
    await bind_claim(cluster, "v")
    await cluster.bound("a")


async def test_a_missing_claim(cluster: Any) -> None:
    await cluster.node("n1")
    await cluster.start()
    await cluster.pod("a", volumes=VOLUMES)
    expected = '0/1 nodes are available: persistentvolumeclaim "c" not found. not found'
    assert await cluster.refused("a") == expected
