"""Print the administrator's kubeconfig of a cluster."""

import argparse
import sys

from pybernetes.cli import selection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which cluster."""
    selection.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    paths = selection.paths(arguments)
    file = paths.kubeconfig("admin")
    if not file.exists():
        print(selection.no_cluster(paths), file=sys.stderr)
        return 1
    sys.stdout.write(file.read_text())
    return 0
