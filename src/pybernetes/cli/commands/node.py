"""The nodes of a cluster: `list` them, `add` some, `remove` some while it runs.

A node that is removed is cordoned, its Pods are deleted with their grace period and start elsewhere; then its runtime
and its network go, and its Node. With `list -o json`: `[{"name", "kind", "address", "podRange", "pid"}]`.
"""

import argparse
import asyncio
import json
import os
import signal
import sys

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.apimachinery import meta as names
from pybernetes.cli import launch, selection
from pybernetes.cli.output import progress
from pybernetes.client import rest
from pybernetes.cluster import config as configs
from pybernetes.cluster import findings, machine, nodes, processes, states

DRAIN_SECONDS = 60.0
COLUMNS = ("name", "kind", "address", "podRange", "pid")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with the nodes of which cluster."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="which nodes there are", description=__doc__)
    adding = actions.add_parser("add", help="one more node, or several", description=__doc__)
    removing = actions.add_parser("remove", help="take nodes away", description=__doc__)
    for one in (listing, adding, removing):
        selection.add_arguments(one)
    listing.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form (default: text)")
    adding.add_argument("--simulated", action="store_true", help="nodes without containers")
    adding.add_argument("--count", type=int, default=1, metavar="N", help="how many (default: %(default)s)")
    removing.add_argument("node", nargs="+", help="its name")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    paths = selection.paths(arguments)
    config = configs.load(paths)
    if config is None:
        print(selection.no_cluster(paths), file=sys.stderr)
        return 1
    if arguments.action == "list":
        return _list(paths, config, arguments.output)
    try:
        if arguments.action == "add":
            asyncio.run(_add(paths, config, arguments.count, simulated=arguments.simulated))
        else:
            asyncio.run(_remove(paths, config, arguments.node))
    except findings.Failure as error:
        print(findings.told(str(error), error.finding), file=sys.stderr)
        return 1
    return 0


def _list(paths: configs.Paths, config: configs.ClusterConfig, output: str) -> int:
    pids = {state.name: state.pid for state in states.Running(paths).running()}
    rows = []
    for index in config.nodes:
        name = config.node_name(index)
        rows.append((name, "real", config.node_address(index), config.node_range(index), pids.get(name)))
    for index in config.simulated_nodes:
        name, pid = config.simulated_node_name(index), pids.get(states.CONTROL_PLANE)
        rows.append((name, "simulated", config.simulated_address(index), config.simulated_range(index), pid))
    if output == "json":
        print(json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in rows], indent=2))
        return 0
    print("NAME                KIND       ADDRESS          POD-RANGE           PROCESS")
    for name, kind, address, pods, pid in rows:
        print(f"{name:19} {kind:10} {address:16} {pods:19} {pid or 'not running'}")
    return 0


def _known(paths: configs.Paths, config: configs.ClusterConfig, clock: clocks.Clock) -> processes.Processes:
    """The cluster's processes. Raises ConfigError when it does not run."""
    known = processes.Processes(paths, clock)
    if known.find(states.CONTROL_PLANE) is None:
        raise configs.ConfigError(f"cluster {config.name!r} does not run: `pybernetes up` starts it")
    return known


async def _add(paths: configs.Paths, config: configs.ClusterConfig, count: int, *, simulated: bool) -> None:
    clock = clocks.RealClock()
    known, shown = _known(paths, config, clock), progress.Progress(clock)
    if count < 1:
        raise configs.ConfigError(f"--count {count}: use a number from 1")
    if not simulated and (problem := machine.hindrance()):
        raise configs.ConfigError(f"no real nodes here: {problem}; use --simulated")
    if not simulated and not config.nodes:
        raise configs.ConfigError("this cluster has simulated nodes only: its API server listens for no others")
    grown = config.grown("simulated_nodes" if simulated else "nodes", count)
    configs.save(paths, grown)
    if simulated:
        await launch.follow_simulated(paths, known, grown)
    else:
        await nodes.host_network(grown).install()
        launch.credentials(paths, grown, clock)
        await launch.start(paths, grown, known, shown)
    names = set(grown.node_names()) - set(config.node_names())
    shown.done(f"added {', '.join(sorted(names))}")


