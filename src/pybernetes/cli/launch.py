"""Brings a cluster's processes up: certificates, kubeconfigs, then what does not run yet, side by side."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.cli import selection
from pybernetes.cli.output import progress
from pybernetes.client import kubeconfig, rest, transport
from pybernetes.cluster import config as configs
from pybernetes.cluster import findings, nodes, pki, processes, states

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE = ("kubelet", "kube-proxy", "cluster-dns")
START_SECONDS = 90.0
"""After that something is wrong that nobody reports."""


def credentials(paths: configs.Paths, config: configs.ClusterConfig, clock: clocks.Clock) -> None:
    """Certificates and kubeconfigs of everything that will run. Nodes reach the API server by the cluster's link."""
    keys = pki.Pki(paths.pki, clock)
    keys.ensure(pki.component_leaves(config))
    users = dict.fromkeys(("admin", "kube-controller-manager", "kube-scheduler"), "127.0.0.1")
    for index in config.nodes:
        leaves = pki.node_leaves(config.node_name(index), config.node_address(index))
        keys.ensure(leaves)
        users |= {leaf.name: config.control_plane_address for leaf in leaves if leaf.request.client}
    for user, address in users.items():
        kubeconfig.write_access(paths.kubeconfig(user), access(paths, config, user, address))


def access(
    paths: configs.Paths, config: configs.ClusterConfig, user: str, address: str = "127.0.0.1"
) -> kubeconfig.Access:
    """A kubeconfig's entry for that user."""
    pair = pki.read_pair(paths.pki, user)
    authority = (paths.pki / "ca.crt").read_bytes()
    context, server = selection.context_name(config.name), f"https://{address}:{config.port}"
    return kubeconfig.Access(context, server, authority, cert_pem=pair.certificate, key_pem=pair.key)


async def start(
    paths: configs.Paths, config: configs.ClusterConfig, known: processes.Processes, shown: progress.Progress
) -> None:
    """Start what does not run yet, side by side: nodes wait for the API server by themselves. All of it, or nothing."""
    running = {state.name for state in known.running()}
    data = ("--data-dir", str(paths.root))
    wanted: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
        (states.CONTROL_PLANE, CONTROL_PLANE, ("control-plane", *data))
    ]
    for index in config.nodes:
        wanted.append((config.node_name(index), NODE, ("run-node", *data, "--index", str(index))))
    missing = [one for one in wanted if one[0] not in running]

    async def follow(name: str, components: tuple[str, ...], arguments: tuple[str, ...]) -> None:
        async for report in known.start(name, components, *arguments):
            if "stage" in report:
                shown.done(str(report["stage"]))

    if not missing:
        return
    shown.waiting("starting " + ", ".join(name for name, _, _ in missing) + " (usually 2 to 5 s)")
    try:
        async with tasks.TaskGroup("up") as group:
            # the first that cannot start ends the wait for the others: a node would wait for its API server for ever
            started = [group.start(follow(*one), one[0]) for one in missing]
            for one in started:
                await group.until(asyncio.wait_for(asyncio.shield(one), START_SECONDS), "ready")
    except (findings.Failure, TimeoutError):
        await tasks.gather(*(known.stop(one) for one in known.running() if one.name not in running), name="stop")
        raise


async def follow_simulated(paths: configs.Paths, known: processes.Processes, config: configs.ClusterConfig) -> None:
    """Let a control plane that runs already start the simulated nodes that are new; returns when they are ready."""
    control_plane = known.find(states.CONTROL_PLANE)
    if control_plane is None or not config.simulated_nodes:
        return
    os.kill(control_plane.pid, signal.SIGHUP)
    async with client(paths, clocks.RealClock()) as admin, asyncio.timeout(START_SECONDS):
        for index in config.simulated_nodes:
            await nodes.is_up(admin, config.simulated_node_name(index))


@contextlib.asynccontextmanager
async def client(paths: configs.Paths, clock: clocks.Clock) -> AsyncIterator[rest.Client]:
    """The administrator's client."""
    loaded = kubeconfig.load(str(paths.kubeconfig("admin")))
    made = rest.Client(transport.HttpTransport(loaded.credentials(), clock), clock=clock, user_agent="pybernetes")
    try:
        yield made
    finally:
        await made.close()
