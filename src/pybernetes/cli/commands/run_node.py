"""A node's process; `pybernetes up` starts it."""

import argparse
import pathlib

import uvloop

from pybernetes.cluster import config as configs
from pybernetes.cluster import join, network, processes, supervision
from pybernetes.telemetry import logs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which node of which cluster."""
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--index", type=int, required=True)


def run(arguments: argparse.Namespace) -> int:
    """Be the node until SIGTERM."""
    paths = configs.Paths(arguments.data_dir)
    config = configs.load(paths)
    report = processes.Reporter()
    if config is None:
        report.failed(f"no cluster in {paths.root}")
        return 1
    logs.configure(level=config.verbosity)
    network.enter(config.namespace(arguments.index), config.node_name(arguments.index))
    work = join.run_node(config, paths, arguments.index, report)
    uvloop.run(processes.reporting(supervision.supervise(work, "node"), report))
    return 0
