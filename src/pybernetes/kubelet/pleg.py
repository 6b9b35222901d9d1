"""Pod life-cycle events: which pods look different in the runtime than before.

    subscribe ──event──► pod of that container ──► on_change(uid)
        │ no event stream          ▲
        ▼                          │ differs from the last look
    relist each second ── list sandboxes, list containers

With an event stream the kubelet sleeps until something happens and only looks around once a minute, for events that
got lost. `pod_status` asks the runtime for one pod, always fresh; it waits out the moment in which the runtime has
announced an exit that its own status does not show yet.

Path: 16 status goes back. Upstream: pkg/kubelet/pleg (generic.go, evented.go).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.kubelet import measures, runtime_status, termination_message
from pybernetes.kubelet.cri import runtime

logger = logging.getLogger(__name__)

_EXIT_SETTLE = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_RECONNECT_DELAY = 1.0


class Pleg:
    """Watches the runtime and tells which pods changed; knows every pod's last status."""

    def __init__(
        self,
        cri: runtime.Runtime,
        clock: clocks.Clock,
        on_change: Callable[[str], None],
        *,
        period: float = 1.0,
        period_with_events: float = 60.0,
    ) -> None:
        self._cri = cri
        self._clock = clock
        self._on_change = on_change
        self._period = period
        self._period_with_events = period_with_events
        self._pod_of: dict[str, str] = {}
        """container or sandbox id → pod uid"""
        self._seen: dict[str, frozenset[tuple[str, Any]]] = {}
        """pod uid → what the last relist saw of it"""
        self._exiting: set[str] = set()
        self._last_relist: float | None = None
        self.statuses: dict[str, runtime_status.PodStatus] = {}
        self.has_events = False
        self.on_recovered: Callable[[], None] = lambda: None
        """The runtime answers again after it did not"""
        self._down = False
        self._again = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with tasks.TaskGroup("pleg") as group:
            group.start(self._follow_events(), "events")
            group.start(self._relist_periodically(), "relist")
            await group.wait()

    async def _follow_events(self) -> None:
        while True:
            try:
                self.has_events = True
                async for event in self._cri.events():
                    await self._handle(event)
            except runtime.UnimplementedError:
                logger.info("the runtime has no event stream: relisting every %s s", self._period)
                self.has_events = False
                self._again.set()
                return
            except runtime.CriError as failure:
                if not self._down:
                    logger.warning("event stream of the runtime: %s", failure)
            await self._clock.sleep(_RECONNECT_DELAY)
            await self.try_relist()  # what happened in between was not announced

    async def _handle(self, event: runtime.Event) -> None:
        if event.kind is runtime.EventKind.RESYNC:
            await self.try_relist()
            return
        uid = event.pod_uid or self._pod_of.get(event.container_id, "")
        if event.kind is runtime.EventKind.STOPPED:
            self._exiting.add(event.container_id)
        else:
            if event.kind is runtime.EventKind.DELETED:
                self._exiting.discard(event.container_id)
                self._pod_of.pop(event.container_id, None)
            return  # starts and removals are our own work
        if uid:
            self._on_change(uid)
        else:
            await self.try_relist()

    async def _relist_periodically(self) -> None:
        while True:
            await self.try_relist()
            period = self._period_with_events if self.has_events else self._period
            timer = self._clock.call_later(period, self._again.set, upkeep="relist")
            await self._again.wait()
            self._again.clear()
            timer.cancel()

    async def try_relist(self) -> None:
        """Look at everything; a runtime that does not answer is logged once, and told of when it answers again."""
        try:
            await self.relist()
        except runtime.CriError as failure:
            if not self._down:
                logger.warning("relist: %s", failure)
            self._down = True
            return
        if self._down:
            self._down = False
            logger.info("the runtime answers again")
            self.on_recovered()

    async def relist(self) -> dict[str, runtime_status.PodStatus]:
        """Look at everything once; tell of pods that differ from the last look. The answer has no addresses."""
        begin = self._clock.monotonic()
        sandboxes = await self._cri.list_pod_sandboxes()
        containers = await self._cri.list_containers()
        self._last_relist = self._clock.monotonic()
        measures.relist_duration.observe(self._last_relist - begin)
        seen: dict[str, set[tuple[str, Any]]] = {}
        pods: dict[str, runtime_status.PodStatus] = {}
        by_sandbox = {one.id: one.uid for one in sandboxes}
        for sandbox in sandboxes:
            seen.setdefault(sandbox.uid, set()).add((sandbox.id, sandbox.state))
            pods.setdefault(sandbox.uid, runtime_status.PodStatus(sandbox.uid, sandbox.name, sandbox.namespace))
        for container in containers:
            uid = container.pod_uid or by_sandbox.get(container.sandbox_id, "")
            seen.setdefault(uid, set()).add((container.id, container.state))
        frozen = {uid: frozenset(entries) for uid, entries in seen.items()}
        self._pod_of = {identity: uid for uid, entries in frozen.items() for identity, _ in entries}
        changed = [uid for uid in frozen.keys() | self._seen.keys() if frozen.get(uid) != self._seen.get(uid)]
        self._seen = frozen
        for uid in changed:
            self._on_change(uid)
        return pods

    @property
    def healthy(self) -> bool:
        """Whether the runtime has answered lately."""
        if self._last_relist is None:
            return False
        limit = 3 * max(self._period_with_events, 60.0)
        return self._clock.monotonic() - self._last_relist < limit

    def running(self) -> list[runtime.ContainerStatus]:
        """All containers that ran when they were last looked at."""
        state = runtime.ContainerState.RUNNING
        return [one for status in self.statuses.values() for one in status.containers if one.state is state]

    async def pod_status(self, uid: str) -> runtime_status.PodStatus:
        """One pod as the runtime has it now."""
        sandboxes = await self._cri.list_pod_sandboxes(uid)
        containers = await self._cri.list_containers(uid)
        full = [await self._sandbox(one, newest=index == 0) for index, one in enumerate(_newest_first(sandboxes))]
        answers = [await self._container(one.id) for one in containers]
        statuses = [one for one in answers if one is not None]
        self._pod_of.update({one.id: uid for one in sandboxes} | {one.id: uid for one in containers})
        status = runtime_status.build(uid, full, statuses, {one.id: one.sandbox_id for one in containers})
        if status.sandboxes or status.containers:
            self.statuses[uid] = status
        else:
            self.statuses.pop(uid, None)
        return status

    async def _sandbox(self, listed: runtime.Sandbox, *, newest: bool) -> runtime.Sandbox:
        if not newest or listed.state is not runtime.SandboxState.READY:
            return listed
        try:
            return await self._cri.pod_sandbox_status(listed.id)
        except runtime.NotFoundError:
            return listed

    async def _container(self, container_id: str) -> runtime.ContainerStatus | None:
        """The status of a container; if its exit was announced, the one after the exit."""
        try:
            status = await self._cri.container_status(container_id)
            for wait in _EXIT_SETTLE:
                if container_id not in self._exiting or status.state is not runtime.ContainerState.RUNNING:
                    break
                await self._clock.sleep(wait)
                status = await self._cri.container_status(container_id)
        except runtime.NotFoundError:
            return None
        self._exiting.discard(container_id)
        return termination_message.with_message(status)

    def forget(self, uid: str) -> None:
        """The pod is gone for good."""
        self.statuses.pop(uid, None)


def _newest_first(sandboxes: list[runtime.Sandbox]) -> list[runtime.Sandbox]:
    return sorted(sandboxes, key=lambda one: one.created_at, reverse=True)
