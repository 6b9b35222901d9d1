"""Monotonic and wall time behind one object, so that tests can drive whole clusters through hours in no time.

Nothing else in the project reads a clock or sleeps. `RealClock` asks the operating system; `VirtualClock` stands still
until `advance` is called and then wakes sleepers in the order of their deadlines. Chance comes with the clock, so that
a seed repeats a history.
"""

import asyncio
import datetime
import heapq
import itertools
import random
import time
from collections.abc import Callable
from typing import Protocol

_TURNS = 50


class Timer(Protocol):
    """A scheduled call that can be taken back."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has already happened."""


class Clock(Protocol):
    """What components know of time, and of chance."""

    random: random.Random

    def now(self) -> datetime.datetime:
        """Wall time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    async def sleep(self, seconds: float, *, upkeep: str = "") -> None:
        """Return when that much monotonic time has passed (at once for zero or less, after yielding)."""

    def call_later(self, seconds: float, call: Callable[[], None], *, upkeep: str = "") -> Timer:
        """Call that function once, in the running loop, after so many seconds.

        `upkeep` names what the call only keeps as it is (a lease, a watch): virtual time may put that off.
        """


class RealClock:
    """The operating system's time and chance, and the event loop's timers."""

    def __init__(self) -> None:
        self.random: random.Random = random.SystemRandom()

    def now(self) -> datetime.datetime:
        """Wall time, aware, in UTC."""
        return datetime.datetime.now(datetime.UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float, *, upkeep: str = "") -> None:
        """Sleep in the event loop."""
        await asyncio.sleep(max(0.0, seconds))

    def call_later(self, seconds: float, call: Callable[[], None], *, upkeep: str = "") -> Timer:
        """Use the running loop's timer."""
        return asyncio.get_running_loop().call_later(max(0.0, seconds), call)


async def idle() -> None:
    """Return when the running loop has nothing else to do but wait: for time to pass, or for other processes.

    Exact on asyncio's own loop. uvloop does not tell, and gets a number of turns.
    """
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    quiet, enough = 0, _TURNS if ready is None else 2  # in the second it has looked at sockets once more
    while quiet < enough:
        await asyncio.sleep(0)
        quiet = 0 if ready else quiet + 1


class _VirtualTimer:
    """A timer of the virtual clock; cancelled ones are skipped when their turn comes."""

    __slots__ = ("_call", "_seconds")

    def __init__(self, call: Callable[[], None], seconds: float) -> None:
        self._call: Callable[[], None] | None = call
        self._seconds = seconds

    def cancel(self) -> None:
        self._call = None

    def fire(self) -> None:
        if self._call is not None:
            self._call()

    @property
    def cancelled(self) -> bool:
        return self._call is None

    def period(self) -> float:
        return self._seconds


class VirtualClock:
    """Time that moves only when told to, and chance that repeats itself.

    `advance` moves to each due deadline in turn and lets the loop run until it is idle before it goes on, so that
    what a timer causes (and the timers that causes) happens at the right virtual time.

    With `deferring`, timers that are mere upkeep wait for the end of an advance and then come once, however often they
    would have come meanwhile: nobody could have seen the difference but in the record. It is what Linux does with
    deferrable timers, and lets a settled cluster live through a week in seconds.
    """

    def __init__(self, start: datetime.datetime | None = None, seed: int = 0, *, deferring: bool = False) -> None:
        self.random = random.Random(seed)
        self.deferring = deferring
        self._upkeep: dict[str, list[tuple[float, int, _VirtualTimer]]] = {}
        self._exact: set[str] = set()
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

    async def sleep(self, seconds: float, *, upkeep: str = "") -> None:
        """Wait until the clock has been advanced that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if done.done() else done.set_result(None), upkeep=upkeep)
        try:
            await done
        finally:
            timer.cancel()

    def call_later(self, seconds: float, call: Callable[[], None], *, upkeep: str = "") -> Timer:
        """Call that function when the clock has been advanced that far."""
        timer = _VirtualTimer(call, seconds)
        timers = self._upkeep.setdefault(upkeep, []) if upkeep and self.defers(upkeep) else self._timers
        heapq.heappush(timers, (self._elapsed + max(0.0, seconds), next(self._order), timer))
        return timer

    def fork(self) -> "VirtualClock":
        """A clock of its own at this time, with the same chances ahead, on which nothing waits yet."""
        copy = VirtualClock(self.now(), deferring=self.deferring)
        copy.random.setstate(self.random.getstate())
        return copy

    def defers(self, upkeep: str) -> bool:
        """Whether timers of that name wait for the end of an advance."""
        return self.deferring and upkeep not in self._exact

    def attend(self, upkeep: str) -> None:
        """From now on timers of that name are exact."""
        self._exact.add(upkeep)
        for timer in self._upkeep.pop(upkeep, ()):
            heapq.heappush(self._timers, timer)

    def neglect(self, upkeep: str) -> None:
        """Timers of that name that are set from now on may be put off again."""
        self._exact.discard(upkeep)

    async def advance(
        self, seconds: float = 0.0, *, days: float = 0.0, hours: float = 0.0, minutes: float = 0.0
    ) -> None:
        """Move time forward, doing on the way what falls due, and return when all that it causes is done."""
        target = self._elapsed + datetime.timedelta(days, seconds, hours=hours, minutes=minutes).total_seconds()
        await self._until(target)
        self._elapsed = target
        due = []
        for timers in self._upkeep.values():
            while timers and timers[0][0] <= target:
                due.append(heapq.heappop(timers)[2])
        # The most frequent first: who watches over a heartbeat waits longer than it takes.
        due.sort(key=_VirtualTimer.period)
        for _, group in itertools.groupby(due, key=_VirtualTimer.period):
            for timer in group:
                timer.fire()
            await self._until(target)

    async def _until(self, target: float) -> None:
        await idle()
        while (due := self._next()) is not None and due <= target:
            self._turn(due)
            await idle()

    def _next(self) -> float | None:
        """The next deadline that still means something."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def until(self, done: Callable[[], bool], patience: float) -> bool:
        """Move time from deadline to deadline until it is so; False if it is not within so many seconds."""
        target = self._elapsed + patience
        await idle()
        while not done():
            due = self._next()
            if due is None or due > target:
                return False
            self._turn(due)
            await idle()
        return True

    def _turn(self, due: float) -> None:
        """Go to that deadline and make its calls."""
        self._elapsed = max(self._elapsed, due)
        while self._timers and self._timers[0][0] <= due:
            heapq.heappop(self._timers)[2].fire()
