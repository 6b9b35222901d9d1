"""The real nodes of a cluster on this machine: their places, runtimes and networks, and how all of it goes away."""

import contextlib
import os
import pathlib
import shutil
import subprocess

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import rest, transport
from pybernetes.cluster import config as configs
from pybernetes.cluster import images, machine, network, runtime
from pybernetes.kubelet.cri import client as cri
from pybernetes.kubelet.cri import runtime as cri_runtime
from pybernetes.proxy import apply as proxy_tables

STATE_ROOT = pathlib.Path("/run/pybernetes")
API_SECONDS, API_PAUSE = 5.0, 0.02
"""How long, and how often, a node asks for its API server; reflectors that met none would pause for a second."""
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def host_network(config: configs.ClusterConfig) -> network.HostNetwork:
    """The cluster's routes and links on this machine."""
    return network.HostNetwork(
        config.pod_range,
        config.service_range,
        config.link,
        config.control_plane_address,
        config.node_address(configs.HOST_NODE),
        tuple(
            network.NodeNetwork(namespace, config.node_address(index), config.node_range(index))
            for index in config.nodes
            if (namespace := config.namespace(index))
        ),
    )


def runtime_config(paths: configs.Paths, config: configs.ClusterConfig, index: int) -> runtime.RuntimeConfig:
    """Where node `index` has its private containerd (sockets and mounts in /run: their paths must be short)."""
    return runtime.RuntimeConfig(
        directory=paths.node(config.node_name(index)) / "containerd",
        state=STATE_ROOT / config.link / str(index),
        pod_range=config.node_range(index),
        bridge=config.bridge(index),
        pause_image=images.PAUSE_IMAGE,
    )


async def api_is_ready(client: rest.Client) -> None:
    """Ask the API server, in another process, until it lets the cluster DNS read Services: those rights come last.

    But no longer than static Pods should wait.
    """
    until = client.clock.monotonic() + API_SECONDS
    while client.clock.monotonic() < until:
        try:
            await client.raw("GET", "/api/v1/services", query=[("limit", "1")])
        except (transport.TransportError, errors.StatusError):
            await client.clock.sleep(API_PAUSE)
        else:
            return


async def is_up(client: rest.Client, name: str) -> None:
    """Follow the Node object until its condition Ready is true."""
    resource = client.resource(core.Node)
    while True:
        selector = f"metadata.name={name}"
        page = await resource.list(field_selector=selector)
        if any(_is_ready(node) for node in page.items):
            return
        async with resource.watch(field_selector=selector, resource_version=page.resource_version) as events:
            async for event in events:
                if event.type in ("ADDED", "MODIFIED") and _is_ready(event.object):
                    return


def _is_ready(node: core.Node) -> bool:
    """Whether the node says that it is ready."""
    return any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)


async def remove_all(paths: configs.Paths, config: configs.ClusterConfig, clock: clocks.Clock, *, delete: bool) -> None:
    """Stop the nodes' containers and runtimes; take rules, links and routes away; with `delete` forget their files."""
    if machine.hindrance():
        return
    removals = [remove_node(paths, config, index, clock, delete=delete) for index in config.nodes]
    await tasks.gather(*removals, name="remove node")
    await host_network(config).remove()


async def remove_node(
    paths: configs.Paths, config: configs.ClusterConfig, index: int, clock: clocks.Clock, *, delete: bool
) -> None:
    """Stop one node's containers and its runtime; take away its rules and links, with `delete` its files."""
    place = runtime_config(paths, config, index)
    files = paths.node(config.node_name(index))
    engine = runtime.Containerd(place, clock)
    if engine.pid() is None and place.state.exists() and files.exists():
        # containerd itself was killed: its containers may still run, and only it can end them
        await engine.start()
    if engine.pid() is not None:
        await _stop_containers(place.socket, clock)
    await engine.stop()
    if namespace := config.namespace(index):
        await network.remove_node(namespace)
    else:
        proxy_tables.remove_table(f"{config.link}-{index}")
        await _remove_link(place.bridge)
    unmount_below(files)
    _remove_cgroups(config.cgroup(index))
    shutil.rmtree(place.state, ignore_errors=True)
    for empty in (place.state.parent, STATE_ROOT):
        with contextlib.suppress(OSError):  # another node's, or another cluster's
            empty.rmdir()
    if delete:
        shutil.rmtree(files, ignore_errors=True)


async def _stop_containers(socket: pathlib.Path, clock: clocks.Clock) -> None:
    engine = cri.CriClient(f"unix://{socket}")
    try:
        for sandbox in await _sandboxes(engine, clock):
            try:
                await engine.stop_pod_sandbox(sandbox.id)
                await engine.remove_pod_sandbox(sandbox.id)
            except cri_runtime.NotFoundError:
                continue
    finally:
        await engine.close()


async def _sandboxes(engine: cri.CriClient, clock: clocks.Clock) -> list[cri_runtime.Sandbox]:
    """All there are; a containerd that has just been started listens before it has read what runs."""
    deadline = clock.monotonic() + runtime.START_SECONDS
    while True:
        try:
            return await engine.list_pod_sandboxes()
        except cri_runtime.CriError as failure:
            if "not initialized" not in str(failure) or clock.monotonic() > deadline:
                raise
        await clock.sleep(API_PAUSE)


async def _remove_link(name: str) -> None:
    if network.has_link(name):
        subprocess.run(["ip", "link", "del", name], check=True, capture_output=True)


def unmount_below(directory: pathlib.Path) -> None:
    """Unmount what a kubelet left mounted (tmpfs volumes), the deepest first."""
    mounts = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((one for one in mounts if one.startswith(f"{directory}/")), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)


def _remove_cgroups(name: str) -> None:
    """Remove what is left of a node's cgroups, in the one hierarchy or in each; nothing runs in them any more."""
    for root in (CGROUPS, *CGROUPS.glob("*/")):
        for directory, _, _ in os.walk(root / name, topdown=False):
            os.rmdir(directory)
