"""Seeds K1 to K4, K6, K7: the kubelet's part of the journey, with real containers."""

import asyncio
import base64
import json
import pathlib
from typing import Any

import pytest
from tests.node.kubelet import registries
from tests.node.kubelet.real_node import NODE, Node

from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps
from pybernetes.cluster import images
from pybernetes.testing import cluster as clusters

pytestmark = pytest.mark.node


async def test_a_pod_is_seen_when_it_is_bound(node: Node) -> None:
    """Seed K1: with the kubelet's field selector a Pod appears, as ADDED, when it is bound."""
    selector = f"spec.nodeName={NODE}"
    page = await node.pods.list("default", field_selector=selector)
    await node.run("late", nodeName="")
    assert not (await node.pods.list("default", field_selector=selector)).items
    target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "late"}, "target": target}
    await node.pods.create_subresource("late", "binding", binding, "default")
    watch = node.pods.watch("default", resource_version=page.resource_version, field_selector=selector)
    async with watch:
        first = await anext(watch)
    assert (first.type, first.object.metadata.name, first.object.spec.nodeName) == ("ADDED", "late", NODE)
    await node.ready("late")
    assert [pod.metadata.name for pod in (await node.pods.list("default", field_selector=selector)).items] == ["late"]


class Shown:
    """What `kubectl get pods --watch` shows of a Pod: each new STATUS."""

    def __init__(self, node: Node, name: str) -> None:
        self.states: list[str] = []
        self._node = node
        self._name = name

    async def until(self, state: str) -> None:
        """Follow from the start until the Pod shows this."""
        query = [("watch", "true"), ("fieldSelector", f"metadata.name={self._name}")]
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        path = "/api/v1/namespaces/default/pods"
        async with asyncio.timeout(clusters.PATIENCE):
            rows = await self._node.cluster.client.transport.stream("GET", path, query=query, headers=accept)
            async for line in rows:
                shown = json.loads(line)["object"]["rows"][0]["cells"][2]
                if self.states[-1:] != [shown]:
                    self.states.append(shown)
                if shown == state:
                    break
            await rows.close()


async def test_init_containers_run_in_order(node: Node, tmp_path: pathlib.Path) -> None:
    """Seed K2: one after another; Init:0/2, Init:1/2, PodInitializing, Running; a failing one Init:CrashLoopBackOff."""

    def init(name: str, script: str) -> dict[str, Any]:
        mounts = [{"name": "h", "mountPath": "/h"}]
        command = ["sh", "-c", script]
        return {"name": name, "image": images.DEMO_IMAGE, "command": command, "volumeMounts": mounts}

    waits = "echo %s >> /h/log; while [ ! -e /h/%s ]; do sleep 0.1; done"
    inits = [init(name, waits % (name, name)) for name in ("one", "two")]
    log = tmp_path / "h" / "log"
    log.parent.mkdir()
    log.touch()
    volumes = [{"name": "h", "hostPath": {"path": str(tmp_path / "h")}}]
    await node.run("slow", initContainers=inits, volumes=volumes)
    shown = Shown(node, "slow")
    for index, name in enumerate(("one", "two")):
        await shown.until(f"Init:{index}/2")
        await node.until("slow", lambda pod, at=index: pod.status.initContainerStatuses[at].state.running is not None)
        assert log.read_text().split() in (["one", "two"][:index], ["one", "two"][: index + 1])
        (tmp_path / "h" / name).touch()
    await shown.until("Running")
    assert log.read_text().split() == ["one", "two"]
    states = [state for state in shown.states if state != "Pending"]
    assert list(dict.fromkeys(states)) == ["Init:0/2", "Init:1/2", "PodInitializing", "Running"]

    await node.run("broken", initContainers=[init("bad", "exit 1")], volumes=volumes)
    await Shown(node, "broken").until("Init:CrashLoopBackOff")


@pytest.mark.slow
async def test_restarts_back_off(node: Node) -> None:
    """Seed K3: a container that always fails: at once, after 10 s, after 20 s, and 40 s are next."""
    await node.run("crash", "sh", "-c", "exit 1")
    gaps = []
    for count in (1, 2, 3):

        def ended(pod: core.Pod, wanted: int = count) -> bool:
            of = pod.status.containerStatuses
            return bool(of) and of[0].restartCount == wanted and of[0].lastState.terminated is not None

        pod = await node.until("crash", ended)
        status = pod.status.containerStatuses[0]
        now = status.state.terminated or status.state.running or status.lastState.terminated
        before = status.lastState.terminated
        assert now is not None
        assert before is not None
        gaps.append((timestamps.parse(now.startedAt or "") - timestamps.parse(before.finishedAt or "")).total_seconds())
    assert [round(gap, -1) for gap in gaps] == [0, 10, 20], gaps

    def waits(pod: core.Pod) -> bool:
        waiting = pod.status.containerStatuses[0].state.waiting
        return waiting is not None and "back-off 40s restarting failed container=c" in waiting.message

    await node.until("crash", waits)


