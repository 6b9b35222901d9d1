"""The scheduler as a process of its own.

Upstream: cmd/kube-scheduler/app.
"""

import contextlib
import dataclasses
import socket

from pybernetes.aio import clock as clocks
from pybernetes.cluster.standalone import connections, leading, status_server
from pybernetes.scheduler import context, scheduler

NAME = "kube-scheduler"


@dataclasses.dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """What the flags say."""

    kubeconfig: str
    master: str = ""
    election: leading.Election = dataclasses.field(default_factory=lambda: leading.Election(name=NAME))
    serving: status_server.Serving = dataclasses.field(default_factory=status_server.Serving)


async def run(settings: SchedulerSettings) -> None:
    """Work until cancelled. Raises SettingsError."""
    clock = clocks.RealClock()
    who = connections.load(settings.kubeconfig, settings.master)
    async with contextlib.AsyncExitStack() as stack:
        client = await connections.client(stack, who, clock, NAME)
        status = status_server.StatusServer(settings.serving, client, clock)
        await status.start()
        stack.push_async_callback(status.stop)

        async def work() -> None:
            await scheduler.Scheduler(client, clock, context.SchedulerConfig(host=socket.gethostname())).run()

        await leading.lead(settings.election, client, clock, status.checks, work)
