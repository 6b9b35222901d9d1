"""Looks at the node's memory and disk and ends one pod at a time while they are short.

Upstream: pkg/kubelet/eviction/eviction_manager.go.
"""

import logging
import shutil
from collections.abc import Awaitable, Callable

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.kubelet import config as configs
from pybernetes.kubelet import eviction, machine, measures, pod_workers, recording
from pybernetes.kubelet.cri import runtime

logger = logging.getLogger(__name__)

_PERIOD = 10.0


class EvictionLoop:
    """Evicts; `reclaim` frees disk without ending pods and is tried first."""

    def __init__(
        self,
        clock: clocks.Clock,
        config: configs.KubeletConfig,
        cri: runtime.Runtime,
        workers: pod_workers.PodWorkers,
        events: recording.Events,
        pods: Callable[[], list[core.Pod]],
    ) -> None:
        self._clock = clock
        self._config = config
        self._cri = cri
        self._workers = workers
        self._events = events
        self._pods = pods
        self.reclaim: Callable[[], Awaitable[int]]

    async def run(self) -> None:
        """Look every ten seconds, until cancelled."""
        while True:
            await self._clock.sleep(_PERIOD)
            try:
                await self._look()
            except (OSError, runtime.CriError) as failure:
                logger.warning("eviction: %s", failure)

    async def _look(self) -> None:
        usage = shutil.disk_usage(self._config.root_dir)
        found = eviction.signals(machine.available_memory(), usage.free, usage.total)
        if not found:
            return
        signal = found[0]
        self._events.node(recording.WARNING, "EvictionThresholdMet", f"Attempting to reclaim {signal.resource}")
        if signal.resource == "ephemeral-storage" and await self.reclaim() > 0:
            return
        used: dict[str, int] = {}
        for one in await self._cri.stats():
            amount = one.memory_working_set if signal.resource == "memory" else one.rootfs_bytes
            used[one.pod_uid] = used.get(one.pod_uid, 0) + amount
        running = [pod for pod in self._pods() if not self._workers.termination_requested(pod.metadata.uid)]
        for pod in eviction.rank(running, signal, used)[:1]:
            text = eviction.message(pod, signal, used)
            self._events.pod(pod, recording.WARNING, "Evicted", text)
            measures.evictions.labels("memory.available" if signal.resource == "memory" else "nodefs.available").inc()
            grace = 0 if signal.resource == "memory" else 1
            kill = pod_workers.Kill("Evicted", text, "Failed", grace, eviction.condition(pod, text))
            self._workers.kill(pod.metadata.uid, kill)
