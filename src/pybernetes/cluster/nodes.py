"""The real nodes of a cluster on this machine: their places, runtimes and networks, and how all of it goes away."""

import pathlib
import shutil
import subprocess

from pybernetes.aio import clock as clocks
from pybernetes.cluster import config as configs
from pybernetes.cluster import images, network, runtime
from pybernetes.kubelet.cri import client as cri
from pybernetes.kubelet.cri import runtime as cri_runtime
from pybernetes.proxy import apply as proxy_tables

STATE_ROOT = pathlib.Path("/run/pybernetes")


def host_network(config: configs.ClusterConfig) -> network.HostNetwork:
    """The cluster's routes and link on this machine."""
    nodes = tuple(config.node_address(index) for index in range(1, config.nodes + 1))
    addresses = (config.control_plane_address, *nodes)
    return network.HostNetwork(config.pod_range, config.service_range, config.link, addresses)


def runtime_config(paths: configs.Paths, config: configs.ClusterConfig, index: int) -> runtime.RuntimeConfig:
    """Where node `index` has its private containerd (sockets and mounts in /run: their paths must be short)."""
    return runtime.RuntimeConfig(
        directory=paths.node(config.node_name(index)) / "containerd",
        state=STATE_ROOT / config.link / str(index),
        pod_range=config.node_range(index),
        bridge=config.bridge(index),
        pause_image=images.PAUSE_IMAGE,
    )


async def remove_all(paths: configs.Paths, config: configs.ClusterConfig, clock: clocks.Clock, *, delete: bool) -> None:
    """Stop the nodes' containers and runtimes; take rules, links and routes away; with `delete` forget their files."""
    if runtime.missing():
        return
    for index in range(1, config.nodes + 1):
        place = runtime_config(paths, config, index)
        engine = runtime.Containerd(place, clock)
        if engine.pid() is not None:
            await _stop_containers(place.socket)
            await engine.stop()
        elif place.state.exists() and paths.node(config.node_name(index)).exists():
            # containerd itself was killed: its containers may still run, and only it can end them
            await engine.start()
            await _stop_containers(place.socket)
            await engine.stop()
        proxy_tables.remove_table(f"{config.link}-{index}")
        await _remove_link(place.bridge)
        _unmount_below(paths.node(config.node_name(index)))
        shutil.rmtree(place.state, ignore_errors=True)
        if delete:
            shutil.rmtree(paths.node(config.node_name(index)), ignore_errors=True)
    await host_network(config).remove()


async def _stop_containers(socket: pathlib.Path) -> None:
    engine = cri.CriClient(f"unix://{socket}")
    try:
        for sandbox in await engine.list_pod_sandboxes():
            try:
                await engine.stop_pod_sandbox(sandbox.id)
                await engine.remove_pod_sandbox(sandbox.id)
            except cri_runtime.NotFoundError:
                continue
    finally:
        await engine.close()


async def _remove_link(name: str) -> None:
    if pathlib.Path("/sys/class/net", name).exists():
        subprocess.run(["ip", "link", "del", name], check=True, capture_output=True)


def _unmount_below(directory: pathlib.Path) -> None:
    """Unmount what a kubelet left mounted (tmpfs volumes), the deepest first."""
    mounts = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((one for one in mounts if one.startswith(f"{directory}/")), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
