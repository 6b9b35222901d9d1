"""Version, endpoint, kubeconfig and processes of a cluster.

With `-o json`: `{"name", "version", "endpoint", "kubeconfig", "dataDir", "running", "processes": [{"name", "pid",
"components", "rssBytes", "cpuSeconds"}]}`. The exit code is 0 when everything runs, 1 when something does not.
"""

import argparse
import json
import sys

import pybernetes
from pybernetes.cli import selection
from pybernetes.cluster import config as configs
from pybernetes.cluster import states


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which cluster, in what form."""
    selection.add_arguments(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the form (default: text)")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    paths = selection.paths(arguments)
    config = configs.load(paths)
    if config is None:
        print(selection.no_cluster(paths), file=sys.stderr)
        return 1
    running = states.Running(paths).running()
    wanted = {states.CONTROL_PLANE, *(config.node_name(index) for index in config.nodes)}
    complete = wanted <= {state.name for state in running}
    if arguments.output == "json":
        print(json.dumps(_document(paths, config, running, complete), indent=2))
    else:
        _print(paths, config, running, complete)
    return 0 if complete else 1


def _document(
    paths: configs.Paths, config: configs.ClusterConfig, running: list[states.State], complete: bool
) -> dict[str, object]:
    listed = []
    for state in running:
        used = states.usage(state.pid)
        listed.append(
            {
                "name": state.name,
                "pid": state.pid,
                "components": list(state.components),
                "rssBytes": used.rss if used else 0,
                "cpuSeconds": used.cpu_seconds if used else 0.0,
            }
        )
    return {
        "name": config.name,
        "version": pybernetes.KUBERNETES_VERSION,
        "pybernetesVersion": pybernetes.__version__,
        "endpoint": f"https://127.0.0.1:{config.port}",
        "kubeconfig": str(paths.kubeconfig("admin")),
        "dataDir": str(paths.root),
        "running": complete,
        "processes": listed,
    }


def _print(paths: configs.Paths, config: configs.ClusterConfig, running: list[states.State], complete: bool) -> None:
    print(f"cluster     {config.name} ({'running' if complete else 'not running' if not running else 'incomplete'})")
    print(f"version     {pybernetes.KUBERNETES_VERSION} (pybernetes {pybernetes.__version__})")
    print(f"endpoint    https://127.0.0.1:{config.port}")
    print(f"kubeconfig  {paths.kubeconfig('admin')}")
    print(f"data        {paths.root}")
    for state in running:
        used = states.usage(state.pid)
        amount = f"{used.rss // 2**20} MiB, {used.cpu_seconds:.1f} CPU s" if used else "gone"
        print(f"process     {state.name} (pid {state.pid}, {amount}): {', '.join(state.components)}")
