"""The controllers as a process of their own.

Upstream: cmd/kube-controller-manager/app.
"""

import contextlib
import dataclasses

from pybernetes.aio import clock as clocks
from pybernetes.cluster.standalone import accounts, connections, leading, status_server
from pybernetes.controllers import context, manager, table

NAME = "kube-controller-manager"


@dataclasses.dataclass(frozen=True, slots=True)
class ControllerManagerSettings:
    """What the flags say."""

    kubeconfig: str
    master: str = ""
    controllers: tuple[str, ...] = ("*",)
    use_service_account_credentials: bool = False
    election: leading.Election = dataclasses.field(default_factory=lambda: leading.Election(name=NAME))
    serving: status_server.Serving = dataclasses.field(default_factory=status_server.Serving)
    settings: context.Settings = dataclasses.field(default_factory=context.Settings)


async def run(settings: ControllerManagerSettings) -> None:
    """Work until cancelled. Raises SettingsError."""
    clock = clocks.RealClock()
    try:
        table.enabled(settings.controllers)
    except table.UnknownController as error:
        raise connections.SettingsError(f"--controllers: {error}") from error
    who = connections.load(settings.kubeconfig, settings.master)
    async with contextlib.AsyncExitStack() as stack:
        client = await connections.client(stack, who, clock, NAME)
        clients = accounts.AccountClients(client, who, clock, NAME)
        stack.push_async_callback(clients.close)
        status = status_server.StatusServer(settings.serving, client, clock)
        await status.start()
        stack.push_async_callback(status.stop)

        def built(name: str, controller: context.Runnable) -> None:
            status.checks.add(name, lambda: None)
            if isinstance(controller, context.Debuggable):
                for known_as in (name, table.CONTROLLERS[name].alias):
                    status.mount(f"/debug/controllers/{known_as}", controller.debug)

        async def work() -> None:
            of = clients.client_for if settings.use_service_account_credentials else lambda _: client
            await manager.ControllerManager(client, of, clock, settings.settings, settings.controllers, built).run()

        await leading.lead(settings.election, client, clock, status.checks, work)
