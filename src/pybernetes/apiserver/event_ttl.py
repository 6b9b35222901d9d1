"""Events live for an hour after they were last written; what is over is deleted, as etcd's leases do it upstream.

Upstream: pkg/registry/core/event/storage (TTLFunc), k8s.io/apiserver/pkg/storage/etcd3 (lease_manager.go).
"""

import asyncio
import collections
import logging
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import timestamps
from pybernetes.storage import backend as backends

SECONDS = 3600.0
AGAIN_SECONDS = 10.0
"""After a failure of the store; also how much later than it could be an Event may go, so that many go at once."""

logger = logging.getLogger(__name__)


class EventTtl:
    """Every write of an Event waits here for its end, in order; one that was written again since is left alone."""

    def __init__(self, backend: backends.Backend, clock: clocks.Clock, prefix: str, seconds: float) -> None:
        self._backend = backend
        self._clock = clock
        self._prefix = f"{prefix}/events/"
        self._seconds = seconds
        self._waiting: collections.deque[tuple[float, str, int]] = collections.deque()
        self._unknown = True
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Delete what is over, until cancelled."""
        subscription = self._backend.subscribe(self._prefix, self._deliver, self._lost)
        try:
            while True:
                try:
                    await self._work()
                except backends.StorageError as failure:
                    logger.warning("Events cannot be deleted: %s", failure)
                    await self._clock.sleep(AGAIN_SECONDS)
        finally:
            subscription.cancel()

    async def _work(self) -> None:
        while True:
            if self._unknown:
                await self._load()
            while self._waiting:
                due = self._waiting[0][0] - self._clock.monotonic()
                if due > 0:
                    await self._clock.sleep(due + AGAIN_SECONDS)
                await self._expire()
            self._wake.clear()
            if not self._unknown:
                await self._wake.wait()

    def _lost(self) -> None:
        self._unknown = True
        self._wake.set()

    async def _load(self) -> None:
        """What is there though nobody told of it: judged by its own times."""
        self._unknown = False
        try:
            records = (await self._backend.list(self._prefix)).records
        except backends.StorageError:
            self._unknown = True
            raise
        now, wall = self._clock.monotonic(), self._clock.now()
        found = []
        for record in records:
            age = max(0.0, (wall - _written(msgspec.json.decode(record.value))).total_seconds())
            found.append((now + self._seconds - age, record.key, record.mod_revision))
        self._waiting = collections.deque(sorted([*found, *self._waiting]))

    def _deliver(self, batch: backends.Batch) -> None:
        due = self._clock.monotonic() + self._seconds
        for event in batch.events:
            if event.type is backends.EventType.PUT:
                self._waiting.append((due, event.record.key, event.record.mod_revision))
        self._wake.set()

    async def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, key, revision = self._waiting[0]
            try:
                await self._backend.delete(key, expected=revision)
            except backends.CompareFailed:
                """Written again, or gone already."""
            self._waiting.popleft()


def _written(event: dict[str, Any]) -> Any:
    """When the Event was last written, as far as it says."""
    series = event.get("series") or {}
    times = [timestamps.parse(event["metadata"]["creationTimestamp"])]
    times += [timestamps.parse(event[name]) for name in ("lastTimestamp",) if event.get(name)]
    micro = (event.get("eventTime"), series.get("lastObservedTime"))
    return max([*times, *(timestamps.parse_micro(one) for one in micro if one)])
