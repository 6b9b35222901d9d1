"""The reference backend: everything in dictionaries, with history, compaction and watch.

For tests and for clusters that need not outlive their process. Every call is complete when it returns, subscribers
included, without ever giving way to another task.
Path: 9 a new revision is stored.
Upstream: k8s.io/apiserver/pkg/storage/etcd3 (semantics).
"""

import bisect
import dataclasses
from collections.abc import Sequence

from pybernetes.aio import clock as clocks
from pybernetes.storage import backend, compaction, feed
from pybernetes.storage.backend import Event, EventType, Record

FIRST_REVISION = 1
"""The revision of an empty store, as etcd counts: resourceVersion "0" is never served."""


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """The contents of a store at one revision, in key order; without history."""

    records: tuple[Record, ...]
    revision: int


class MemoryBackend(feed.Fed):
    """Current records, sorted keys and a log of the newest changes.

    `history` bounds the log: when it holds twice as many changes the older half is compacted away. With a clock,
    history is compacted in time as well. With a snapshot it begins with that, as if it had been compacted there.
    """

    exclusive = True
    problem = ""

    def __init__(
        self, *, history: int = 10_000, clock: clocks.Clock | None = None, snapshot: Snapshot | None = None
    ) -> None:
        begin = snapshot or Snapshot((), FIRST_REVISION)
        super().__init__(begin.revision, begin.revision if snapshot is not None else 0)
        self._clock = clock
        self._compactor: compaction.Compactor | None = None
        self._history = history
        self._revision = begin.revision
        self._records = {record.key: record for record in begin.records}
        self._keys = list(self._records)
        self._log: list[Event] = []
        self._open = True

    def snapshot(self) -> Snapshot:
        """What is there now, to begin another store with."""
        return Snapshot(tuple(self._records[key] for key in self._keys), self._revision)

    def history(self) -> Sequence[Event]:
        """The changes that are remembered, in order."""
        return tuple(self._log)

    async def start(self) -> None:
        """Open, also after a close; the contents are still there."""
        self._open = True
        if self._clock is not None:
            self._compactor = compaction.Compactor(self._clock, lambda: self._revision, self._forget)

    async def close(self) -> None:
        """End watches and refuse further calls."""
        self._open = False
        if self._compactor is not None:
            self._compactor.stop()
        self._feed.close()

    async def revision(self) -> int:
        """The newest revision."""
        self._check_open()
        return self._revision

    async def get(self, key: str) -> Record | None:
        """The key's newest record."""
        self._check_open()
        return self._records.get(key)

    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, start: str = "") -> backend.ListResult:
        """Records under `prefix` with key >= `start`, as of `revision`."""
        self._check_open()
        at = self._check_revision(revision or self._revision)
        first = bisect.bisect_left(self._keys, max(prefix, start))
        keys = self._keys[first : bisect.bisect_left(self._keys, backend.prefix_end(prefix), first)]
        records: Sequence[Record] = [self._records[key] for key in keys]
        if at < self._revision:
            records = self._undo(records, prefix, start, at)
        page = records[:limit] if limit else records
        return backend.ListResult(page, at, len(records) - len(page))

    def _undo(self, records: Sequence[Record], prefix: str, start: str, revision: int) -> Sequence[Record]:
        """Take back every change after `revision`, newest first."""
        state = {record.key: record for record in records}
        for event in reversed(self._log):
            if event.record.mod_revision <= revision:
                break
            key = event.record.key
            if key.startswith(prefix) and key >= start:
                if event.previous is None:
                    del state[key]
                else:
                    state[key] = event.previous
        return [state[key] for key in sorted(state)]

    async def create(self, key: str, value: bytes) -> Record:
        """Write a new key."""
        self._check_open()
        if key in self._records:
            raise backend.KeyExists(key)
        record = Record(key, value, self._revision + 1, self._revision + 1)
        self._records[key] = record
        bisect.insort(self._keys, key)
        self._commit(Event(EventType.PUT, record, None))
        return record

    async def update(self, key: str, value: bytes, *, expected: int) -> Record:
        """Replace the value if `mod_revision` is `expected`."""
        previous = self._expect(key, expected)
        record = Record(key, value, previous.create_revision, self._revision + 1)
        self._records[key] = record
        self._commit(Event(EventType.PUT, record, previous))
        return record

    async def delete(self, key: str, *, expected: int) -> Record:
        """Remove the key if `mod_revision` is `expected`."""
        previous = self._expect(key, expected)
        record = Record(key, previous.value, previous.create_revision, self._revision + 1)
        del self._records[key]
        del self._keys[bisect.bisect_left(self._keys, key)]
        self._commit(Event(EventType.DELETE, record, previous))
        return record

    def watch(self, prefix: str, *, after: int) -> feed.FeedWatch:
        """Batches of all changes under `prefix` with revision > `after`."""
        self._check_open()
        self._check_revision(after)
        first = bisect.bisect_right(self._log, after, key=_revision_of)
        return self._feed.watch(prefix, [one for one in self._log[first:] if one.record.key.startswith(prefix)])

    async def compact(self, revision: int) -> None:
        """Forget history up to `revision`; current values stay."""
        self._check_open()
        if revision > self._revision:
            raise backend.FutureRevision(revision, self._revision)
        self._forget(revision)

    def _forget(self, revision: int) -> None:
        if revision > self._compacted:
            self._compacted = revision
            del self._log[: bisect.bisect_right(self._log, revision, key=_revision_of)]

    def _commit(self, event: Event) -> None:
        self._revision = event.record.mod_revision
        self._log.append(event)
        if len(self._log) >= 2 * self._history:
            self._forget(self._log[self._history - 1].record.mod_revision)
        self._feed.publish((event,), self._revision)

    def _expect(self, key: str, revision: int) -> Record:
        self._check_open()
        current = self._records.get(key)
        if current is None or current.mod_revision != revision:
            raise backend.CompareFailed(key, current)
        return current

    def _check_revision(self, revision: int) -> int:
        if revision < self._compacted:
            raise backend.Compacted(self._compacted)
        if revision > self._revision:
            raise backend.FutureRevision(revision, self._revision)
        return revision


def _revision_of(event: Event) -> int:
    return event.record.mod_revision
