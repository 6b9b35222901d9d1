"""Container logs that have grown too large are put aside, and the oldest go.

    0.log                       written by the runtime
    0.log.20260101-000000       put aside last, still uncompressed because followers may be reading it
    0.log.20251231-000000.gz    older

Upstream: pkg/kubelet/logs/container_log_manager.go.
"""

import asyncio
import gzip
import logging
import pathlib
import shutil
from collections.abc import Callable, Iterable

from pybernetes.aio import clock as clocks
from pybernetes.kubelet import config as configs
from pybernetes.kubelet.cri import runtime

logger = logging.getLogger(__name__)


class LogRotation:
    """Watches the size of the logs of running containers."""

    def __init__(
        self,
        cri: runtime.Runtime,
        clock: clocks.Clock,
        running: Callable[[], Iterable[runtime.ContainerStatus]],
        config: configs.KubeletConfig,
    ) -> None:
        self._cri = cri
        self._clock = clock
        self._running = running
        self._config = config

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await self._clock.sleep(self._config.container_log_monitor_interval)
            for container in list(self._running()):
                try:
                    await self.look_at(container)
                except (OSError, runtime.CriError) as failure:
                    logger.warning("rotating log of %s: %s", container.name, failure)

    async def look_at(self, container: runtime.ContainerStatus) -> bool:
        """Rotate one log if it is too large; whether that was so."""
        if not container.log_path:
            return False
        path = pathlib.Path(container.log_path)
        try:
            if path.stat().st_size < self._config.container_log_max_size:
                return False
        except FileNotFoundError:
            # A rotation before this one renamed the log, but the runtime was not told.
            await self._cri.reopen_container_log(container.id)
            return False
        await asyncio.to_thread(self._tidy, path)
        aside = path.with_name(f"{path.name}.{self._clock.now():%Y%m%d-%H%M%S}")
        path.rename(aside)
        try:
            await self._cri.reopen_container_log(container.id)
        except runtime.CriError:
            aside.rename(path)  # otherwise nothing would be written there any more
            raise
        return True

    def _tidy(self, path: pathlib.Path) -> None:
        """Make room for one more: compress what was put aside, remove the oldest."""
        aside = sorted(one for one in path.parent.glob(f"{path.name}.*") if not one.name.endswith(".tmp"))
        # One file is the log itself, one will be put aside now.
        excess = len(aside) - max(0, self._config.container_log_max_files - 2)
        for old in aside[: max(0, excess)]:
            old.unlink()
        for one in aside[max(0, excess) :]:
            if not one.name.endswith(".gz"):
                compressed = one.with_name(f"{one.name}.gz")
                temporary = one.with_name(f"{one.name}.tmp")
                with one.open("rb") as source, gzip.open(temporary, "wb") as target:
                    shutil.copyfileobj(source, target)
                temporary.rename(compressed)
                one.unlink()
