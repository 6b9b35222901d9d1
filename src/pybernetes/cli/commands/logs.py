"""Print the log of one of the cluster's components.

COMPONENT is a component (kube-apiserver, kubelet, …), a process (control-plane, node-1), `audit`, or `containerd`.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys

from pybernetes.cli import selection
from pybernetes.cluster import config as configs
from pybernetes.cluster import states


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which log, how much of it."""
    selection.add_arguments(parser)
    parser.add_argument("component", metavar="COMPONENT", help="a component, a process, `audit` or `containerd`")
    parser.add_argument("--node", default="", metavar="NODE", help="on that node (default: the first that has one)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    parser.add_argument("--tail", type=int, metavar="N", help="only the last N lines")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    paths = selection.paths(arguments)
    file = _find(paths, arguments.component, arguments.node)
    if file is None or not file.exists():
        known = ", ".join(sorted(path.stem for path in (paths.root / "logs").glob("*.log")))
        print(f"no log of {arguments.component!r} in {paths.root}; there are: {known or 'none'}", file=sys.stderr)
        return 1
    if arguments.follow:
        lines = "+1" if arguments.tail is None else str(arguments.tail)
        return subprocess.run(["tail", "-n", lines, "-F", str(file)], check=False).returncode
    with file.open(errors="replace") as source:
        if arguments.tail is None:
            shutil.copyfileobj(source, sys.stdout)
        else:
            sys.stdout.writelines(source.readlines()[-arguments.tail :])
    return 0


def _find(paths: configs.Paths, component: str, node: str) -> pathlib.Path | None:
    if paths.log(component).exists():
        return paths.log(component)
    if component == "containerd":
        return next(iter(sorted(paths.root.glob(f"nodes/{node or '*'}/containerd/containerd.log"))), None)
    for state in states.Running(paths).running():
        if component in state.components and node in ("", state.name):
            return paths.log(state.name)
    return None