async def _remove(paths: configs.Paths, config: configs.ClusterConfig, names: list[str]) -> None:
    clock = clocks.RealClock()
    known, shown = _known(paths, config, clock), progress.Progress(clock)
    real = {config.node_name(index): index for index in config.nodes}
    simulated = {config.simulated_node_name(index): index for index in config.simulated_nodes}
    if unknown := set(names) - real.keys() - simulated.keys():
        raise configs.ConfigError(f"no such node: {', '.join(sorted(unknown))}")
    left = msgspec.structs.replace(
        config,
        nodes=tuple(index for name, index in real.items() if name not in names),
        simulated_nodes=tuple(index for name, index in simulated.items() if name not in names),
    )
    left.check()
    async with launch.client(paths, clock) as client:
        for name in names:
            if name in real and known.find(name) is None:
                continue  # nobody there would end them
            shown.waiting(f"moving the Pods of {name}")
            await _drain(client, name, clock)
            shown.done(f"moved the Pods of {name}")
        for name in real.keys() & set(names):
            await _stop(paths, config, real[name], known, clock)
        configs.save(paths, left)
        control_plane = known.find(states.CONTROL_PLANE)
        if control_plane is not None and simulated.keys() & set(names):
            os.kill(control_plane.pid, signal.SIGHUP)
        for name in names:
            await _forget(client, name)
            shown.done(f"removed {name}")


async def _stop(
    paths: configs.Paths, config: configs.ClusterConfig, index: int, known: processes.Processes, clock: clocks.Clock
) -> None:
    name = config.node_name(index)
    if state := known.find(name):
        await known.stop(state)
    await nodes.remove_node(paths, config, index, clock, delete=True)
    for pattern in (f"pki/*-{name}.*", f"kubeconfigs/*-{name}.conf"):
        for file in paths.root.glob(pattern):
            file.unlink()


async def _drain(client: rest.Client, node: str, clock: clocks.Clock) -> None:
    """Cordon the node, delete what may run elsewhere and wait until it has ended."""
    try:
        await client.resource(core.Node).patch(node, {"spec": {"unschedulable": True}})
    except errors.NotFound:
        return
    pods = client.resource(core.Pod)
    page = await pods.list("", field_selector=f"spec.nodeName={node}")
    going = {meta.key(pod): pod for pod in page.items if _may_move(pod)}
    deletions = [pods.delete(pod.metadata.name, pod.metadata.namespace) for pod in going.values()]
    await tasks.gather(*deletions, name="delete pods")
    if not going:
        return
    selector, since = f"spec.nodeName={node}", page.resource_version
    async with pods.watch("", field_selector=selector, resource_version=since, timeout=DRAIN_SECONDS) as events:
        async for event in events:
            if event.type == "DELETED":
                going.pop(meta.key(event.object), None)
            if not going:
                return


def _may_move(pod: core.Pod) -> bool:
    """Not those that belong to this very node."""
    mirror = names.ANNOTATION_MIRROR in pod.metadata.annotations
    return not mirror and not any(one.kind == "DaemonSet" for one in pod.metadata.ownerReferences)


async def _forget(client: rest.Client, node: str) -> None:
    """Delete the Node, and the Pods that nobody runs any more: no need to wait for the collector."""
    try:
        await client.resource(core.Node).delete(node)
    except errors.NotFound:
        pass
    pods = client.resource(core.Pod)
    for pod in (await pods.list("", field_selector=f"spec.nodeName={node}")).items:
        try:
            await pods.delete(pod.metadata.name, pod.metadata.namespace, grace_period=0)
        except errors.NotFound:
            continue
