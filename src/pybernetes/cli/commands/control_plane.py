"""The control plane's process; `pybernetes up` starts it."""

import argparse
import pathlib

import uvloop

from pybernetes.cluster import allinone, processes
from pybernetes.cluster import config as configs
from pybernetes.telemetry import logs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose control plane."""
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM."""
    paths = configs.Paths(arguments.data_dir)
    config = configs.load(paths)
    report = processes.Reporter()
    if config is None:
        report.failed(f"no cluster in {paths.root}")
        return 1
    logs.configure(level=config.verbosity)
    uvloop.run(
        processes.reporting(
            allinone.supervise(allinone.run_control_plane(config, paths, report), "control plane"), report
        )
    )
    return 0
