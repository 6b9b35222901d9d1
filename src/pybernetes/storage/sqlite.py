"""The embedded default: one SQLite file, one writer, group commit.

Who does what:
- the event loop runs the statements of a group of writes, each with its own compare-and-set, in one transaction;
- the writer thread commits it: one fsync for all of them. What comes meanwhile is the next group. A write is
  acknowledged after its COMMIT returned;
- back in the loop, subscribers hear of the group, then its writers resume: read-your-writes through the watch cache;
- reads run in the loop too, long ones in chunks. They show nothing newer than subscribers have heard.
Statements are not for threads: each hands the interpreter lock over, and beside a busy loop a group of 50 writes took
112 ms in the thread instead of 2.

When a commit fails (disk full, read-only) its writes raise Unavailable, none of them happened, and the next try may
succeed. A second process on the same file is refused. Files are 0600.
Path: 9 a new revision is stored.
Upstream: k3s-io/kine, k8s.io/apiserver/pkg/storage/etcd3 (semantics).
"""

import asyncio
import fcntl
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import apsw

from pybernetes.aio import clock as clocks
from pybernetes.storage import backend, compaction, feed, group_commit, sqlite_log
from pybernetes.storage.backend import Event, Record
from pybernetes.storage.sqlite_log import Write

CHUNK = 256
"""Records of a list between two turns of the event loop."""
HISTORY = 100_000
"""Revisions kept, however young they are."""


class SqliteBackend(feed.Fed):
    """A store in the file `path`; its directory is made if need be."""

    exclusive = True
    problem = ""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: clocks.Clock,
        compact_seconds: float = compaction.COMPACT_SECONDS,
        history: int = HISTORY,
    ) -> None:
        super().__init__()
        self._path = pathlib.Path(path)
        self._clock = clock
        self._compact_seconds = compact_seconds
        self._history = history
        self._group = group_commit.Group(self._path, self._settle)
        self._lock = -1
        self._reader: Any = None
        self._compactor: compaction.Compactor | None = None

    async def start(self) -> None:
        """Lock and open the file, check it; raises Unavailable if it is in use, damaged or not ours."""
        self._lock = lock(self._path)
        try:
            # In a thread: checking a big file takes a while.
            self._compacted, newest = await asyncio.get_running_loop().run_in_executor(None, self._connect)
        except (apsw.Error, OSError) as failure:
            self._release()
            raise backend.Unavailable(sqlite_log.failure_text(failure, self._path)) from failure
        except backend.Unavailable:
            self._release()
            raise
        self._feed = feed.Feed(newest)
        self._group.start(newest)
        self._open = True
        self._compactor = compaction.Compactor(
            self._clock, lambda: self.newest, self._group.compact, self._compact_seconds
        )

    def _connect(self) -> tuple[int, int]:
        self._group.connection = writer = sqlite_log.connect(self._path)
        sqlite_log.prepare(writer)
        self._reader = sqlite_log.connect(self._path, query_only=True)
        return sqlite_log.compacted(writer), sqlite_log.newest(writer)

    async def close(self) -> None:
        """Finish what waits, end watches, move the write-ahead log into the file, release the file."""
        if not self._open:
            return
        self._open = False
        assert self._compactor is not None
        self._compactor.stop()
        await self._group.finish()
        self._feed.close()
        self._release()

    def _release(self) -> None:
        for connection in (self._reader, self._group.connection):
            if connection is not None:
                connection.close()
        self._reader = self._group.connection = None
        os.close(self._lock)

    async def revision(self) -> int:
        """The newest committed revision."""
        self._check_open()
        return self.newest

    async def get(self, key: str) -> Record | None:
        """The key's newest record."""
        self._check_open()
        try:
            return sqlite_log.get(self._reader, key, self.newest)
        except apsw.Error as failure:
            raise self._unavailable(failure) from failure

    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, start: str = "") -> backend.ListResult:
        """Records under `prefix` with key >= `start`, as of `revision`."""
        self._check_open()
        at = self._check_revision(revision or self.newest)
        records: list[Record] = []
        while True:
            wanted = min(CHUNK, limit - len(records)) if limit else CHUNK
            try:
                chunk = sqlite_log.list_(self._reader, prefix, at, wanted, start)
                records += chunk
                if len(chunk) < wanted:
                    return backend.ListResult(records, at, 0)
                start = chunk[-1].key + "\0"
                if len(records) == limit:
                    return backend.ListResult(records, at, sqlite_log.count(self._reader, prefix, at, start))
            except apsw.Error as failure:
                raise self._unavailable(failure) from failure
            await asyncio.sleep(0)
            self._check_open()

    async def create(self, key: str, value: bytes) -> Record:
        """Write a new key."""
        self._check_open()
        return await self._group.submit(Write(key, value, None))

    async def update(self, key: str, value: bytes, *, expected: int) -> Record:
        """Replace the value if `mod_revision` is `expected`."""
        self._check_open()
        return await self._group.submit(Write(key, value, expected))

    async def delete(self, key: str, *, expected: int) -> Record:
        """Remove the key if `mod_revision` is `expected`."""
        self._check_open()
        return await self._group.submit(Write(key, None, expected))

    def watch(self, prefix: str, *, after: int) -> feed.FeedWatch:
        """Batches of all changes under `prefix` with revision > `after`."""
        self._check_open()
        self._check_revision(after)
        try:
            past = sqlite_log.history(self._reader, prefix, after, self.newest) if after < self.newest else ()
        except apsw.Error as failure:
            raise self._unavailable(failure) from failure
        return self._feed.watch(prefix, past)

    async def compact(self, revision: int) -> None:
        """Forget history up to `revision`; current values stay."""
        self._check_open()
        if revision > self.newest:
            raise backend.FutureRevision(revision, self.newest)
        if revision > self._compacted:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._group.compact(revision, done)
            await done

    def _settle(self, events: Sequence[Event], compacted: int) -> None:
        """The group committed: tell everybody before its writers resume."""
        if events:
            self._feed.publish(events, events[-1].record.mod_revision)
        self._compacted = max(self._compacted, compacted)
        if self.newest - self._compacted > 2 * self._history and not self._group.compacting:
            self._group.compact(self.newest - self._history)

    def _check_revision(self, revision: int) -> int:
        if revision < self._compacted:
            raise backend.Compacted(self._compacted)
        if revision > self.newest:
            raise backend.FutureRevision(revision, self.newest)
        return revision

    def _unavailable(self, failure: Exception) -> backend.Unavailable:
        return backend.Unavailable(sqlite_log.failure_text(failure, self._path))


def lock(path: pathlib.Path) -> int:
    """Make the file if need be, readable by its owner only, and take its lock: a descriptor. Raises Unavailable."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = not path.exists()
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        if new:
            _sync_folders(path)
        # Beside the database: SQLite's own locks on a file are lost when any descriptor of it is closed.
        held = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise backend.Unavailable(sqlite_log.failure_text(failure, path)) from failure
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as failure:
        os.close(held)
        raise backend.Unavailable(f"storage {path.name}: another process is using it") from failure
    return held


def _sync_folders(path: pathlib.Path) -> None:
    """Names last too: without this a new file, synced or not, can be gone after a power cut."""
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