async def test_private_images_need_their_secret(node: Node) -> None:
    """Seed K3: a private registry on loopback: refused without the pull secret, pulled with it."""
    with registries.PrivateRegistry("me", "pass") as registry:
        pull = {"image": registry.image, "imagePullPolicy": "Always"}
        await node.run("without", container=pull)
        login = {"auths": {registry.address: {"username": "me", "password": "pass"}}}
        secret = {".dockerconfigjson": base64.b64encode(json.dumps(login).encode()).decode()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": secret}
        await node.cluster.apply({**body, "type": "kubernetes.io/dockerconfigjson"})
        await Shown(node, "without").until("ErrImagePull")
        await node.run("with", container=pull, imagePullSecrets=[{"name": "login"}])
        await node.ready("with")
        await node.run("later", container={"image": registry.image, "imagePullPolicy": "IfNotPresent"})
        await Shown(node, "later").until("ErrImagePull")


async def test_status_follows_the_containers(node: Node) -> None:
    """Seed K4: Pending, then Running with its four conditions and its addresses."""
    since = (await node.pods.list("default")).resource_version
    await node.run("plain")
    await node.ready("plain")
    phases: list[str] = []
    async with node.pods.watch("default", resource_version=since) as events:
        async for event in events:
            pod = event.object
            phases.append(pod.status.phase)
            true = {one.type for one in pod.status.conditions if one.status == "True"}
            if "Ready" in true:
                break
    assert list(dict.fromkeys(phases)) == ["Pending", "Running"]
    assert true >= {"PodScheduled", "Initialized", "ContainersReady", "Ready"}
    assert [one.ip for one in pod.status.podIPs] == [pod.status.podIP]


async def test_a_pod_that_ignores_sigterm(node: Node, tmp_path: pathlib.Path) -> None:
    """Seed K6: preStop, SIGTERM, the grace period, SIGKILL; meanwhile it is Terminating."""
    mount = {"name": "h", "mountPath": "/h"}
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo stopping >> /h/log"]}}}
    volume = {"name": "h", "hostPath": {"path": str(tmp_path / "h"), "type": "DirectoryOrCreate"}}
    await node.run(
        "stubborn",
        *("sh", "-c", "trap 'echo terminating >> /h/log' TERM; while :; do sleep 0.1; done"),
        container={"volumeMounts": [mount], "lifecycle": hook},
        volumes=[volume],
        terminationGracePeriodSeconds=2,
    )
    pod = await node.ready("stubborn")
    asked = node.cluster.clock.monotonic()
    await node.pods.delete("stubborn", "default")
    await Shown(node, "stubborn").until("Terminating")
    last = pod
    async with node.pods.watch("default", resource_version=pod.metadata.resourceVersion) as events:
        async for event in events:
            if event.type == "DELETED":
                break
            last = event.object
    assert node.cluster.clock.monotonic() - asked >= 2.0
    assert (tmp_path / "h" / "log").read_text() == "stopping\nterminating\n"
    ended = last.status.containerStatuses[0].state.terminated
    assert ended is not None
    assert ended.exitCode == 137


async def test_only_its_kubelet_ends_a_pod(node: Node) -> None:
    """Seed K7: without its kubelet a Pod stays Terminating; the next kubelet reports the end and removes it."""
    await node.run("last")
    pod = await node.ready("last")
    await node.stop()
    await node.pods.delete("last", "default", grace_period=1)
    since = pod.metadata.resourceVersion
    async with node.pods.watch("default", resource_version=since, timeout=2.0) as events:
        seen = [event.type async for event in events if event.type != "BOOKMARK"]
    assert seen == ["MODIFIED"]
    await Shown(node, "last").until("Terminating")
    node.replace()
    await node.start()
    changes = []
    async with node.pods.watch("default", resource_version=since) as events:
        async for event in events:
            changes.append(event)
            if event.type == "DELETED":
                break
    assert changes[-1].object.metadata.deletionGracePeriodSeconds == 0
    ended = changes[-1].object.status.containerStatuses[0].state.terminated
    assert ended is not None
