"""What a test may do with its cluster: copies, resets, looks back, switches, scripted containers."""

import gc
import weakref

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import errors
from pybernetes.kubelet.cri import runtime
from pybernetes.testing import objects
from pybernetes.testing.cluster import Cluster

COLORS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "colors"}, "data": {"sky": "blue"}}
GREY = {**COLORS, "data": {"sky": "grey"}}


def ready(number: int):  # type: ignore[no-untyped-def]
    return lambda pods: len(pods) == number and all(map(objects.is_ready, pods))


@pytest.mark.cluster(nodes=1, virtual=True)
async def test_a_fork_goes_its_own_way(cluster: Cluster) -> None:
    job = objects.pod("job", restartPolicy="Never")
    job["metadata"]["annotations"] = {"simulation.pybernetes.io/run-for": "60"}
    await cluster.apply(job)
    await cluster.apply(COLORS)
    assert isinstance(cluster.clock, clocks.VirtualClock)
    await cluster.clock.advance(40)
    async with cluster.fork() as copy:
        assert copy.objects() is not cluster.objects()
        assert copy.clock.now() == cluster.clock.now()
        await copy.apply(GREY)
        assert isinstance(copy.clock, clocks.VirtualClock)
        await copy.clock.advance(30)
        assert (await copy.get("v1", "Pod", "job"))["status"]["phase"] == "Succeeded"
        assert (await copy.get("v1", "ConfigMap", "colors"))["data"] == GREY["data"]
    assert (await cluster.get("v1", "Pod", "job"))["status"]["phase"] == "Running"
    assert (await cluster.get("v1", "ConfigMap", "colors"))["data"] == COLORS["data"]


@pytest.mark.cluster(nodes=1)
async def test_a_reset_begins_again(cluster: Cluster) -> None:
    first = cluster.objects()
    await cluster.kubeconfig()
    await cluster.apply(COLORS)
    await cluster.apply(objects.pod("a"))
    await cluster.wait("v1", "Pod", ready(1))
    await cluster.reset()
    with pytest.raises(errors.NotFound):
        await cluster.get("v1", "ConfigMap", "colors")
    names = {record.key for record in cluster.objects().records if "/events/" not in record.key}
    assert names == {record.key for record in first.records if "/events/" not in record.key}
    await cluster.apply(objects.pod("b"))
    await cluster.wait("v1", "Pod", ready(1))


async def test_nothing_is_left_of_what_a_reset_ends(cluster: Cluster) -> None:
    ended = [weakref.ref(one) for one in (cluster.server, cluster.client, cluster.controllers, *cluster.nodes)]
    await cluster.reset()
    gc.collect()
    assert [one() for one in ended] == [None] * len(ended)


@pytest.mark.cluster(nodes=0, controllers=(), scheduler=False)
async def test_the_past_can_be_read(cluster: Cluster) -> None:
    made = await cluster.apply(COLORS)
    await cluster.apply(GREY)
    await cluster.client.dynamic("v1", "ConfigMap").delete("colors", "default")
    past = cluster.at(made["metadata"]["resourceVersion"])
    assert await past.get("v1", "ConfigMap", "colors") == made
    assert [one["data"] for one in await past.list("v1", "ConfigMap", "default")] == [COLORS["data"]]
    with pytest.raises(errors.NotFound):
        await cluster.at(int(made["metadata"]["resourceVersion"]) - 1).get("v1", "ConfigMap", "colors")


@pytest.mark.cluster(nodes=0, scheduler=False)
async def test_controllers_are_switched_one_by_one(cluster: Cluster) -> None:
    assert cluster.controllers is not None
    await cluster.controllers.switch_off("replicaset-controller")
    await cluster.apply(objects.deployment("web", replicas=2))
    await cluster.settle()
    assert len(await cluster.list("apps/v1", "ReplicaSet")) == 1
    assert await cluster.list("v1", "Pod") == ()
    await cluster.controllers.switch_on("replicaset-controller")
    await cluster.settle()
    assert len(await cluster.list("v1", "Pod")) == 2


@pytest.mark.cluster(nodes=1)
async def test_containers_are_scripted(cluster: Cluster) -> None:
    pod = objects.pod("a")
    pod["metadata"]["annotations"] = {"simulation.pybernetes.io/output": "ready\n"}
    await cluster.apply(pod)
    await cluster.wait("v1", "Pod", ready(1))
    cluster.nodes[0].runtime.print("main", "served 1\n")
    assert await cluster.logs("a") == "ready\nserved 1\n"
    cluster.nodes[0].runtime.exec_results = lambda container, command: runtime.ExecResult(3, " ".join(command).encode())
    assert await cluster.exec("a", "ls", "/") == runtime.ExecResult(3, b"ls /")
    cluster.nodes[0].runtime.exit("main", 1)
    await cluster.wait("v1", "Pod", lambda pods: pods[0]["status"]["containerStatuses"][0]["restartCount"] == 1)
    assert await cluster.logs("a", previous=True) == "ready\nserved 1\n"
    assert await cluster.logs("a") == "ready\n"
