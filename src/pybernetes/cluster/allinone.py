"""The control plane as one process: API server with its store, controllers, scheduler.

Components talk through the API with identities of their own; the transport between them skips the socket, never
authentication, authorization or admission. Simulated nodes live here too.
"""

import asyncio
import contextlib
import dataclasses
import signal
import socket
from collections.abc import Iterator

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.cluster import components, dns_service, findings, identities, pki, processes, supervision, tracing
from pybernetes.cluster import config as configs
from pybernetes.controllers import context as controller_context
from pybernetes.controllers import manager
from pybernetes.http import server as http_server
from pybernetes.http import tls
from pybernetes.telemetry import traces


@dataclasses.dataclass(frozen=True, slots=True)
class Choices:
    """What flags of kube-controller-manager say: its settings, and which controllers run."""

    settings: controller_context.Settings
    controllers: tuple[str, ...]


async def run_control_plane(
    config: configs.ClusterConfig, paths: configs.Paths, report: processes.Reporter, choices: Choices
) -> None:
    """Serve until cancelled; tells `report` what is up. SIGHUP: simulated nodes follow the configuration's file."""
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
        traces.started(1)
        group = await stack.enter_async_context(tasks.TaskGroup("control plane"))
        settings = components.controller_settings(choices.settings, secrets)
        controllers = components.controller_manager(who, clock, settings, choices.controllers)
        await _start_others(config, controllers, who, clock, group)
        report.stage("controllers and scheduler")
        simulated = _SimulatedNodes(who, clock, group)
        await simulated.follow(config)
        supervision.settle_memory()
        with simulated.following(paths), tracing.on_request(paths, group):
            report.ready()
            await group.wait()


async def _start_others(
    config: configs.ClusterConfig,
    controllers: manager.ControllerManager,
    who: identities.Identities,
    clock: clocks.Clock,
    group: tasks.TaskGroup,
) -> None:
    group.start(controllers.run(), "controllers")
    scheduling = components.scheduler(who, clock)
    group.start(scheduling.run(), "scheduler")
    if config.nodes:
        await dns_service.publish(who.client(components.ADMIN, components.MASTERS), config)
    await group.until(controllers.started.wait(), "controllers started")
    await group.until(scheduling.started.wait(), "scheduler started")


class _SimulatedNodes:
    """Those that run in this process."""

    def __init__(self, who: identities.Identities, clock: clocks.Clock, group: tasks.TaskGroup) -> None:
        self._who = who
        self._clock = clock
        self._group = group
        self._running: dict[int, asyncio.Task[None]] = {}

    async def follow(self, config: configs.ClusterConfig) -> None:
        """Start what is missing and wait until it is ready; stop what shall be no more."""
        for index in self._running.keys() - set(config.simulated_nodes):
            self._running.pop(index).cancel()
        started = []
        for index in config.simulated_nodes:
            if index not in self._running:
                node = components.simulated_node(config, self._who, self._clock, index)
                self._running[index] = self._group.start(node.run(), f"kubelet {node.config.node_name}")
                started.append(node)
        for node in started:
            await self._group.until(node.ready.wait(), "node ready")

    @contextlib.contextmanager
    def following(self, paths: configs.Paths) -> Iterator[None]:
        """Meanwhile SIGHUP means: the configuration has changed."""
        loop = asyncio.get_running_loop()

        def changed() -> None:
            if config := configs.load(paths):
                self._group.start(self.follow(config), "follow simulated nodes")

        loop.add_signal_handler(signal.SIGHUP, changed)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)


def _sockets(config: configs.ClusterConfig) -> list[socket.socket]:
    """Where the API server listens: on loopback for its users, on the cluster's link for Pods."""
    addresses = ["127.0.0.1"]
    if config.nodes:
        addresses.append(config.control_plane_address)
    bound = []
    for address in addresses:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((address, config.port))
        except OSError as error:
            raise findings.Failure(
                f"{address}:{config.port}: {error.strerror}", findings.of(error) or "rules"
            ) from error
        bound.append(one)
    return bound
