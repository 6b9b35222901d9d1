"""The whole kubelet over the fake runtime and a real API server in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.kubelet import config as configs
from pybernetes.kubelet import kubelet
from pybernetes.kubelet.cri import runtime, simulated
from pybernetes.testing import cluster as clusters

NODE = "n1"


class Node:
    """A cluster of an API server and one simulated node."""

    def __init__(self, cluster: clusters.Cluster, agent: kubelet.Kubelet, fake: simulated.FakeRuntime) -> None:
        self.cluster = cluster
        self.agent = agent
        self.runtime = fake
        self.pods = cluster.client.resource(core.Pod)

    async def create(self, name: str = "web", **spec: Any) -> core.Pod:
        """A pod that is bound to the node already."""
        annotations = spec.pop("annotations", {})
        spec.setdefault("containers", [{"name": "c", "image": "img"}])
        return await self.pods.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "annotations": annotations},
                "spec": {"nodeName": NODE, **spec},
            },
            "default",
        )

    async def until(self, condition: Callable[[core.Pod], bool], name: str = "web") -> core.Pod:
        """Wait for the pod to satisfy the condition."""

        def holds(pods: Sequence[dict[str, Any]]) -> bool:
            found = [pod for pod in pods if pod["metadata"]["name"] == name]
            return bool(found) and condition(msgspec.convert(found[0], core.Pod))

        pods = await self.cluster.wait("v1", "Pod", holds, "default")
        return next(msgspec.convert(pod, core.Pod) for pod in pods if pod["metadata"]["name"] == name)

    async def until_gone(self) -> None:
        """Wait for all pods to be removed."""
        await self.cluster.wait("v1", "Pod", lambda pods: not pods, "default")

    async def reasons(self) -> list[str]:
        """The reasons of all events, oldest first."""
        page = await self.cluster.client.resource(core.Event).list("default")
        return [one.reason for one in page.items]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    options = clusters.Options(controllers=(), scheduler=False, nodes=0)
    async with clusters.Cluster(options) as cluster:
        with contextlib.suppress(errors.AlreadyExists):
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            await cluster.client.resource(core.ServiceAccount).create(account, "default")
        fake = simulated.FakeRuntime(clocks.RealClock())
        config = configs.KubeletConfig(node_name=NODE, node_ip="192.0.2.1", simulated=True)
        agent = kubelet.Kubelet(cluster.as_user(f"system:node:{NODE}", "system:nodes"), cluster.clock, config, fake)
        running = asyncio.ensure_future(agent.run())
        ready = asyncio.ensure_future(agent.ready.wait())
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
        assert ready.done(), running.exception()
        yield Node(cluster, agent, fake)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def is_ready(pod: core.Pod) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)


async def test_registers_and_is_ready(node: Node) -> None:
    found = await node.cluster.client.resource(core.Node).get(NODE)
    assert {one.type: one.status for one in found.status.conditions} == {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "Ready": "True",
    }
    assert found.metadata.labels["kubernetes.io/hostname"] == NODE


async def test_new_labels_of_the_node_count_at_once(node: Node) -> None:
    """The scheduler hears of them by its watch, and the kubelet must not refuse what it sends."""
    await node.cluster.client.resource(core.Node).patch(NODE, {"metadata": {"labels": {"color": "green"}}})
    await node.create(nodeSelector={"color": "green"})
    assert (await node.until(is_ready)).status.phase == "Running"
    await node.create("other", nodeSelector={"color": "blue"})
    refused = await node.until(lambda pod: pod.status.phase == "Failed", "other")
    assert refused.status.reason == "NodeAffinity"


async def test_runs_a_pod_and_ends_it(node: Node) -> None:
    await node.create()
    pod = await node.until(is_ready)
    assert pod.status.phase == "Running"
    assert pod.status.podIP.startswith("10.244.0.")
    await node.pods.delete("web", "default")
    await node.until_gone()
    if await node.runtime.list_pod_sandboxes():
        async for event in node.runtime.events():
            if event.kind is runtime.EventKind.DELETED and not await node.runtime.list_pod_sandboxes():
                break


async def test_a_job_like_pod_succeeds(node: Node) -> None:
    await node.create(restartPolicy="Never", annotations={simulated.RUN_FOR: "0.01"})
    pod = await node.until(lambda pod: pod.status.phase == "Succeeded")
    ended = pod.status.containerStatuses[0].state.terminated
    assert ended is not None
    assert (ended.exitCode, ended.reason) == (0, "Completed")


async def test_a_failing_pod_fails(node: Node) -> None:
    await node.create(restartPolicy="Never", annotations={simulated.RUN_FOR: "0.01", simulated.EXIT_CODE: "3"})
    pod = await node.until(lambda pod: pod.status.phase == "Failed")
    ended = pod.status.containerStatuses[0].state.terminated
    assert ended is not None
    assert ended.exitCode == 3


async def test_a_crash_loop_backs_off(node: Node) -> None:
    await node.create(annotations={simulated.RUN_FOR: "0.01", simulated.EXIT_CODE: "1"})

    def backs_off(pod: core.Pod) -> bool:
        waiting = pod.status.containerStatuses[0].state.waiting if pod.status.containerStatuses else None
        return waiting is not None and waiting.reason == "CrashLoopBackOff"

    pod = await node.until(backs_off)
    assert pod.status.containerStatuses[0].restartCount == 1
    assert "BackOff" in await node.reasons()


async def test_init_containers_come_first(node: Node) -> None:
    started: list[str] = []

    def plan(config: dict[str, Any], _: dict[str, Any]) -> simulated.Plan:
        name = config["metadata"]["name"]
        started.append(name)
        return simulated.Plan(run_for=0.01 if name.startswith("i") else None)

    node.runtime._plan = plan
    containers = [{"name": name, "image": "img"} for name in ("i1", "i2")]
    await node.create(initContainers=containers)
    await node.until(is_ready)
    assert started == ["i1", "i2", "c"]


async def test_an_image_that_cannot_be_had(node: Node) -> None:
    node.runtime.unpullable.add("img:latest")
    await node.create()

    def waits(pod: core.Pod) -> bool:
        waiting = pod.status.containerStatuses[0].state.waiting if pod.status.containerStatuses else None
        return waiting is not None and waiting.reason in ("ErrImagePull", "ImagePullBackOff")

    await node.until(waits)
    assert "Failed" in await node.reasons()


async def test_a_stubborn_pod_gets_its_grace_period(node: Node) -> None:
    node.runtime._plan = lambda _, __: simulated.Plan(ignores_term=True)
    await node.create()
    await node.until(is_ready)
    await node.pods.delete("web", "default", grace_period=300)
    await node.until(lambda pod: pod.metadata.deletionTimestamp is not None)
    await node.pods.delete("web", "default", grace_period=1)
    await node.until_gone()


async def test_a_pod_that_does_not_fit_is_rejected(node: Node) -> None:
    await node.create(containers=[{"name": "c", "image": "img", "resources": {"requests": {"cpu": "1000"}}}])
    pod = await node.until(lambda pod: pod.status.phase == "Failed")
    assert pod.status.reason == "OutOfcpu"


async def test_pods_survive_a_new_kubelet(node: Node) -> None:
    await node.create()
    before = await node.until(is_ready)
    config = node.agent.config
    again = kubelet.Kubelet(node.agent.client, node.agent.clock, config, node.runtime)
    running = asyncio.ensure_future(again.run())
    await again.ready.wait()
    after = await node.until(is_ready)
    assert after.status.containerStatuses == before.status.containerStatuses
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_takes_back_what_others_wrote_into_its_status(node: Node) -> None:
    await node.create()
    await node.until(is_ready)
    foreign = [
        {"type": "PodScheduled", "status": "False", "reason": "SchedulerError"},
        {"type": "Ready", "status": "False"},
        {"type": "example.com/gate", "status": "True"},
    ]
    patch = {"status": {"phase": "Pending", "conditions": foreign}}
    written = await node.pods.patch("web", patch, "default", type="strategic", subresource="status")
    assert written.status.phase == "Pending"
    pod = await node.until(lambda one: one.status.phase == "Running" and is_ready(one))
    found = {one.type: (one.status, one.reason) for one in pod.status.conditions}
    assert (found["PodScheduled"], found["example.com/gate"]) == (("True", ""), ("True", ""))
