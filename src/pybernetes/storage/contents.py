"""The current objects of one resource in key order, and the window of its newest changes. Pure.

Taking back the window's changes one by one gives the state at any revision that it reaches: no snapshots are kept.
Upstream: k8s.io/apiserver/pkg/storage/cacher (watch_cache_history.go, store/).
"""

import bisect
import collections
from collections.abc import Iterable, Sequence

from pybernetes.storage import backend, cached
from pybernetes.storage.cached import Cached, Change

WINDOW_LEAST = 100
WINDOW_MOST = 16_384
WINDOW_SECONDS = 75.0


class Contents:
    """Objects and window; `revision` is that of the newest change, `floor` the oldest one that can be rebuilt.

    The window holds at least a hundred changes, and at most `most` of the last 75 seconds.
    """

    def __init__(self, extract: cached.Extract, most: int = WINDOW_MOST) -> None:
        self.items: dict[str, Cached] = {}
        self.revision = 0
        self.floor = 0
        self._extract = extract
        self.upgrade: cached.Upgrade | None = None
        self._most = most
        self._keys: list[str] = []
        self._window: collections.deque[Change] = collections.deque()

    def load(self, listed: backend.ListResult) -> None:
        """Replace everything by a list of the backend; the window begins there."""
        loaded = self.cache(listed.records)
        self.items = {one.key: one for one in loaded}
        self._keys = list(self.items)
        self._window.clear()
        self.floor = self.revision = listed.revision

    def cache(self, records: Iterable[backend.Record]) -> list[Cached]:
        """Records of the backend in the form in which they are served."""
        return [self._read(one) for one in records]

    def _read(self, record: backend.Record) -> Cached:
        value = record.value if self.upgrade is None else self.upgrade(record.value)
        revision = record.mod_revision
        return Cached(record.key, revision, cached.with_revision(value, revision), self._extract)

    def apply(self, event: backend.Event, now: float) -> Change | None:
        """Take over one committed change; None if it was known already."""
        record = event.record
        key, revision = record.key, record.mod_revision
        if revision <= self.revision:
            return None
        previous = self.items.get(key)
        current: Cached | None = None
        if event.type is backend.EventType.PUT:
            current = self.items[key] = self._read(record)
            if previous is None:
                bisect.insort(self._keys, key)
        elif previous is not None:
            del self.items[key]
            del self._keys[bisect.bisect_left(self._keys, key)]
        if previous is not None:
            previous.derived = None  # nobody asks for it at an old revision
        self.revision = revision
        change = Change(key, revision, current, previous, now)
        self._window.append(change)
        if len(self._window) > WINDOW_LEAST or len(self._window) > self._most:
            self._trim(now - WINDOW_SECONDS)
        return change

    def _trim(self, oldest: float) -> None:
        window = self._window
        while len(window) > self._most or (len(window) > WINDOW_LEAST and window[0].time < oldest):
            self.floor = window.popleft().revision

    def since(self, revision: int) -> Sequence[Change]:
        """The changes after that revision, which must not be below `floor`."""
        first = bisect.bisect_right(self._window, revision, key=_revision_of)
        return [self._window[at] for at in range(first, len(self._window))]

    def range(self, prefix: str, start: str = "") -> Sequence[Cached]:
        """The current objects under a prefix, from the key `start` on."""
        items = self.items
        return [items[key] for key in self._range(prefix, start)]

    def page(self, prefix: str, start: str, limit: int) -> tuple[Sequence[Cached], int]:
        """The first objects of a range, and how many the limit cut off."""
        keys = self._range(prefix, start)
        items = self.items
        return [items[key] for key in keys[:limit]], max(0, len(keys) - limit)

    def _range(self, prefix: str, start: str) -> Sequence[str]:
        first = bisect.bisect_left(self._keys, max(prefix, start))
        return self._keys[first : bisect.bisect_left(self._keys, backend.prefix_end(prefix), first)]

    def past(self, prefix: str, start: str, revision: int) -> Sequence[Cached]:
        """The objects of a range as they were at that revision, which must not be below `floor`."""
        state = {one.key: one for one in self.range(prefix, start)}
        for change in reversed(self._window):
            if change.revision <= revision:
                break
            if change.key >= start and change.key.startswith(prefix):
                if change.previous is None:
                    state.pop(change.key, None)
                else:
                    state[change.key] = change.previous
        return [state[key] for key in sorted(state)]


def _revision_of(change: Change) -> int:
    return change.revision
