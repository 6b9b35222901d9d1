"""Stop a cluster: its processes, and its containers; `up` resumes it.

With --delete everything of it is removed: containers, links, routes, rules, files, the kubeconfig entry.
"""

import argparse
import asyncio
import pathlib
import shutil
import sys

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.cli import selection
from pybernetes.cli.output import progress
from pybernetes.client import kubeconfig
from pybernetes.cluster import config as configs
from pybernetes.cluster import nodes, processes, states


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which cluster, and whether it is over for good."""
    selection.add_arguments(parser)
    parser.add_argument("--delete", action="store_true", help="remove every trace of the cluster")


def run(arguments: argparse.Namespace) -> int:
    """Stop it."""
    return asyncio.run(_down(selection.paths(arguments), delete=arguments.delete))


async def _down(paths: configs.Paths, *, delete: bool) -> int:
    config = configs.load(paths)
    if config is None:
        print(f"no cluster in {paths.root}", file=sys.stderr)
        return 1
    clock = clocks.RealClock()
    shown = progress.Progress(clock)
    known = processes.Processes(paths, clock)
    running = known.running()
    if workers := [state for state in running if state.name != states.CONTROL_PLANE]:
        shown.waiting("stopping nodes")
        await tasks.gather(*map(known.stop, workers), name="stop")
        shown.done(f"stopped {', '.join(state.name for state in workers)}")
    for state in running:
        if state not in workers:
            shown.waiting(f"stopping {state.name}")
            await known.stop(state)
            shown.done(f"stopped {state.name}")
    shown.waiting("stopping containers, removing rules, routes and links")
    await nodes.remove_all(paths, config, clock, delete=delete)
    shown.done("stopped containers, removed rules, routes and links")
    if delete:
        marked = selection.read_marker(paths)
        shutil.rmtree(paths.root)  # first: on a full disk there is no room for a new kubeconfig before
        if marked is not None:
            kubeconfig.remove_access(pathlib.Path(marked), selection.context_name(config.name))
        shown.done(f"removed {paths.root}")
    return 0
