"""One watch: which changes it gets, its bookmarks, its end.

    BUFFERING --attach--> LIVE --stop, too slow, cache restarts--> ENDED
        \\---------------------------stop--------------------------/

Hot path, budget 3 us per watcher and event before the socket (`tests/bench/storage.py`): `judge` decides, the caller's
`deliver` gets a list of events whose `line` exists once for all watchers.
Path: 10 watchers hear of it.
Upstream: k8s.io/apiserver/pkg/storage/cacher/cache_watcher.go.
"""

import asyncio
import collections
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from pybernetes.aio import clock as clocks
from pybernetes.storage import cached, listing

BOOKMARK_SECONDS = 60.0
BEFORE_TIMEOUT_SECONDS = 2.0
BUFFER = 1000
"""Events that wait for a reader before it counts as too slow."""

Deliver = Callable[[Sequence[cached.WatchEvent]], None]

logger = logging.getLogger(__name__)


def _nothing() -> None:
    """For watchers whose end interests nobody."""


class Watcher:
    """Created by `WatchCache.watch`; `attach` starts the flow, `stop` ends it."""

    __slots__ = (
        "_buffer",
        "_clock",
        "_deadline",
        "_deliver",
        "_ended",
        "_forget",
        "_make_bookmark",
        "_room",
        "_timer",
        "after",
        "ended",
        "scope",
        "selection",
        "trigger",
        "unfiltered",
    )

    def __init__(self, scope: str, options: listing.WatchOptions, clock: clocks.Clock) -> None:
        self.scope = scope
        self.selection = options.selection
        self.after = 0
        self.trigger: tuple[str, str] | None = None
        self.unfiltered = options.selection.empty
        self.ended = False
        self._clock = clock
        self._deadline = clock.monotonic() + options.timeout if options.timeout > 0 else 0.0
        self._buffer: list[cached.WatchEvent] | None = []
        self._room = BUFFER
        self._deliver: Deliver | None = None
        self._ended: Callable[[], None] = _nothing
        self._forget: Callable[[Watcher], None] | None = None
        self._make_bookmark: Callable[[], cached.WatchEvent] | None = None
        self._timer: clocks.Timer | None = None

    def register(
        self,
        forget: "Callable[[Watcher], None]",
        make_bookmark: Callable[[], cached.WatchEvent] | None,
        initial: Sequence[cached.WatchEvent],
    ) -> None:
        """For the cache: what comes first, how to leave it, and how bookmarks are made if the client wants them."""
        self._forget = forget
        self._buffer = list(initial)
        self._room = len(initial) + BUFFER
        self._make_bookmark = make_bookmark
        if make_bookmark is not None:
            self._schedule_bookmark()

    def attach(self, deliver: Deliver, ended: Callable[[], None] = _nothing) -> None:
        """Have `deliver` called now with what has come so far, then with everything as it happens.

        It must not block; a reader that falls behind calls `stop` itself. `ended` is called once if the cache ends
        the watch (never for `stop` by the reader).
        """
        buffered, self._buffer = self._buffer, None
        self._deliver = deliver
        self._ended = ended
        if buffered:
            self.receive(buffered)
        if self.ended:
            ended()

    def covers(self, key: str) -> bool:
        """Whether a key lies in the scope: a prefix that ends in a slash, or one key."""
        return key.startswith(self.scope) if self.scope.endswith("/") else key == self.scope

    def judge(self, change: cached.Change) -> cached.WatchEvent | None:
        """The event this change is to this watcher, if it is one."""
        if change.revision <= self.after:
            return None
        if self.unfiltered:
            return change.plain
        if self.trigger is not None and not self.covers(change.key):
            return None
        current, previous, matches = change.current, change.previous, self.selection.matches
        return change.event(current is not None and matches(current), previous is not None and matches(previous))

    def receive(self, events: Sequence[cached.WatchEvent]) -> None:
        """For the cache: hand events on, or keep them until somebody attaches."""
        if self.ended:
            return
        if self._deliver is None:
            # Nobody may ever attach (the client left meanwhile): such a watch must not gather the world.
            if self._buffer is None or len(self._buffer) > self._room:
                self.end()
            else:
                self._buffer += events
            return
        try:
            self._deliver(events)
        except Exception:
            logger.exception("watch of %s failed", self.scope)
            self.end()

    def stop(self) -> None:
        """End the watch: the reader wants no more."""
        if not self.ended:
            self.ended = True
            self._deliver = None
            if self._timer is not None:
                self._timer.cancel()
            if self._forget is not None:
                self._forget(self)

    def end(self) -> None:
        """For the cache: end the watch and tell the reader, who will connect again."""
        if not self.ended:
            attached = self._deliver is not None
            self.stop()
            if attached:
                self._ended()

    async def batches(self, *, limit: int = BUFFER) -> AsyncIterator[Sequence[cached.WatchEvent]]:
        """The same as lists of events to iterate over; ends when the watch does, or the reader is `limit` behind."""
        waiting: collections.deque[Sequence[cached.WatchEvent]] = collections.deque()
        wake = asyncio.Event()

        def deliver(events: Sequence[cached.WatchEvent]) -> None:
            waiting.append(events)
            wake.set()
            if len(waiting) > limit:
                self.end()

        self.attach(deliver, wake.set)
        try:
            while waiting or not self.ended:
                if waiting:
                    yield waiting.popleft()
                else:
                    wake.clear()
                    await wake.wait()
        finally:
            self.stop()

    def _schedule_bookmark(self) -> None:
        delay = BOOKMARK_SECONDS
        if self._deadline:
            # The last one comes shortly before the timeout, so that the next watch starts where this one ended.
            delay = min(delay, self._deadline - BEFORE_TIMEOUT_SECONDS - self._clock.monotonic())
        if delay > 0:
            self._timer = self._clock.call_later(delay, self._send_bookmark, upkeep="bookmark")

    def _send_bookmark(self) -> None:
        if not self.ended and self._make_bookmark is not None:
            self.receive((self._make_bookmark(),))
            if not self.ended:
                self._schedule_bookmark()
