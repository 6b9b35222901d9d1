"""The component against the real API server; the kernel is the one thing that is not there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.http import messages
from pybernetes.proxy import apply, conntrack, healthcheck, proxier
from pybernetes.testing.cluster import Cluster

pytestmark = pytest.mark.cluster(nodes=0, scheduler=False, controllers=())
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"clusterIP": "10.96.0.20", "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]},
}
CONFIG = proxier.ProxyConfig("node-1", ("127.0.0.1",), table="t", cluster_cidr="10.244.0.0/16")


class Kernel:
    """Takes transactions, or refuses as many as `failures`; knows some flows."""

    def __init__(self) -> None:
        self.clock = clocks.VirtualClock()
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.failures = 0
        self.flows: list[conntrack.Flow] = []

    async def apply(self, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise apply.ApplyError("no")
        self.texts.put_nowait(text)

    async def close(self) -> None:
        """Nothing is held."""

    async def udp_flows(self) -> list[conntrack.Flow]:
        return [*self.flows]

    async def delete(self, flows: list[conntrack.Flow]) -> int:
        self.flows = [flow for flow in self.flows if flow not in flows]
        return len(flows)

    async def next(self) -> str:
        """The next transaction; the proxy's time goes on until it comes."""
        async with asyncio.timeout(10):
            while self.texts.empty():
                await self.clock.advance(0.1)
            return self.texts.get_nowait()


def endpoint_slice(*addresses: str, name: str = "web-1", **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "web", **labels}},
        "addressType": "IPv4",
        "ports": [{"name": "dns", "port": 5353, "protocol": "UDP"}],
        "endpoints": [{"addresses": [one], "nodeName": "node-1"} for one in addresses],
    }


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
async def proxy(cluster: Cluster, kernel: Kernel) -> AsyncIterator[proxier.Proxier]:
    """A proxy whose first sync is through."""
    await cluster.apply(SERVICE)
    made = proxier.Proxier(cluster.as_user("system:kube-proxy"), kernel.clock, CONFIG, kernel, kernel)
    async with tasks.TaskGroup("test") as group:
        group.start(made.run(), "proxy")
        assert "10.96.0.20 . udp . 53 : goto reject-chain" in await kernel.next()
        await made.ready.wait()
        yield made


async def test_follows_endpoints(cluster: Cluster, proxy: proxier.Proxier, kernel: Kernel) -> None:
    await cluster.apply(endpoint_slice("10.244.1.1"))
    text = await kernel.next()
    assert "add rule ip t service/default/web/udp/dns meta l4proto udp dnat to 10.244.1.1:5353" in text
    assert "delete element ip t no-endpoint-services { 10.96.0.20 . udp . 53 }" in text
    await cluster.apply(endpoint_slice("10.244.1.1", "10.244.1.2"))
    assert "map { 0 : 10.244.1.1 . 5353, 1 : 10.244.1.2 . 5353 }" in await kernel.next()
    await cluster.client.dynamic("v1", "Service").delete("web", "default")
    assert "delete element ip t cluster-ips { 10.96.0.20 }" in await kernel.next()
    # the emptied chain goes as well, a little later
    assert await kernel.next() == "delete chain ip t service/default/web/udp/dns\n"


async def test_what_it_does_not_serve(cluster: Cluster, proxy: proxier.Proxier, kernel: Kernel) -> None:
    foreign = {**SERVICE, "metadata": {"name": "foreign", "labels": {proxier.PROXY_NAME_LABEL: "other"}}}
    foreign["spec"] = {**SERVICE["spec"], "clusterIP": "10.96.0.21"}
    await cluster.apply(foreign)
    await cluster.apply(endpoint_slice("10.244.1.7", name="headless", **{proxier.HEADLESS_LABEL: ""}))
    await cluster.apply(endpoint_slice("10.244.1.1"))
    text = await kernel.next()
    assert "10.244.1.1" in text
    assert "10.244.1.7" not in text
    assert "default/foreign" not in proxy.rules


async def test_writes_everything_anew_after_a_failure(cluster: Cluster, proxy: proxier.Proxier, kernel: Kernel) -> None:
    kernel.failures = 1
    await cluster.apply(endpoint_slice("10.244.1.1"))
    text = await kernel.next()
    assert text.startswith("table ip t\ndelete table ip t\n")
    assert "dnat to 10.244.1.1:5353" in text
    await cluster.apply(endpoint_slice("10.244.1.2"))
    assert "delete table" not in await kernel.next()


async def test_forgets_flows_to_endpoints_that_are_gone(
    cluster: Cluster, proxy: proxier.Proxier, kernel: Kernel
) -> None:
    await cluster.apply(endpoint_slice("10.244.1.1", "10.244.1.2"))
    await kernel.next()
    kept = conntrack.Flow(("10.96.0.20", 53), ("10.244.1.2", 5353), b"")
    kernel.flows = [conntrack.Flow(("10.96.0.20", 53), ("10.244.1.1", 5353), b""), kept]
    await cluster.apply(endpoint_slice("10.244.1.2"))
    await kernel.next()
    await cluster.apply(endpoint_slice("10.244.1.2", "10.244.1.3"))
    await kernel.next()
    assert kernel.flows == [kept]


async def test_health_check_node_port(cluster: Cluster, proxy: proxier.Proxier, kernel: Kernel) -> None:
    spec = {
        **SERVICE["spec"],
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 32123,
    }
    await cluster.client.dynamic("v1", "Service").patch("web", {"spec": spec}, "default")
    await kernel.next()
    await cluster.apply(endpoint_slice("10.244.1.1"))
    await kernel.next()
    await cluster.apply(endpoint_slice("10.244.1.1", "10.244.1.2"))
    await kernel.next()
    reader, writer = await asyncio.open_connection("127.0.0.1", 32123)
    writer.write(b"GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith("HTTP/1.1 200 OK")
    assert '"localEndpoints": ' in answer


async def ask(server: healthcheck.StatusServer, path: str) -> messages.Response:
    connection = messages.ConnectionInfo()
    return await server.handle(messages.Request("GET", path, messages.Headers([]), b"", connection))


async def test_status_server() -> None:
    clock = clocks.VirtualClock()
    health = healthcheck.ProxyHealth(clock)
    server = healthcheck.StatusServer(health, lambda: None, clock)
    assert (await ask(server, "/livez")).status == 200
    # nobody has seen this node's object
    assert (await ask(server, "/healthz")).status == 503
    health.queued()
    await clock.advance(healthcheck.HEALTH_TIMEOUT)
    assert (await ask(server, "/livez")).status == 503
    health.updated()
    assert (await ask(server, "/livez")).status == 200
    assert b"kubeproxy_proxy_livez_total" in (await ask(server, "/metrics")).body
    assert (await ask(server, "/other")).status == 404
