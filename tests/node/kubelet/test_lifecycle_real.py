"""The order of a pod's life: hooks, probes, sidecars, deadlines, last words."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from tests.node.kubelet.real_node import Node, free_port

from pybernetes.api.types import core
from pybernetes.cluster import images

pytestmark = pytest.mark.node

WAIT = "trap 'echo {0} ended >> /log/all; exit' TERM; echo {0} began >> /log/all; while :; do sleep 0.05; done"
MOUNTED = {"image": images.DEMO_IMAGE, "volumeMounts": [{"name": "log", "mountPath": "/log"}]}


def hooked(folder: pathlib.Path, **more: Any) -> dict[str, Any]:
    """A pod whose containers write to /log/all."""
    return {"volumes": [{"name": "log", "hostPath": {"path": str(folder)}}], **more}


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "command": ["sh", "-c", script], **MOUNTED, **more}


def lines(folder: pathlib.Path) -> list[str]:
    return (folder / "all").read_text().splitlines()


def restarted(pod: core.Pod) -> bool:
    return any(one.restartCount for one in pod.status.containerStatuses)


async def test_pre_stop_comes_before_sigterm(node: Node, tmp_path: pathlib.Path) -> None:
    hook = {
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping >> /log/all; sleep 0.2; echo last >> /log/all"]}}
    }
    await node.run("p", container=shell("c", WAIT.format("c"), lifecycle=hook), **hooked(tmp_path))
    await node.ready("p")
    await node.delete("p")
    assert lines(tmp_path) == ["c began", "stopping", "last", "c ended"]


async def test_hooks_by_http_and_sleep(node: Node, tmp_path: pathlib.Path) -> None:
    """The container asks itself: what its server wrote shows which paths were asked for."""
    script = (
        "mkdir -p /www/cgi-bin; printf '#!/bin/sh\\necho $REQUEST_URI >> /log/all\\necho; echo\\n' > /www/cgi-bin/hit; "
        "chmod +x /www/cgi-bin/hit; exec httpd -f -p 8080 -h /www"
    )
    hooks = {
        "postStart": {
            "exec": {
                "command": [
                    "sh",
                    "-c",
                    "until wget -qO /dev/null http://127.0.0.1:8080/cgi-bin/hit; do sleep 0.05; done",
                ]
            }
        },
        "preStop": {"httpGet": {"port": 8080, "path": "/cgi-bin/hit?bye"}},
    }
    await node.run("http", container=shell("c", script, lifecycle=hooks), **hooked(tmp_path))
    await node.ready("http")
    await node.delete("http")
    assert lines(tmp_path)[-1] == "/cgi-bin/hit?bye"
    sleeping = {"postStart": {"sleep": {"seconds": 1}}, "preStop": {"sleep": {"seconds": 1}}}
    await node.run("nap", container={"lifecycle": sleeping})
    pod = await node.ready("nap")
    before = asyncio.get_running_loop().time()
    await node.delete("nap")
    assert asyncio.get_running_loop().time() - before >= 1
    assert pod.status.containerStatuses[0].started


async def test_a_failing_post_start_kills(node: Node) -> None:
    bad = {"postStart": {"exec": {"command": ["sh", "-c", "echo why >&2; exit 3"]}}}
    await node.run("bad", "sleep", "1000", container={"lifecycle": bad}, terminationGracePeriodSeconds=1)
    pod = await node.until("bad", restarted)
    assert await node.event("bad") in ("PostStartHook failed", "Back-off restarting failed container c in pod bad")
    assert pod.status.containerStatuses[0].lastState.terminated is not None


async def test_pre_stop_has_the_grace_period(node: Node, tmp_path: pathlib.Path) -> None:
    hook = {"preStop": {"exec": {"command": ["sleep", "100"]}}}
    container = shell("c", WAIT.format("c"), lifecycle=hook)
    await node.run("slow", container=container, **hooked(tmp_path, terminationGracePeriodSeconds=1))
    await node.ready("slow")
    await node.delete("slow")  # the hook is cut off, then the program has two seconds, as upstream gives
    assert lines(tmp_path) == ["c began", "c ended"]


async def test_sidecars_begin_before_and_end_after(node: Node, tmp_path: pathlib.Path) -> None:
    sidecars = [shell(name, WAIT.format(name), restartPolicy="Always") for name in ("one", "two")]
    plain = shell("init", "echo init >> /log/all")
    await node.run(
        "side",
        container=shell("c", "echo c began >> /log/all; sleep 0.2; echo c ended >> /log/all"),
        **hooked(tmp_path, initContainers=[sidecars[0], plain, sidecars[1]], restartPolicy="Never"),
    )
    await node.until("side", lambda pod: pod.status.phase == "Succeeded")
    assert lines(tmp_path) == ["one began", "init", "two began", "c began", "c ended", "two ended", "one ended"]


async def test_startup_probe_holds_the_others_back(node: Node) -> None:
    probes = {
        "startupProbe": {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 100},
        "livenessProbe": {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 1},
    }
    await node.run("slow", "sleep", "1000", container=probes, terminationGracePeriodSeconds=1)
    pod = await node.until("slow", lambda pod: pod.status.phase == "Running")
    assert (pod.status.containerStatuses[0].started, pod.status.containerStatuses[0].ready) == (False, False)
    assert "Startup probe failed" in await node.event("slow")
    await node.sh("slow", "touch /tmp/up")
    pod = await node.ready("slow")
    assert not restarted(pod)


@contextlib.asynccontextmanager
async def health(port: int) -> AsyncIterator[list[int]]:
    """A gRPC health service on loopback; the list holds what it answers: 1 serving, 2 not."""
    answer = [1]

    async def check(_: bytes, __: Any) -> bytes:
        return bytes((0x08, answer[0]))

    server = grpc.aio.server()
    handler = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}
    )
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    yield answer
    await server.stop(0)


async def test_grpc_probe_flips(node: Node) -> None:
    """Seed D7: a gRPC readiness probe; and whoever speaks CRI sees the pod's sandbox."""
    port = free_port()
    probe = {"grpc": {"port": port}, "periodSeconds": 1, "failureThreshold": 1}
    async with health(port) as answer:
        await node.run("rpc", "sleep", "1000", hostNetwork=True, container={"readinessProbe": probe})
        pod = await node.ready("rpc")
        answer[0] = 2
        await node.until("rpc", lambda pod: not pod.status.containerStatuses[0].ready)
        assert await node.event("rpc") == 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")'
        answer[0] = 1
        await node.ready("rpc")
    (sandbox,) = await node.agent.cri.list_pod_sandboxes(pod.metadata.uid)
    assert (sandbox.name, sandbox.namespace) == ("rpc", "default")
    assert pod.status.podIP == node.agent.config.node_ip


