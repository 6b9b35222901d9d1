"""The test cluster itself: Pods run on simulated nodes, on real and virtual time, and others can come in."""

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import kubeconfig, rest, transport
from pybernetes.kubelet.cri import runtime
from pybernetes.testing import objects
from pybernetes.testing.cluster import Cluster


def running(number: int):  # type: ignore[no-untyped-def]
    """A condition: so many Pods, all of them ready."""
    return lambda pods: len(pods) == number and all(map(objects.is_ready, pods))


@pytest.mark.cluster(nodes=2)
async def test_a_deployment_runs_on_simulated_nodes(cluster: Cluster) -> None:
    await cluster.apply(objects.deployment("web", replicas=4))
    pods = await cluster.wait("v1", "Pod", running(4))
    assert {pod["spec"]["nodeName"] for pod in pods} == {node.name for node in cluster.nodes}
    assert len({pod["status"]["podIP"] for pod in pods}) == 4
    (web,) = await cluster.wait(
        "apps/v1", "Deployment", lambda found: found[0].get("status", {}).get("readyReplicas") == 4
    )
    assert web["status"]["availableReplicas"] == 4


@pytest.mark.cluster(nodes=1)
async def test_probes_ask_the_simulated_runtime(cluster: Cluster) -> None:
    asked = []

    def answer(container: str, command: tuple[str, ...]) -> runtime.ExecResult:
        asked.append((container, *command))
        return runtime.ExecResult(0)

    cluster.nodes[0].runtime.exec_results = answer
    probe = {"httpGet": {"path": "/ready", "port": 80}}
    await cluster.apply(objects.pod("a", containers=[objects.container(readinessProbe=probe)]))
    await cluster.wait("v1", "Pod", running(1))
    assert asked == [("main", "httpGet", "/ready")]


@pytest.mark.cluster(nodes=1)
async def test_a_new_kubelet_finds_its_containers(cluster: Cluster) -> None:
    await cluster.apply(objects.pod("a"))
    (before,) = await cluster.wait("v1", "Pod", running(1))
    (node,) = cluster.nodes
    await node.stop()
    await node.start()
    await cluster.apply(objects.pod("b"))
    after = await cluster.wait("v1", "Pod", running(2))
    status = next(pod for pod in after if pod["metadata"]["name"] == "a")["status"]
    assert status["containerStatuses"] == before["status"]["containerStatuses"]


@pytest.mark.cluster(nodes=1, clock=clocks.VirtualClock())
async def test_time_passes_when_told_to(cluster: Cluster) -> None:
    assert isinstance(cluster.clock, clocks.VirtualClock)
    pod = objects.pod("a", restartPolicy="Never")
    pod["metadata"]["annotations"] = {"simulation.pybernetes.io/run-for": "3600"}
    await cluster.apply(pod)
    await cluster.clock.advance(3500)
    assert (await cluster.get("v1", "Pod", "a"))["status"]["phase"] == "Running"
    await cluster.clock.advance(200)
    assert (await cluster.get("v1", "Pod", "a"))["status"]["phase"] == "Succeeded"


@pytest.mark.cluster(nodes=1, controllers=(), scheduler=False)
async def test_others_come_in_by_kubeconfig(cluster: Cluster) -> None:
    path = await cluster.kubeconfig()
    loaded = kubeconfig.load(str(path))
    client = rest.Client(transport.HttpTransport(loaded.credentials(), cluster.clock), clock=cluster.clock)
    page = await client.resource(core.Node).list()
    assert [node.metadata.name for node in page.items] == ["simulated-1"]
    await client.close()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.cluster(nodes=1, controllers=(), scheduler=False)
async def test_nothing_is_sent_to_a_simulated_node(cluster: Cluster) -> None:
    await cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    await cluster.apply(objects.pod("a", node="simulated-1"))
    await cluster.wait("v1", "Pod", running(1))
    for path in ("pods/a/log", "pods/a/proxy/"):
        with pytest.raises((errors.InternalError, errors.ServiceUnavailable)):
            await cluster.client.raw("GET", f"/api/v1/namespaces/default/{path}")


@pytest.mark.cluster(nodes=0, controllers=(), scheduler=False)
@pytest.mark.parametrize("turn", [1, 2])
async def test_clusters_share_nothing(cluster: Cluster, turn: int) -> None:
    assert not [one for one in await cluster.list("v1", "ConfigMap") if one["metadata"]["name"] == "mine"]
    await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}})
