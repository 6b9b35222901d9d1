"""The same protocol on a real etcd, which several API servers may share.

One watch over all of etcd's keys feeds every subscriber, so it passes every revision there is: whoever knows etcd's
revision knows when all caches have it, without asking for progress (which etcd before 3.4.31 and 3.5.13 answers
too early). A call returns when the feed has reached the revision that etcd answered with: read-your-writes through
the watch cache, as with the embedded backends. What others write becomes visible by `revision()`, which asks etcd.

    CLOSED --start--> FOLLOWING --watch breaks--> next endpoint, from the newest revision --> FOLLOWING
                          \\--history gone meanwhile--> subscribers are told that they lost track

A write whose connection breaks may have happened or not. Sent again it cannot happen twice, because it names the
revision it expects; if it fails now and its value is there, it happened before (values hold a uid, no other write is
alike). Only when etcd stays away is the caller told that nobody knows.
Path: 9 a new revision is stored.
Upstream: k8s.io/apiserver/pkg/storage/etcd3 (store.go, watcher.go, compact.go).
"""

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator
from typing import Any

from pybernetes.aio import backoff, tasks
from pybernetes.aio import clock as clocks
from pybernetes.storage import backend, compaction, etcd_wire, feed
from pybernetes.storage.backend import Event, EventType, Record

PAGE = 2_000
"""Records of a list in one answer of etcd."""
REACH_SECONDS = 3.0
"""How long an answer waits for the feed; while the watch is being opened again it may be behind."""
RESOLVE_SECONDS = 10.0
"""How long to find out whether a write happened whose connection broke."""
RETRY_SECONDS = 0.2
FIRST_KEY = b"\0"
PROTOBUF = b"k8s\0"
NOT_JSON = "is stored as protobuf; run kube-apiserver with --storage-media-type application/json"

logger = logging.getLogger(__name__)


