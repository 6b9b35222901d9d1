"""Monotonic and wall time behind one object, so that tests can drive whole clusters through hours in no time.

Nothing else in the project reads a clock or sleeps. `RealClock` asks the operating system; `VirtualClock` stands still
until `advance` is called and then wakes sleepers in the order of their deadlines.
"""

import asyncio
import datetime
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A scheduled call that can be taken back."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has already happened."""


class Clock(Protocol):
    """What components know of time."""

    def now(self) -> datetime.datetime:
        """Wall time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return when that much monotonic time has passed (at once for zero or less, after yielding)."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call that function once, in the running loop, after so many seconds."""


class RealClock:
    """The operating system's time and the event loop's timers."""

    def now(self) -> datetime.datetime:
        """Wall time, aware, in UTC."""
        return datetime.datetime.now(datetime.UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep in the event loop."""
        await asyncio.sleep(max(0.0, seconds))

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Use the running loop's timer."""
        return asyncio.get_running_loop().call_later(max(0.0, seconds), call)


class _VirtualTimer:
    """A timer of the virtual clock; cancelled ones are skipped when their turn comes."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class VirtualClock:
    """Time that moves only when told to.

    `advance` moves to each due deadline in turn and lets the loop run until it is idle before it goes on, so that
    what a timer causes (and the timers that causes) happens at the right virtual time.
    """

    def __init__(self, start: datetime.datetime | None = None) -> None:
        self._epoch = start or datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        self._elapsed = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _VirtualTimer]] = []

    def now(self) -> datetime.datetime:
        """The virtual wall time."""
        return self._epoch + datetime.timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            timer.cancel()

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call that function when the clock has been advanced that far."""
        timer = _VirtualTimer(call)
        heapq.heappush(self._timers, (self._elapsed + max(0.0, seconds), next(self._order), timer))
        return timer

    async def advance(self, seconds: float, *, settle_rounds: int = 50) -> None:
        """Move time forward, running what falls due on the way; the loop gets `settle_rounds` turns per deadline."""
        target = self._elapsed + seconds
        await self._settle(settle_rounds)
        while self._timers and self._timers[0][0] <= target:
            due = self._timers[0][0]
            self._elapsed = max(self._elapsed, due)
            while self._timers and self._timers[0][0] <= due:
                call = heapq.heappop(self._timers)[2].call
                if call is not None:
                    call()
            await self._settle(settle_rounds)
        self._elapsed = target

    @staticmethod
    async def _settle(rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)
