"""The Kubernetes scheduler decides for each Pod without a node where it shall run, and has that written.

It reaches the API server with the identity of a kubeconfig (user `system:kube-scheduler`).
"""

import argparse

from pybernetes.cli import flags, foreground
from pybernetes.cluster.standalone import scheduler


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Upstream's flags."""
    flags.add_secure_serving(parser, 10259)
    flags.add_client(parser)
    flags.add_leader_election(parser, scheduler.NAME)
    flags.add_logs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Schedule until told to stop."""
    settings = scheduler.SchedulerSettings(
        arguments.kubeconfig, arguments.master, foreground.election(arguments), foreground.serving(arguments)
    )
    return foreground.run(scheduler.run(settings), scheduler.NAME, arguments)
