"""The kubelet with real containers, against a real API server in memory."""

import asyncio
import base64
import json
import pathlib

import pytest
from tests.node.kubelet import real_node
from tests.node.kubelet.real_node import NODE, Node

from pybernetes.api.types import core
from pybernetes.cluster import images
from pybernetes.http import spdy, websocket
from pybernetes.kubelet.cri import client as cri_client

pytestmark = pytest.mark.node


async def test_a_pod_serves_its_name_and_goes(node: Node, prefix: str) -> None:
    await node.run("web")
    pod = await node.ready("web")
    assert pod.status.podIP.startswith(prefix)
    answer = await node.http.request("GET", f"http://{pod.status.podIP}:8080/")
    assert answer.body == b"web\n"
    await node.delete("web")
    assert not list((node.agent.config.root_dir / "pods" / pod.metadata.uid).glob("volumes/*/*"))


async def test_volumes_and_variables(node: Node) -> None:
    await node.cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "one"}}
    )
    secret = {"pw": base64.b64encode(b"hidden").decode()}
    await node.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": secret})
    mounts = {"cm": "/cm", "s": "/s", "mem": "/mem"}
    await node.run(
        "vols",
        container={
            "env": [
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            "volumeMounts": [
                *({"name": name, "mountPath": path} for name, path in mounts.items()),
                {"name": "cm", "mountPath": "/sub", "subPath": "a"},
            ],
        },
        volumes=[
            {"name": "cm", "configMap": {"name": "cm"}},
            {"name": "s", "secret": {"secretName": "s"}},
            {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        ],
    )
    pod = await node.ready("vols")
    assert await node.sh("vols", "echo $A $IP; cat /cm/a /s/pw /sub") == f"one {pod.status.podIP}\nonehiddenone"
    assert "tmpfs" in await node.sh("vols", "mount | grep ' /mem '")
    token = await node.sh("vols", "cat /var/run/secrets/kubernetes.io/serviceaccount/token")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["kubernetes.io"]["pod"]["uid"] == pod.metadata.uid

    await node.cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "two"}}
    )
    script = "for i in $(seq 50); do grep -q two /cm/a && break; sleep 0.1; done; cat /cm/a /sub"
    assert await node.sh("vols", script) == "twoone"


async def test_init_containers_share_files(node: Node) -> None:
    share = {"name": "d", "mountPath": "/d"}
    init = {
        "name": "i",
        "image": images.DEMO_IMAGE,
        "command": ["sh", "-c", "echo made > /d/x"],
        "volumeMounts": [share],
    }
    await node.run(
        "shared", initContainers=[init], container={"volumeMounts": [share]}, volumes=[{"name": "d", "emptyDir": {}}]
    )
    pod = await node.ready("shared")
    assert pod.status.initContainerStatuses[0].ready
    assert await node.sh("shared", "cat /d/x") == "made\n"


async def test_a_failure_says_why(node: Node) -> None:
    await node.run("bad", "sh", "-c", "echo reason > /dev/termination-log; exit 7", restartPolicy="Never")
    pod = await node.until("bad", lambda pod: pod.status.phase == "Failed")
    ended = pod.status.containerStatuses[0].state.terminated
    assert ended is not None
    assert (ended.exitCode, ended.reason, ended.message) == (7, "Error", "reason\n")


async def test_liveness_restarts(node: Node) -> None:
    probe = {"exec": {"command": ["test", "!", "-e", "/tmp/sick"]}, "periodSeconds": 1, "failureThreshold": 1}
    await node.run("sick", "sleep", "1000", container={"livenessProbe": probe}, terminationGracePeriodSeconds=1)
    await node.ready("sick")
    await node.sh("sick", "touch /tmp/sick")
    pod = await node.until("sick", lambda pod: pod.status.containerStatuses[0].restartCount == 1)
    assert pod.status.containerStatuses[0].lastState.terminated is not None
    await node.delete("sick")


