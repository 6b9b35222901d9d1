"""A component in the foreground: its log on standard error, until SIGTERM or Ctrl-C.

Upstream: k8s.io/component-base/cli/run.go.
"""

import argparse
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop

from pybernetes.client import leader_election
from pybernetes.cluster import supervision
from pybernetes.cluster.standalone import connections, leading, status_server
from pybernetes.telemetry import logs


def run(work: Coroutine[Any, Any, None], name: str, arguments: argparse.Namespace) -> int:
    """Run it; the exit code is 1 when it could not start or had to give up."""
    logs.configure(level=arguments.v, as_json=arguments.logging_format == "json")
    problems: list[str] = []

    async def guarded() -> None:
        # What the user can mend is one line, not a traceback.
        try:
            await work
        except connections.SettingsError as error:
            problems.append(str(error))
        except leader_election.LeadershipLost:
            problems.append("leaderelection lost")

    uvloop.run(supervision.supervise(guarded(), name))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def election(arguments: argparse.Namespace) -> leading.Election:
    """What the leader election flags say."""
    timing = leader_election.Timing(
        arguments.leader_elect_lease_duration,
        arguments.leader_elect_renew_deadline,
        arguments.leader_elect_retry_period,
    )
    return leading.Election(
        arguments.leader_elect,
        arguments.leader_elect_resource_name,
        arguments.leader_elect_resource_namespace,
        timing,
    )


def serving(arguments: argparse.Namespace) -> status_server.Serving:
    """What the secure serving flags say."""
    return status_server.Serving(
        arguments.bind_address,
        arguments.secure_port,
        arguments.tls_cert_file,
        arguments.tls_private_key_file,
        arguments.client_ca_file,
    )
