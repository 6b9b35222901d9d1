"""Exponential delays by key, measured from the event that caused them: crash loops and image pulls.

A key starts at `initial` and doubles up to `maximum` each time it is used again; a key left alone for twice the maximum
starts over.

Upstream: client-go/util/flowcontrol/backoff.go.
"""

import dataclasses

from pybernetes.aio import clock as clocks


@dataclasses.dataclass(slots=True)
class _Entry:
    delay: float
    updated: float


class KeyedBackoff:
    """Who may try again when. Times are wall-clock seconds, because the events come from the runtime."""

    def __init__(self, clock: clocks.Clock, initial: float = 10.0, maximum: float = 300.0) -> None:
        self._clock = clock
        self._initial = initial
        self._maximum = maximum
        self._entries: dict[str, _Entry] = {}

    def remaining(self, key: str, event: float) -> float:
        """Seconds until `key` may try again after what happened at `event`; 0 when it may now."""
        entry = self._entries.get(key)
        if entry is None or self._expired(event, entry):
            return 0.0
        return max(0.0, event + entry.delay - self._clock.now().timestamp())

    def delay(self, key: str) -> float:
        """The delay `key` has come to."""
        entry = self._entries.get(key)
        return entry.delay if entry is not None else 0.0

    def next(self, key: str, event: float) -> None:
        """`key` tries again: the next delay will be longer."""
        entry = self._entries.get(key)
        now = self._clock.now().timestamp()
        if entry is None or self._expired(event, entry):
            self._entries[key] = _Entry(self._initial, now)
        else:
            entry.delay = min(entry.delay * 2, self._maximum)
            entry.updated = now

    def forget(self, prefix: str) -> None:
        """Drop keys of a pod that is gone."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]

    def _expired(self, event: float, entry: _Entry) -> bool:
        return event - entry.updated > self._maximum * 2