async def test_hooks_run_before_the_end(node: Node, tmp_path: pathlib.Path) -> None:
    mount = {"name": "h", "mountPath": "/h"}
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo started >> /h/log"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping >> /h/log"]}},
    }
    volume = {"name": "h", "hostPath": {"path": str(tmp_path / "h"), "type": "DirectoryOrCreate"}}
    await node.run("hooked", container={"volumeMounts": [mount], "lifecycle": hooks}, volumes=[volume])
    await node.ready("hooked")
    await node.delete("hooked")
    assert (tmp_path / "h" / "log").read_text() == "started\nstopping\n"


async def test_logs_and_sessions(node: Node) -> None:
    serving = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    await node.run("talk", "sh", "-c", "echo hello; exec httpd -f -p 8080 -h /etc", container=serving)
    await node.ready("talk")
    assert await node.log("talk") == "hello\n"

    query = "command=sh&command=-c&command=cat%3Bexit%203&input=1&output=1&error=1"
    url = node.url(f"/exec/default/talk/c?{query}")
    opened = await websocket.connect(node.http, url, node.headers, ["v5.channel.k8s.io"], clock=node.cluster.clock)
    await opened.send(b"\x00typed")
    await opened.send(b"\xff\x00")
    messages = []
    while (message := await opened.receive()) is not None:
        if len(message.data) > 1:
            messages.append(message.data)
    assert messages[0] == b"\x01typed"
    assert json.loads(messages[-1][1:])["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]

    headers = [*node.headers, ("X-Stream-Protocol-Version", "portforward.k8s.io")]
    upgraded = await node.http.upgrade("POST", node.url("/portForward/default/talk"), headers, "SPDY/3.1")
    session = spdy.Session(upgraded.stream, clock=node.cluster.clock)
    reading = asyncio.ensure_future(session.run())
    session.open({"streamtype": "error", "port": "8080", "requestid": "0"}).write_eof()
    data = session.open({"streamtype": "data", "port": "8080", "requestid": "0"})
    await data.write(b"GET /passwd HTTP/1.0\r\n\r\n")
    assert (await data.read()).startswith(b"HTTP/1.1 200 OK")
    await session.close()
    await reading


async def test_the_server_asks_who_is_there(node: Node) -> None:
    assert (await node.http.request("GET", node.url("/pods"))).status == 401
    forged = [("Authorization", "Bearer nonsense")]
    assert (await node.http.request("GET", node.url("/pods"), forged)).status == 401
    accounts = node.cluster.client.resource(core.ServiceAccount)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    weak = (await accounts.create_subresource("default", "token", request, "default"))["status"]["token"]
    answer = await node.http.request("GET", node.url("/pods"), [("Authorization", f"Bearer {weak}")])
    assert answer.status == 403
    assert b"resource=nodes, subresource(s)=[pods proxy]" in answer.body
    allowed = await node.http.request("GET", node.url("/pods"), node.headers)
    assert json.loads(allowed.body)["kind"] == "PodList"


async def test_a_new_kubelet_leaves_containers_alone(node: Node) -> None:
    await node.run("steady")
    before = await node.ready("steady")
    await node.stop()
    node.replace()
    await node.start()
    pod = await node.ready("steady")
    assert pod.status.containerStatuses == before.status.containerStatuses


async def test_a_static_pod_outlives_its_mirror(node: Node, tmp_path: pathlib.Path) -> None:
    """Seed K5: it runs without the API; and a new version of it begins when the old one has ended."""
    folder = pathlib.Path(node.agent.config.static_pod_path)
    name = f"fixed-{NODE}"

    def write(version: str) -> None:
        script = f"trap 'sleep 0.3; echo {version} ended >> /log/all; exit' TERM; echo {version} began >> /log/all; "
        container = {
            "name": "c",
            "image": images.DEMO_IMAGE,
            "command": ["sh", "-c", script + "while :; do sleep 0.05; done"],
            "volumeMounts": [{"name": "log", "mountPath": "/log"}],
        }
        spec = {"containers": [container], "volumes": [{"name": "log", "hostPath": {"path": str(tmp_path)}}]}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fixed"}, "spec": spec}
        (folder / ".part").write_text(json.dumps(manifest))
        (folder / ".part").rename(folder / "fixed.json")

    write("one")
    mirror = await node.ready(name)
    started = mirror.status.containerStatuses[0].containerID
    await node.pods.delete(name, "default", grace_period=0)
    again = await node.until(
        name, lambda pod: pod.metadata.uid != mirror.metadata.uid and pod.status.phase == "Running"
    )
    assert again.status.containerStatuses[0].containerID == started
    write("two")
    await node.until(name, lambda pod: bool(pod.status.containerStatuses) and started not in _ids(pod) and _runs(pod))
    (folder / "fixed.json").unlink()
    await node.cluster.wait("v1", "Pod", lambda pods: not pods, "default")
    assert (tmp_path / "all").read_text().splitlines() == ["one began", "one ended", "two began", "two ended"]


def _ids(pod: core.Pod) -> list[str]:
    return [one.containerID for one in pod.status.containerStatuses]


def _runs(pod: core.Pod) -> bool:
    return all(one.state.running is not None for one in pod.status.containerStatuses)


async def test_a_log_is_followed_over_its_rotation(real: cri_client.CriClient, tmp_path: pathlib.Path) -> None:
    settings = {"container_log_max_size": 10_000, "container_log_max_files": 3, "container_log_monitor_interval": 0.2}
    script = "for i in $(seq 20); do head -c 3000 /dev/zero | tr '\\0' x; echo; sleep 0.1; done; echo done; sleep 1000"
    async with real_node.start(real, tmp_path, **settings) as node:
        await node.run("wordy", "sh", "-c", script, terminationGracePeriodSeconds=1)
        pod = await node.ready("wordy")
        url = node.url("/containerLogs/default/wordy/c?follow=true")
        text = b""
        async with await node.http.stream("GET", url, node.headers, b"", None) as answer:
            async for piece in answer:
                text += piece
                if text.endswith(b"done\n"):
                    break
        assert text == (b"x" * 3000 + b"\n") * 20 + b"done\n"
        (folder,) = (tmp_path / "logs").glob(f"*_{pod.metadata.uid}/c")

        def names() -> list[str]:
            return sorted(one.name for one in folder.iterdir())

        async with asyncio.timeout(30):
            while not any(name.endswith(".gz") for name in names()):  # nothing tells when a thread has compressed one
                await node.agent.clock.sleep(0.1)
        assert names()[0] == "0.log"
        assert len(names()) == 3


async def test_a_debug_container_joins_a_running_pod(node: Node) -> None:
    await node.run("plain")
    await node.ready("plain")
    debug = {"name": "debug", "image": images.DEMO_IMAGE, "targetContainerName": "c", "command": ["sleep", "1000"]}
    patch = {"spec": {"ephemeralContainers": [debug]}}
    await node.pods.patch("plain", patch, "default", type="strategic", subresource="ephemeralcontainers")

    def runs(pod: core.Pod) -> bool:
        return any(one.state.running is not None for one in pod.status.ephemeralContainerStatuses)

    pod = await node.until("plain", runs)
    assert pod.status.containerStatuses[0].restartCount == 0
    found = node.agent.pleg.statuses[pod.metadata.uid].find("debug")
    assert found is not None
    processes = await node.agent.cri.exec_sync(found.id, ["ps"], 5)
    assert b"httpd" in processes.stdout


async def test_resizing_in_place(node: Node) -> None:
    small = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    await node.run("elastic", container={"resources": small})
    before = await node.ready("elastic")
    large = {"requests": {"cpu": "150m", "memory": "48Mi"}, "limits": {"cpu": "300m", "memory": "96Mi"}}
    patch = {"spec": {"containers": [{"name": "c", "resources": large}]}}
    await node.pods.patch("elastic", patch, "default", type="strategic", subresource="resize")

    def resized(pod: core.Pod) -> bool:
        given = pod.status.containerStatuses[0].resources
        return given is not None and given.limits.get("memory") == "96Mi" and not _resizing(pod)

    after = await node.until("elastic", resized)
    assert after.status.containerStatuses[0].restartCount == 0
    assert after.status.containerStatuses[0].containerID == before.status.containerStatuses[0].containerID
    assert after.status.observedGeneration == after.metadata.generation == 2
    script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null"
    assert await node.sh("elastic", script) == f"{96 * 2**20}\n"


def _resizing(pod: core.Pod) -> bool:
    return any(one.type.startswith("PodResize") for one in pod.status.conditions)
