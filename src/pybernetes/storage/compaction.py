"""Forgetting history in time: every five minutes, what is older than the last such moment.

A list's continue token therefore lives five to ten minutes, as upstream's does.
Upstream: k8s.io/apiserver/pkg/storage/etcd3/compact.go.
"""

from collections.abc import Callable

from pybernetes.aio import clock as clocks

COMPACT_SECONDS = 300.0


class Compactor:
    """Calls `compact(revision)` with what `newest()` said one period ago; `stop` ends it."""

    def __init__(
        self,
        clock: clocks.Clock,
        newest: Callable[[], int],
        compact: Callable[[int], None],
        seconds: float = COMPACT_SECONDS,
    ) -> None:
        self._clock = clock
        self._newest = newest
        self._compact = compact
        self._seconds = seconds
        self._last = newest()
        self._timer = clock.call_later(seconds, self._tick, upkeep="compaction")

    def _tick(self) -> None:
        self._compact(self._last)
        self._last = self._newest()
        self._timer = self._clock.call_later(self._seconds, self._tick, upkeep="compaction")

    def stop(self) -> None:
        """Compact no more."""
        self._timer.cancel()
