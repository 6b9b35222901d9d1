"""The control plane's process; `pybernetes up` starts it."""

import argparse
import pathlib
import signal

import uvloop

from pybernetes.cli.commands import kube_controller_manager
from pybernetes.cluster import allinone, processes, supervision
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
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something that can follow a change
    work = allinone.run_control_plane(config, paths, report, choices(config.controller_manager_args))
    uvloop.run(processes.reporting(supervision.supervise(work, "control plane"), report))
    return 0


def choices(flags: tuple[str, ...]) -> allinone.Choices:
    """What these flags of kube-controller-manager say; a wrong one ends the process as it would there."""
    parser = argparse.ArgumentParser(prog="kube-controller-manager")
    kube_controller_manager.add_arguments(parser)
    given = parser.parse_args(flags)
    return allinone.Choices(kube_controller_manager.settings(given), given.controllers)