async def test_a_deadline_ends_a_pod(node: Node) -> None:
    await node.run("late", "sleep", "1000", activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)
    pod = await node.until("late", lambda pod: pod.status.phase == "Failed")
    assert (pod.status.reason, pod.status.message) == (
        "DeadlineExceeded",
        "Pod was active on the node longer than the specified deadline",
    )


@pytest.mark.parametrize(
    ("script", "policy", "message"),
    [
        ("echo in log; exit 1", "FallbackToLogsOnError", "in log\n"),
        ("echo in log", "FallbackToLogsOnError", ""),
        ("echo in log; exit 1", "File", ""),
        ("echo in log; printf file > /last/words; exit 1", "FallbackToLogsOnError", "file"),
    ],
)
async def test_last_words(node: Node, script: str, policy: str, message: str) -> None:
    container = {"terminationMessagePolicy": policy, "terminationMessagePath": "/last/words"}
    await node.run("words", "sh", "-c", script, container=container, restartPolicy="Never")
    pod = await node.until("words", lambda pod: pod.status.phase in ("Succeeded", "Failed"))
    ended = pod.status.containerStatuses[0].state.terminated
    assert ended is not None
    assert ended.message == message


async def test_a_missing_pull_secret_is_told(node: Node) -> None:
    await node.run("plain", imagePullSecrets=[{"name": "none"}])
    await node.ready("plain")
    assert (await node.event("plain")).startswith("Unable to retrieve some image pull secrets (none);")
