"""The control plane as one process: API server with its store, controllers, scheduler.

Components talk through the API with identities of their own; the transport between them skips the socket, never
authentication, authorization or admission. Simulated nodes live here too.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.cluster import components, identities, pki, processes
from pybernetes.cluster import config as configs
from pybernetes.controllers import context as controller_context
from pybernetes.http import server as http_server
from pybernetes.http import tls
from pybernetes.telemetry import logs

logger = logs.get("cluster")

DNS_INDEX = 10
"""The place of the cluster DNS in the service range."""


async def run_control_plane(config: configs.ClusterConfig, paths: configs.Paths, report: processes.Reporter) -> None:
    """Serve until cancelled; tells `report` what is up."""
    clock = clocks.RealClock()
    secrets = components.Secrets(pki.read_pair(paths.pki, "ca"), (paths.pki / "sa.key").read_bytes())
    store = components.backend(config, paths, clock)
    api, who = components.api_server(config, secrets, store, clock, paths)
    serving = pki.read_pair(paths.pki, "apiserver")
    context = tls.server_context(serving.certificate, serving.key, secrets.authority.certificate)
    listening = http_server.Server(api.handle, clock=clock, tls=context, settings=components.http_settings())
    async with contextlib.AsyncExitStack() as stack:
        await api.start()
        stack.push_async_callback(api.stop)
        await listening.start(_sockets(config))
        stack.push_async_callback(listening.stop)
        stack.push_async_callback(who.close)
        await api.ready()
        report.stage("API server")
        group = await stack.enter_async_context(tasks.TaskGroup("control plane"))
        await _start_others(config, secrets, who, clock, group)
        report.stage("controllers and scheduler")
        await _simulated_nodes(config, who, clock, group)
        settle_memory()
        report.ready()
        await group.wait()


async def _start_others(
    config: configs.ClusterConfig,
    secrets: components.Secrets,
    who: identities.Identities,
    clock: clocks.Clock,
    group: tasks.TaskGroup,
) -> None:
    settings = controller_context.Settings(root_ca=secrets.authority.certificate.decode())
    controllers = components.controller_manager(who, clock, settings)
    group.start(controllers.run(), "controllers")
    scheduling = components.scheduler(who, clock)
    group.start(scheduling.run(), "scheduler")
    if config.nodes:
        await _publish_dns(config, who)
    await group.until(controllers.started.wait(), "controllers started")
    await group.until(scheduling.started.wait(), "scheduler started")


async def _simulated_nodes(
    config: configs.ClusterConfig, who: identities.Identities, clock: clocks.Clock, group: tasks.TaskGroup
) -> None:
    started = [components.simulated_node(config, who, clock, index) for index in range(1, config.simulated_nodes + 1)]
    for node in started:
        group.start(node.run(), f"kubelet {node.config.node_name}")
    for node in started:
        await group.until(node.ready.wait(), "node ready")


def _sockets(config: configs.ClusterConfig) -> list[socket.socket]:
    """Where the API server listens: on loopback for its users, on the cluster's link for Pods."""
    addresses = ["127.0.0.1"]
    if config.nodes:
        addresses.append(config.control_plane_address)
    bound = []
    for address in addresses:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((address, config.port))
        bound.append(one)
    return bound


async def _publish_dns(config: configs.ClusterConfig, who: identities.Identities) -> None:
    """The Service `kube-dns` and its endpoints: the DNS server of each node."""
    client = who.client(components.ADMIN, components.MASTERS)
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    labels = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "labels": labels},
        "spec": {"clusterIP": config.service_address(DNS_INDEX), "ports": ports},
    }
    addresses = [config.node_address(index) for index in range(1, config.nodes + 1)]
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kube-dns", "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        "ports": ports,
    }
    objects: list[dict[str, Any]] = [*_dns_rights(), service, piece]
    for obj in objects:
        resource = client.dynamic(str(obj["apiVersion"]), str(obj["kind"]))
        namespace = "" if "rbac" in str(obj["apiVersion"]) else "kube-system"
        try:
            await resource.patch(obj["metadata"]["name"], obj, namespace)
        except errors.NotFound:
            await resource.create(obj, namespace)


def _dns_rights() -> tuple[dict[str, Any], dict[str, Any]]:
    """What the DNS servers may read, as CoreDNS's own manifests have it."""
    reads = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    api, metadata = "rbac.authorization.k8s.io", {"name": "system:coredns"}
    role = {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": reads}
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
    }
    return role, binding


@contextlib.asynccontextmanager
async def until_told_to_stop() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def settle_memory() -> None:
    """What was loaded until now stays: keep it out of the collector's way, and let it look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def supervise(work: Coroutine[Any, Any, None], name: str) -> None:
    """Run until the work fails or the process is told to stop; then let it end in order."""
    async with until_told_to_stop() as told, tasks.TaskGroup(name) as group:
        running = group.start(work, "main")
        stopping = group.start(told.wait(), "signals")
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
