"""Runs the controllers: builds each from the table, starts the shared caches, supervises.

Path: 12 controllers.
Upstream: cmd/kube-controller-manager/app/controllermanager.go (Run, StartControllers).
"""

import asyncio
from collections.abc import Callable

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import decode, informer, rest, transport
from pybernetes.controllers import table
from pybernetes.controllers.context import ControllerContext, Runnable, Settings
from pybernetes.telemetry import logs, traces

logger = logs.get("controllermanager")

ACCOUNTS = "kube-system"
API_SERVER_TIMEOUT = 10.0
API_SERVER_RETRY = 1.0


class ControllerManager:
    """All controllers of one process.

    `client` reads for everybody; `client_for(name)` gives each controller the identity it writes with. `built` hears of
    every controller that will run.
    """

    def __init__(
        self,
        client: rest.Client,
        client_for: Callable[[str], rest.Client],
        clock: clocks.Clock,
        settings: Settings,
        selection: tuple[str, ...] = ("*",),
        built: Callable[[str, Runnable], object] | None = None,
    ) -> None:
        self._client = client
        self._client_for = client_for
        self._clock = clock
        self._settings = settings
        traces.started(2)
        self._rows = table.enabled(selection)
        self._built = built or (lambda name, controller: None)
        self._context: ControllerContext
        self._accounts: set[str] = set()
        self._running: dict[str, asyncio.Task[None]] = {}
        self.started = asyncio.Event()
        """Set when every controller runs and every cache is complete."""

    async def run(self) -> None:
        """Run until cancelled; a controller that crashes ends them all."""
        traces.acting_as.set("kube-controller-manager")
        async with tasks.TaskGroup("kube-controller-manager") as group:
            informers = informer.InformerFactory(self._client, self._clock, group)
            context = ControllerContext(self._client, self._account, informers, self._clock, group, self._settings)
            # all or none: a controller that cannot be built ends this before any other has done anything
            self._context = context
            for name, controller in (await self._build(context)).items():
                self._begin(name, controller)
            await informers.start()
            await informers.wait_for_sync()
            self.started.set()
            await self._make_accounts()
            await group.wait()

    def _account(self, name: str) -> rest.Client:
        self._accounts.add(name)
        return self._client_for(name)

    async def _make_accounts(self) -> None:
        """The service accounts that the controllers act as, to be seen and bound to roles; nobody waits for them."""
        resource = self._client.resource(core.ServiceAccount)
        try:
            known = {one.metadata.name for one in (await resource.list(ACCOUNTS)).items}
            for name in sorted(self._accounts - known):
                await resource.create(core.ServiceAccount(metadata=meta.ObjectMeta(name=name, namespace=ACCOUNTS)))
        except (errors.StatusError, transport.TransportError) as error:
            logger.warning("service accounts of controllers are made at the next start: %s", error)

    def _begin(self, name: str, controller: Runnable) -> None:
        self._built(name, controller)
        self._running[name] = self._context.group.start(controller.run(), name)
        logger.info("Started controller", extra=logs.kv(controller=name))

    async def switch_off(self, name: str) -> None:
        """End one controller; the others go on."""
        task = self._running.pop(name)
        task.cancel()
        await asyncio.wait([task])

    async def switch_on(self, name: str) -> None:
        """Begin anew with a controller that was switched off, or was not selected; it sees all objects as new."""
        controller = None if name in self._running else table.CONTROLLERS[name].constructor(self._context)
        if controller is not None:
            self._begin(name, controller)
            await self._context.informers.start()

    async def _build(self, context: ControllerContext) -> dict[str, Runnable]:
        """The controllers in the table's order, less those for which there is nothing to do here."""
        served = await self._served_groups()
        made = {}
        for name, row in self._rows.items():
            controller = row.constructor(context) if row.group in served else None
            if controller is None:
                logger.info("Warning: skipping controller", extra=logs.kv(controller=name))
            else:
                made[name] = controller
                traces.started(4, name)
        return made

    async def _served_groups(self) -> set[str]:
        """The server's API groups; it is given ten seconds to answer."""
        deadline = self._clock.monotonic() + API_SERVER_TIMEOUT
        while True:
            try:
                listed = decode.plain((await self._client.raw("GET", "/apis")).body)
                return {"", *(group["name"] for group in listed["groups"])}
            except (errors.StatusError, transport.TransportError) as error:
                logger.warning("failed to wait for apiserver being healthy: %s", error)
                if self._clock.monotonic() >= deadline:
                    raise
            await self._clock.sleep(API_SERVER_RETRY)
