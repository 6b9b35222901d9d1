"""Group commit: writes wait here while the connection is with the writer thread; see `sqlite.py`.

    IDLE --submit, compact--> FILLING (next turn of the loop) --statements done--> COMMITTING (thread)
      \\---------------------------------- nothing waits <-------------------------------/

Only one of loop and thread uses the connection at a time: `_busy` says that it is taken.
Path: 9 a new revision is stored.
"""

import asyncio
import itertools
import logging
import pathlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apsw

from pybernetes.storage import backend, sqlite_log
from pybernetes.storage.backend import Event, Record
from pybernetes.storage.sqlite_log import Write

GROUP = 256
"""Writes in one transaction at most."""

Job = Callable[[], None]
Settle = Callable[[Sequence[Event], int], None]
Waiting = tuple[Write, asyncio.Future[Record]]

logger = logging.getLogger(__name__)


class Group:
    """The one writer. `settle(events, compacted)` is called in the loop after a commit, before its writers resume."""

    def __init__(self, path: pathlib.Path, settle: Settle) -> None:
        self.connection: Any = None
        self._path = path
        self._settle = settle
        self._revision = 0
        self._waiting: list[Waiting] = []
        self._compactions: list[tuple[Iterator[int], asyncio.Future[None] | None]] = []
        self._busy = False
        self._compacted_last = False
        self._idle: asyncio.Future[None] | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def compacting(self) -> bool:
        """Whether a compaction waits or runs."""
        return bool(self._compactions)

    def start(self, revision: int) -> None:
        """Go on after that revision."""
        self._loop = asyncio.get_running_loop()
        self._revision = revision
        self._thread = threading.Thread(target=self._work, name="storage-writer", daemon=True)
        self._thread.start()

    async def finish(self) -> None:
        """Return when everything that waits is committed, checkpointed, and the thread has ended."""
        assert self._loop is not None
        while self._busy:
            self._idle = self._loop.create_future()
            await self._idle
        self._run(lambda: self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"), self._log_checkpoint)
        self._idle = self._loop.create_future()
        await self._idle
        self._jobs.put(None)
        assert self._thread is not None
        self._thread.join()

    @staticmethod
    def _log_checkpoint(failure: Exception | None) -> None:
        if failure is not None:
            logger.warning("last checkpoint failed, the write-ahead log stays: %s", failure)

    def submit(self, write: Write) -> "asyncio.Future[Record]":
        """A write for the next group."""
        assert self._loop is not None
        write.key.encode()  # a key that cannot be stored (UnicodeError) must not spoil the group
        future: asyncio.Future[Record] = self._loop.create_future()
        self._waiting.append((write, future))
        self._next()
        return future

    def compact(self, revision: int, done: "asyncio.Future[None] | None" = None) -> None:
        """Compact when the writer has time, a step between two groups."""
        self._compactions.append((sqlite_log.compact(self.connection, revision), done))
        self._next()

    def _next(self) -> None:
        if not self._busy and (self._waiting or self._compactions):
            self._busy = True
            assert self._loop is not None
            # Writes and compaction take turns. Whoever is ready in this turn of the loop may still join the group.
            self._compacted_last = not self._waiting or (bool(self._compactions) and not self._compacted_last)
            self._loop.call_soon(self._compact_step if self._compacted_last else self._fill)

    def _fill(self) -> None:
        group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
        outcomes: list[Event | backend.StorageError] = []
        revision = self._revision
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for write, _ in group:
                try:
                    outcomes.append(sqlite_log.write(self.connection, write, revision + 1))
                    revision += 1
                except (backend.KeyExists, backend.CompareFailed) as refused:
                    outcomes.append(refused)
        except apsw.Error as error:
            cause = error
            self._run(lambda: sqlite_log.rollback(self.connection), lambda _: self._fail(group, cause))
            return
        self._run(self._commit, lambda failure: self._finish(group, outcomes, revision, failure))

    def _commit(self) -> None:
        try:
            self.connection.execute("COMMIT")
        except apsw.Error:
            sqlite_log.rollback(self.connection)
            raise

    def _finish(
        self, group: "list[Waiting]", outcomes: "list[Event | backend.StorageError]", revision: int, failure: Any
    ) -> None:
        if failure is not None:
            self._fail(group, failure)
            return
        self._revision = revision
        self._settle([one for one in outcomes if isinstance(one, Event)], 0)
        for (_, future), outcome in zip(group, outcomes, strict=True):
            # Whoever no longer waits (its request timed out) has written all the same.
            if future.done():
                continue
            if isinstance(outcome, Event):
                future.set_result(outcome.record)
            else:
                future.set_exception(outcome)

    def _fail(self, group: "list[Waiting]", failure: Exception) -> None:
        text = sqlite_log.failure_text(failure, self._path)
        logger.error("%d writes failed: %s", len(group), text)
        for _, future in group:
            if not future.done():
                future.set_exception(backend.Unavailable(text))

    def _compact_step(self) -> None:
        steps, done = self._compactions[0]
        reached: list[int] = []

        def finish(failure: Exception | None) -> None:
            if reached:
                self._settle((), reached[0])
                return
            self._compactions.pop(0)
            unavailable = None
            if failure is not None:
                unavailable = backend.Unavailable(sqlite_log.failure_text(failure, self._path))
                logger.error("compaction failed: %s", unavailable)
            if done is None or done.done():
                return
            if unavailable is None:
                done.set_result(None)
            else:
                done.set_exception(unavailable)

        self._run(lambda: reached.extend(itertools.islice(steps, 1)), finish)

    def _run(self, job: Job, done: "Callable[[Exception | None], None]") -> None:
        """Have the thread do the job, then call `done` in the loop with its failure."""

        def back(failure: Exception | None) -> None:
            self._busy = False
            done(failure)
            self._next()
            if self._idle is not None and not self._busy and not self._idle.done():
                self._idle.set_result(None)

        def work() -> None:
            failure: Exception | None = None
            try:
                job()
            except Exception as error:  # noqa: BLE001 - crosses to the loop, where the waiting writers learn of it
                failure = error
            assert self._loop is not None
            self._loop.call_soon_threadsafe(back, failure)

        self._jobs.put(work)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
