"""Working alone: a component that must run only once in a cluster works while it holds a Lease.

Upstream: k8s.io/component-base/config (LeaderElectionConfiguration), client-go/tools/leaderelection.
"""

import dataclasses
import socket
import uuid
from collections.abc import Awaitable, Callable

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.client import events, leader_election, rest
from pybernetes.telemetry import health


@dataclasses.dataclass(frozen=True, slots=True)
class Election:
    """Whether to elect a leader, by which Lease, in what time."""

    enabled: bool = True
    name: str = ""
    namespace: str = "kube-system"
    timing: leader_election.Timing = dataclasses.field(default_factory=leader_election.Timing)


async def lead(
    election: Election,
    client: rest.Client,
    clock: clocks.Clock,
    checks: health.Checks,
    work: Callable[[], Awaitable[None]],
) -> None:
    """Do the work, as the leader if there shall be one; how that goes is one of the checks. Raises LeadershipLost."""
    if not election.enabled:
        await work()
        return
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    async with tasks.TaskGroup("leader election") as group:
        elector = leader_election.LeaderElector(
            client,
            election.name,
            identity,
            clock,
            namespace=election.namespace,
            timing=election.timing,
            recorder=events.EventRecorder(client, election.name, clock, group),
        )
        checks.add("leaderElection", elector.check)
        await elector.run(work)