class EtcdBackend(feed.Fed):
    """All keys begin with `root` in etcd ("" for the keys of a real kube-apiserver)."""

    exclusive = False

    def __init__(
        self,
        etcd: backend.Distant,
        *,
        clock: clocks.Clock,
        root: str = "",
        compact_seconds: float = compaction.COMPACT_SECONDS,
    ) -> None:
        super().__init__()
        self._root = root.encode()
        self._clock = clock
        self._compact_seconds = compact_seconds
        self._connection = etcd_wire.Connection(etcd)
        self._problem = ""
        self._asking: asyncio.Task[int | backend.Unavailable] | None = None
        self._asked: asyncio.Task[int | backend.Unavailable] | None = None
        self._group = tasks.TaskGroup("etcd")
        self._compactor: compaction.Compactor | None = None

    @property
    def problem(self) -> str:
        """Why etcd does not answer at the moment; "" when it does."""
        return self._problem

    async def start(self) -> None:
        """Connect; raises Unavailable if no endpoint answers."""
        self._connection.open()
        self._open = True
        try:
            self._feed.newest = await self._revision()
        except backend.Unavailable:
            await self.close()
            raise
        self._group.start(self._follow(), "follow")
        if self._compact_seconds:
            self._compactor = compaction.Compactor(
                self._clock, lambda: self.newest, self._compact_later, self._compact_seconds
            )

    async def close(self) -> None:
        """End watches and the connection."""
        self._open = False
        if self._compactor is not None:
            self._compactor.stop()
        await self._group.cancel()
        self._feed.close()
        await self._connection.close()

    # -- reads -------------------------------------------------------------------------------------------------------

    async def revision(self) -> int:
        """The newest revision, whoever wrote it; subscribers have heard of it.

        All who ask while a question is under way share the next one: this one may have been answered already.
        """
        self._check_open()
        if self._asked is None:
            self._asked = self._group.start(self._ask(self._asking), "revision")
        try:
            answer = await asyncio.shield(self._asked)
        except asyncio.CancelledError:
            self._check_open()
            raise
        if isinstance(answer, backend.Unavailable):
            raise answer
        return answer

    async def _ask(self, before: "asyncio.Task[int | backend.Unavailable] | None") -> int | backend.Unavailable:
        if before is not None:
            await asyncio.wait((before,))
        self._asking, self._asked = self._asked, None
        try:
            revision = await self._revision()
            await self._reach(revision)
        except backend.Unavailable as failure:
            return failure
        return revision

    async def _revision(self) -> int:
        answer = await self._connection.call("Range", again=True, key=FIRST_KEY, count_only=True)
        return int(answer.header.revision)

    async def get(self, key: str) -> Record | None:
        """The key's newest record."""
        self._check_open()
        answer = await self._connection.call("Range", again=True, key=self._outer(key))
        return self._record(answer.kvs[0]) if answer.kvs else None

    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, start: str = "") -> backend.ListResult:
        """Records under `prefix` with key >= `start`, as of `revision`."""
        self._check_open()
        records: list[Record] = []
        first, end = self._outer(max(prefix, start)), self._end(prefix)
        while True:
            fields = {"key": first, "range_end": end, "revision": revision}
            try:
                page = await self._connection.call("Range", again=True, limit=limit or PAGE, **fields)
            except etcd_wire.Refused as error:
                raise await self._refused(str(error), revision) from error
            records += map(self._record, page.kvs)
            revision, remaining = revision or int(page.header.revision), page.count - len(page.kvs)
            if limit or not remaining:
                break
            first = page.kvs[-1].key + b"\0"
        await self._reach(revision)
        return backend.ListResult(records, revision, remaining)

    # -- writes ------------------------------------------------------------------------------------------------------

    async def create(self, key: str, value: bytes) -> Record:
        """Write a new key."""
        answer = await self._write(key, 0, {"request_put": {"key": self._outer(key), "value": value}})
        if not answer.succeeded:
            raise backend.KeyExists(key)
        made = answer.responses[-1].response_range.kvs[0].mod_revision
        return Record(key, value, made, made)

    async def update(self, key: str, value: bytes, *, expected: int) -> Record:
        """Replace the value if `mod_revision` is `expected`."""
        answer = await self._write(key, expected or -1, {"request_put": {"key": self._outer(key), "value": value}})
        written = self._found(key, answer)
        return Record(key, value, written.create_revision, written.mod_revision)

    async def delete(self, key: str, *, expected: int) -> Record:
        """Remove the key if `mod_revision` is `expected`."""
        asked = {"request_delete_range": {"key": self._outer(key), "prev_kv": True}}
        answer = await self._write(key, expected or -1, asked)
        if not answer.succeeded:
            self._found(key, answer)
        gone = answer.responses[0].response_delete_range.prev_kvs[0]
        return Record(key, self._record(gone).value, gone.create_revision, answer.header.revision)

    async def _write(self, key: str, expected: int, operation: dict[str, Any]) -> Any:
        """Do it if the key is at the expected revision; then or else tell what is there."""
        self._check_open()
        transaction = _transaction(self._outer(key), expected, operation)
        end, doubtful = self._clock.monotonic() + RESOLVE_SECONDS, False
        while True:
            try:
                answer = await self._connection.call("Txn", again=False, **transaction)
                break
            except backend.Unavailable as failure:
                doubtful = doubtful or isinstance(failure, etcd_wire.Unknown)
                if not doubtful or self._clock.monotonic() > end:
                    raise
            await self._clock.sleep(RETRY_SECONDS)
            self._check_open()
        await self._reach(answer.header.revision)
        return _as_done(answer, operation) if doubtful and not answer.succeeded else answer

    def _found(self, key: str, answer: Any) -> Any:
        kvs = answer.responses[-1].response_range.kvs
        if not answer.succeeded:
            raise backend.CompareFailed(key, self._record(kvs[0]) if kvs else None)
        return kvs[0]

    # -- history -----------------------------------------------------------------------------------------------------

    async def watch(self, prefix: str, *, after: int) -> AsyncGenerator[backend.Batch, None]:
        """Batches of all changes under `prefix` with revision > `after`; ends with Unavailable when it breaks."""
        self._check_open()
        async for batch in self._stream(self._outer(prefix), self._end(prefix), after):
            yield batch

    async def _stream(self, first: bytes, end: bytes, after: int) -> AsyncGenerator[backend.Batch, None]:
        # From `after` on instead of the revision after it: so etcd refuses exactly what its compaction touched.
        watched = {"key": first, "range_end": end, "start_revision": max(after, 1), "prev_kv": True}
        async for response in self._connection.watch(**watched):
            if response.compact_revision:
                self._compacted = max(self._compacted, response.compact_revision)
                raise backend.Compacted(response.compact_revision)
            if response.canceled:
                raise self._connection.failure(response.cancel_reason or "the watch was cancelled")
            if response.created:
                self._problem = ""
            if response.created and response.header.revision < after:
                # Only this member may be behind.
                if (newest := await self._revision()) < after:
                    raise backend.FutureRevision(after, newest)
            events = [one for one in response.events if one.kv.mod_revision > after]
            if events:
                told = [self._event(one) for one in events if self._is_ours(one.kv)]
                yield backend.Batch(told, events[-1].kv.mod_revision)

    def _is_ours(self, kv: Any) -> bool:
        if kv.value.startswith(PROTOBUF):
            logger.error("etcd: ignored: %s %s", kv.key.decode(errors="replace"), NOT_JSON)
            return False
        return bool(kv.key.startswith(self._root))

    async def _follow(self) -> None:
        """Publish everything, from one endpoint or another."""
        delays = backoff.Backoff(0.1, 3.0)
        while True:
            try:
                async for batch in self._stream(FIRST_KEY, FIRST_KEY, self.newest):
                    self._feed.publish(batch.events, batch.revision)
                    delays.reset()
            except backend.Compacted as failure:
                logger.warning("etcd: the watch was away too long: %s", failure)
                await self._begin_again()
            except backend.StorageError as failure:
                self._problem = str(failure)
                logger.warning("etcd: the watch broke, it goes on from revision %d: %s", self.newest, failure)
                self._connection.next_endpoint()
            await self._clock.sleep(delays.next())

    async def _begin_again(self) -> None:
        try:
            self._feed.lose(await self._revision())
        except backend.Unavailable as failure:
            logger.warning("%s", failure)

    async def compact(self, revision: int) -> None:
        """Forget history up to `revision`; current values stay."""
        self._check_open()
        try:
            await self._connection.call("Compact", again=True, revision=revision)
        except etcd_wire.Refused as error:
            refused = await self._refused(str(error), revision)
            if not isinstance(refused, backend.Compacted):
                raise refused from error
        self._compacted = max(self._compacted, revision)

    def _compact_later(self, revision: int) -> None:
        async def compact() -> None:
            try:
                await self.compact(revision)
            except backend.StorageError as failure:
                logger.warning("etcd: compaction failed: %s", failure)

        self._group.start(compact(), "compact")

    async def _reach(self, revision: int) -> None:
        """Return when subscribers have heard of everything up to that revision, or the watch is broken for long."""
        if revision > self.newest:
            reached = self._feed.reached(revision)
            timer = self._clock.call_later(REACH_SECONDS, functools.partial(_give_up, reached))
            await asyncio.wait((reached,))
            timer.cancel()
            self._check_open()

    async def _refused(self, text: str, revision: int) -> backend.StorageError:
        if "has been compacted" in text:
            self._compacted = max(self._compacted, revision + 1)
            return backend.Compacted(self._compacted)
        if "future revision" in text:
            return backend.FutureRevision(revision, await self._revision())
        return self._connection.failure(text)

    def _outer(self, key: str) -> bytes:
        return self._root + key.encode()

    def _inner(self, key: bytes) -> str:
        return key[len(self._root) :].decode(errors="replace")

    def _end(self, prefix: str) -> bytes:
        return backend.prefix_end(self._root.decode() + prefix).encode()

    def _event(self, one: Any) -> Event:
        previous = self._record(one.prev_kv) if one.prev_kv.mod_revision else None
        if one.type != etcd_wire.DELETED:
            return Event(EventType.PUT, self._record(one.kv), previous)
        key = self._inner(one.kv.key)
        value, created = (previous.value, previous.create_revision) if previous is not None else (b"", 0)
        return Event(EventType.DELETE, Record(key, value, created, one.kv.mod_revision), previous)

    def _record(self, kv: Any) -> Record:
        value: bytes = kv.value
        if value.startswith(PROTOBUF):
            raise backend.Unavailable(f"etcd: {kv.key.decode(errors='replace')} {NOT_JSON}")
        # A real kube-apiserver ends values with a line break; frames of a watch must not hold one.
        return Record(self._inner(kv.key), value.rstrip(b"\n"), kv.create_revision, kv.mod_revision)


def _transaction(key: bytes, expected: int, operation: dict[str, Any]) -> dict[str, Any]:
    compare = {"target": etcd_wire.MOD_REVISION, "key": key, "mod_revision": expected}
    written, there = {"request_range": {"key": key, "keys_only": True}}, {"request_range": {"key": key}}
    return {"compare": [compare], "success": [operation, written], "failure": [there]}


def _as_done(answer: Any, operation: dict[str, Any]) -> Any:
    """The refusal of a write that was sent before: as if this were its answer, if what is there shows that it is."""
    there = answer.responses[0].response_range.kvs
    put = operation.get("request_put")
    if put is not None and there and there[0].value == put["value"]:
        answer.succeeded = True
    return answer


def _give_up(waiting: "asyncio.Future[None]") -> None:
    waiting.cancel()
