"""Runs the controllers: builds each from the table, starts the shared caches, supervises.

Path: 12 controllers.
Upstream: cmd/kube-controller-manager/app/controllermanager.go (Run, StartControllers).
"""

import asyncio
from collections.abc import Callable

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.client import informer, rest
from pybernetes.controllers import table
from pybernetes.controllers.context import ControllerContext, Settings
from pybernetes.telemetry import logs

logger = logs.get("controllermanager")


class ControllerManager:
    """All controllers of one process.

    `client` reads for everybody; `client_for(name)` gives each controller the identity it writes with.
    """

    def __init__(
        self,
        client: rest.Client,
        client_for: Callable[[str], rest.Client],
        clock: clocks.Clock,
        settings: Settings,
        selection: tuple[str, ...] = ("*",),
    ) -> None:
        self._client = client
        self._client_for = client_for
        self._clock = clock
        self._settings = settings
        self._rows = table.enabled(selection)
        self.started = asyncio.Event()
        """Set when every controller runs and every cache is complete."""

    async def run(self) -> None:
        """Run until cancelled; a controller that crashes ends them all."""
        async with tasks.TaskGroup("kube-controller-manager") as group:
            informers = informer.InformerFactory(self._client, self._clock, group)
            context = ControllerContext(self._client_for, informers, self._clock, group, self._settings)
            for name, row in self._rows.items():
                controller = row.constructor(context)
                if controller is None:
                    logger.warning("Skipping controller", extra=logs.kv(controller=name))
                    continue
                group.start(controller.run(), name)
                logger.info("Started controller", extra=logs.kv(controller=name))
            await informers.start()
            await informers.wait_for_sync()
            self.started.set()
            await group.wait()
