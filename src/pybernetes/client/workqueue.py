"""A queue of keys: each at most once in it, never two workers on the same key, delays and rate limits.

A key added while a worker has it is handed out again after that worker is `done`. A hundred adds meanwhile are one.

    add --> queued --get--> processing --done--> gone
                                |  add               (remembered as dirty)
                                +--done--> queued

Path: 11 informer caches, handlers enqueue. Upstream: client-go/util/workqueue.
"""

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pybernetes.aio import clock as clocks
from pybernetes.telemetry import metrics

K = TypeVar("K", bound=Hashable)

_BUCKETS = (1e-8, 1e-7, 1e-6, 9.999999999999999e-06, 9.999999999999999e-05, 0.001, 0.01, 0.1, 1.0, 10.0)


class ShutDown(Exception):
    """The queue hands out no more keys."""


@dataclasses.dataclass(frozen=True, slots=True)
class RateLimit:
    """How long a failed key waits: its own exponential delay or the bucket of all keys, whichever is longer."""

    initial: float = 0.005
    maximum: float = 1000.0
    per_second: float = 10.0
    burst: int = 100


class RateLimiter(Generic[K]):
    """Remembers failures per key and how much of the common bucket is used."""

    def __init__(self, clock: clocks.Clock, limit: RateLimit) -> None:
        self._clock = clock
        self._limit = limit
        self._failures: dict[K, int] = {}
        self._tokens = float(limit.burst)
        self._filled_at = clock.monotonic()

    def when(self, key: K) -> float:
        """Count a failure; the seconds until the key may be tried again."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        limit = self._limit
        # 2**64 of 5 ms is past any maximum, and floats end at 2**1024
        own = min(limit.maximum, limit.initial * 2.0 ** min(failures, 64))
        return max(own, self._reserve())

    def _reserve(self) -> float:
        limit, now = self._limit, self._clock.monotonic()
        self._tokens = min(float(limit.burst), self._tokens + (now - self._filled_at) * limit.per_second)
        self._filled_at = now
        self._tokens -= 1.0
        return 0.0 if self._tokens >= 0.0 else -self._tokens / limit.per_second

    def failures(self, key: K) -> int:
        """How often the key failed since it was last forgotten."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """The key has succeeded, or nobody tries any longer."""
        self._failures.pop(key, None)


class _Metrics:
    """The time series of one named queue, names as upstream's."""

    def __init__(self, name: str, registry: metrics.Registry) -> None:
        label = ("name",)
        self.depth = registry.gauge("workqueue_depth", "Current depth of workqueue", label).labels(name)
        self.adds = registry.counter("workqueue_adds_total", "Total number of adds handled by workqueue", label).labels(
            name
        )
        self.waited = registry.histogram(
            "workqueue_queue_duration_seconds",
            "How long in seconds an item stays in workqueue before being requested.",
            label,
            _BUCKETS,
        ).labels(name)
        self.worked = registry.histogram(
            "workqueue_work_duration_seconds",
            "How long in seconds processing an item from workqueue takes.",
            label,
            _BUCKETS,
        ).labels(name)
        self.retries = registry.counter(
            "workqueue_retries_total", "Total number of retries handled by workqueue", label
        ).labels(name)
        self.unfinished = registry.gauge(
            "workqueue_unfinished_work_seconds",
            "How many seconds of work has done that is in progress and hasn't been observed by work_duration.",
            label,
        ).labels(name)
        self.longest = registry.gauge(
            "workqueue_longest_running_processor_seconds",
            "How many seconds has the longest running processor for workqueue been running.",
            label,
        ).labels(name)


class WorkQueue(Generic[K]):
    """Keys waiting for a worker."""

    def __init__(
        self,
        name: str,
        *,
        clock: clocks.Clock,
        limit: RateLimit | None = None,
        registry: metrics.Registry = metrics.DEFAULT,
    ) -> None:
        self.name = name
        self._clock = clock
        self._limiter: RateLimiter[K] = RateLimiter(clock, limit or RateLimit())
        self._queue: collections.deque[K] = collections.deque()
        self._dirty: dict[K, float] = {}
        """Keys that need work, and since when."""
        self._processing: dict[K, float] = {}
        self._delayed: dict[K, tuple[float, clocks.Timer, str]] = {}
        self._getters: collections.deque[asyncio.Future[None]] = collections.deque()
        self._shut = False
        self._metrics = _Metrics(name, registry)
        registry.refresh_by(self._measure)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._delayed)

    @property
    def idle(self) -> bool:
        """Nothing is queued, in work, or waiting for its time."""
        return not self._queue and not self._processing and not self._delayed

    def add(self, key: K) -> None:
        """The key needs work now."""
        if self._shut or key in self._dirty:
            return
        self._metrics.adds.inc()
        self._dirty[key] = self._clock.monotonic()
        if key not in self._processing:
            self._enqueue(key)

    def _enqueue(self, key: K) -> None:
        self._queue.append(key)
        self._metrics.depth.set(len(self._queue))
        self._wake_getter()

    def _wake_getter(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def add_after(self, key: K, seconds: float, *, upkeep: str = "") -> None:
        """The key needs work then; of several such times the earliest counts."""
        if self._shut:
            return
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if (waiting := self._delayed.get(key)) is not None:
            if waiting[0] <= due and (upkeep or not waiting[2]):
                return
            waiting[1].cancel()
        self._delayed[key] = (due, self._clock.call_later(seconds, self._falls_due(key), upkeep=upkeep), upkeep)

    def _falls_due(self, key: K) -> Callable[[], None]:
        def call() -> None:
            self._delayed.pop(key, None)
            self.add(key)

        return call

    def add_rate_limited(self, key: K) -> None:
        """The key has failed: it needs work after a delay that grows each time."""
        self._metrics.retries.inc()
        self.add_after(key, self._limiter.when(key))

    def forget(self, key: K) -> None:
        """The key has succeeded: its next failure is a first one."""
        self._limiter.forget(key)

    def requeues(self, key: K) -> int:
        """How often the key has failed in a row."""
        return self._limiter.failures(key)

    async def get(self) -> K:
        """The next key; whoever takes it calls `done`. `ShutDown` when there will be none."""
        while not self._queue:
            if self._shut:
                raise ShutDown(self.name)
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                # the wake-up that this getter was given belongs to another one
                if getter.done() and not getter.cancelled() and self._queue:
                    self._wake_getter()
                raise
        key = self._queue.popleft()
        now = self._clock.monotonic()
        self._metrics.depth.set(len(self._queue))
        self._metrics.waited.observe(now - self._dirty.pop(key))
        self._processing[key] = now
        return key

    def done(self, key: K) -> None:
        """The worker is through with the key; it comes back if it was added meanwhile."""
        started = self._processing.pop(key)
        self._metrics.worked.observe(self._clock.monotonic() - started)
        if key in self._dirty:
            self._enqueue(key)

    def shut_down(self) -> None:
        """Take no more keys; those in the queue are still handed out."""
        self._shut = True
        for _, timer, _ in self._delayed.values():
            timer.cancel()
        self._delayed.clear()
        while self._getters:
            self._wake_getter()

    def _measure(self) -> None:
        now = self._clock.monotonic()
        ages = [now - started for started in self._processing.values()]
        self._metrics.unfinished.set(sum(ages))
        self._metrics.longest.set(max(ages, default=0.0))
