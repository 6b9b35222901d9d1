"""One real node: a kubelet with real containers, against a real API server in memory."""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.cluster import images, nodes
from pybernetes.http import client as http_client
from pybernetes.http import tls
from pybernetes.kubelet import cgroup_manager, kubelet
from pybernetes.kubelet import config as configs
from pybernetes.kubelet.cri import client as cri_client
from pybernetes.kubelet.cri import runtime
from pybernetes.testing import cluster as clusters

NODE = "real"
CGROUP = f"/pybtest-{os.getpid()}"


class Node:
    """A cluster of an API server and one real node."""

    def __init__(self, cluster: clusters.Cluster, agent: kubelet.Kubelet) -> None:
        self.cluster = cluster
        self.agent = agent
        self.pods = cluster.client.resource(core.Pod)
        self.http = http_client.HttpClient(tls.client_context(insecure=True), clock=cluster.clock)
        self.token = ""
        self._running: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Run the kubelet."""
        self._running = asyncio.ensure_future(self.agent.run())
        ready = asyncio.ensure_future(self.agent.ready.wait())
        await asyncio.wait((self._running, ready), return_when=asyncio.FIRST_COMPLETED)
        assert ready.done(), self._running.exception()

    async def stop(self) -> None:
        """End the kubelet; containers go on."""
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def replace(self) -> None:
        """Have another kubelet for the same node, not started yet."""
        config = dataclasses.replace(self.agent.config, port=free_port())
        self.agent = kubelet.Kubelet(self.agent.client, clocks.RealClock(), config, self.agent.cri)

    async def run(self, name: str, *command: str, **spec: Any) -> None:
        """Create a pod of one demo container on this node."""
        container = {"name": "c", "image": images.DEMO_IMAGE, **spec.pop("container", {})}
        if command:
            container["command"] = list(command)
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **spec.pop("metadata", {})},
            "spec": {"nodeName": NODE, "containers": [container], "terminationGracePeriodSeconds": 5, **spec},
        }
        await self.pods.create(body, "default")

    async def until(self, name: str, condition: Callable[[core.Pod], bool]) -> core.Pod:
        """Wait for the pod to satisfy the condition."""

        def chosen(pods: Sequence[dict[str, Any]]) -> list[core.Pod]:
            found = [msgspec.convert(pod, core.Pod) for pod in pods if pod["metadata"]["name"] == name]
            return [pod for pod in found if condition(pod)]

        return chosen(await self.cluster.wait("v1", "Pod", lambda pods: bool(chosen(pods)), "default"))[0]

    async def ready(self, name: str) -> core.Pod:
        """Wait for the pod to be ready."""
        return await self.until(
            name, lambda pod: any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)
        )

    async def delete(self, name: str) -> None:
        """Delete the pod and wait for its end."""
        await self.pods.delete(name, "default")
        await self.cluster.wait(
            "v1", "Pod", lambda pods: all(pod["metadata"]["name"] != name for pod in pods), "default"
        )

    async def event(self, name: str, kind: str = "Warning") -> str:
        """The message of an event about the pod, once there is one."""

        def about(events: Sequence[dict[str, Any]]) -> list[str]:
            return [one["message"] for one in events if one["involvedObject"]["name"] == name and one["type"] == kind]

        return about(await self.cluster.wait("v1", "Event", lambda events: bool(about(events)), "default"))[-1]

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.agent.config.port}{path}"

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("Authorization", f"Bearer {self.token}")]

    async def log(self, name: str) -> str:
        """What the container wrote."""
        answer = await self.http.request("GET", self.url(f"/containerLogs/default/{name}/c"), self.headers)
        assert answer.status == 200, answer.body
        return answer.body.decode()

    async def sh(self, name: str, script: str) -> str:
        """Run a script in the container."""
        found = self.agent.pleg.statuses[(await self.pods.get(name, "default")).metadata.uid].find("c")
        assert found is not None
        return (await self.agent.cri.exec_sync(found.id, ["sh", "-c", script], 5)).stdout.decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def node(real: cri_client.CriClient, tmp_path: pathlib.Path) -> AsyncIterator[Node]:
    async with start(real, tmp_path) as made:
        yield made


@contextlib.asynccontextmanager
async def start(cri: runtime.Runtime, folder: pathlib.Path, **settings: Any) -> AsyncIterator[Node]:
    """A node that runs until the block ends; then its pods are gone, and its control groups."""
    async with clusters.Cluster(clusters.Options(controllers=(), scheduler=False, nodes=0)) as cluster:
        for body in (
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "kube-root-ca.crt"},
                "data": {"ca.crt": "x"},
            },
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "admin"}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "admin"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", "name": "admin", "namespace": "default"}],
            },
        ):
            await cluster.apply(body)
        (folder / "manifests").mkdir()
        config = configs.KubeletConfig(
            node_name=NODE,
            root_dir=folder / "kubelet",
            pod_logs_dir=folder / "logs",
            node_ip="127.0.0.1",
            address="127.0.0.1",
            port=free_port(),
            static_pod_path=str(folder / "manifests"),
            cgroup_root=CGROUP,
            **settings,
        )
        agent = kubelet.Kubelet(cluster.as_user(f"system:node:{NODE}", "system:nodes"), cluster.clock, config, cri)
        made = Node(cluster, agent)
        await made.start()
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        accounts = cluster.client.resource(core.ServiceAccount)
        made.token = (await accounts.create_subresource("admin", "token", request, "default"))["status"]["token"]
        try:
            yield made
            for pod in (await made.pods.list("default")).items:
                await made.pods.delete(pod.metadata.name, "default", grace_period=1)
            await cluster.wait("v1", "Pod", lambda pods: not pods, "default")
            while made.agent.workers.known():  # pods that have ended leave the API before they have left the node
                await cluster.clock.sleep(0.02)
        finally:
            await made.stop()
            await made.http.close()
            cgroup_manager.Hierarchies.find().remove(CGROUP)
            nodes.unmount_below(folder)
