"""Pods that Permit plugins hold back between their decision and their binding.

Upstream: pkg/scheduler/framework/runtime/waiting_pods_map.go.
"""

import asyncio
import functools
from collections.abc import Mapping

from pybernetes.aio import clock as clocks
from pybernetes.scheduler import framework
from pybernetes.scheduler.framework import Status
from pybernetes.scheduler.node_info import PodInfo


class WaitingPod:
    """One Pod; every plugin that asked to wait must allow it, or its time runs out."""

    def __init__(self, pod: PodInfo, waits: Mapping[str, float], clock: clocks.Clock) -> None:
        self.pod = pod
        self._pending = {*waits}
        self._outcome: asyncio.Future[Status | None] = asyncio.get_running_loop().create_future()
        self._timers = [
            clock.call_later(seconds, functools.partial(self._expire, name)) for name, seconds in waits.items()
        ]

    @property
    def pending_plugins(self) -> frozenset[str]:
        """Who has not allowed it yet."""
        return frozenset(self._pending)

    def allow(self, plugin: str) -> None:
        """As far as that plugin is concerned it may go on."""
        self._pending.discard(plugin)
        if not self._pending:
            self._decide(None)

    def reject(self, plugin: str, message: str) -> bool:
        """It may not; False if that is no news."""
        return self._decide(framework.unschedulable(plugin, message))

    def _expire(self, plugin: str) -> None:
        self.reject(plugin, f"rejected due to timeout after waiting on plugin {plugin}")

    def _decide(self, status: Status | None) -> bool:
        if self._outcome.done():
            return False
        self._outcome.set_result(status)
        for timer in self._timers:
            timer.cancel()
        return True

    async def wait(self) -> Status | None:
        """The decision."""
        return await self._outcome


class WaitingPods:
    """All of them, by uid."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._pods: dict[str, WaitingPod] = {}

    def add(self, pod: PodInfo, waits: Mapping[str, float]) -> None:
        """Hold it back."""
        self._pods[pod.uid] = WaitingPod(pod, waits, self._clock)

    def get(self, uid: str) -> WaitingPod | None:
        """One, if it waits."""
        return self._pods.get(uid)

    def reject(self, uid: str, plugin: str = "", message: str = "removed") -> bool:
        """Refuse it; False if it does not wait."""
        waiting = self._pods.get(uid)
        return waiting is not None and waiting.reject(plugin, message)

    async def wait_on_permit(self, uid: str) -> Status | None:
        """Until the Pod may go on; at once if nobody holds it."""
        waiting = self._pods.get(uid)
        if waiting is None:
            return None
        try:
            return await waiting.wait()
        finally:
            del self._pods[uid]
