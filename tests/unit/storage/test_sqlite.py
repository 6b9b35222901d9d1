"""The SQLite backend where it is more than the contract: the file, its faults, group commit, compaction in time."""

import asyncio
import os
import pathlib
import random
import resource
import signal
import stat
import subprocess
import sys

import apsw
import pytest

from pybernetes.aio.clock import RealClock, VirtualClock
from pybernetes.storage import backend, check
from pybernetes.storage.sqlite import SqliteBackend
from pybernetes.storage.watchcache import WatchCache

KEY = "/registry/pods/a/"


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "data" / "store.db"


async def opened(path: pathlib.Path, **options: int) -> SqliteBackend:
    store = SqliteBackend(path, clock=RealClock(), **options)
    await store.start()
    return store


async def test_everything_survives_a_restart(path: pathlib.Path) -> None:
    store = await opened(path)
    x = await store.create(KEY + "x", b'{"v":1}')
    x2 = await store.update(KEY + "x", b'{"v":2}', expected=x.mod_revision)
    y = await store.create(KEY + "y", b"{}")
    gone = await store.delete(KEY + "y", expected=y.mod_revision)
    await store.close()
    store = await opened(path)
    assert await store.revision() == gone.mod_revision
    assert await store.get(KEY + "x") == x2
    assert list((await store.list("/", revision=x.mod_revision)).records) == [x]
    batch = await anext(store.watch(KEY, after=x.mod_revision))
    assert [one.record for one in batch.events] == [x2, y, gone]
    await store.close()
    assert check.check(path) == []


async def test_revisions_are_not_used_again_after_compaction(path: pathlib.Path) -> None:
    store = await opened(path)
    x = await store.create(KEY + "x", b"{}")
    gone = await store.delete(KEY + "x", expected=x.mod_revision)
    await store.compact(gone.mod_revision)
    await store.close()
    store = await opened(path)
    assert await store.revision() == gone.mod_revision
    assert (await store.create(KEY + "x", b"{}")).mod_revision == gone.mod_revision + 1
    await store.close()


async def test_files_are_private_and_a_clean_close_leaves_one(path: pathlib.Path) -> None:
    store = await opened(path)
    await store.create(KEY + "x", b"{}")
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    await store.close()
    assert {file.name for file in path.parent.iterdir()} == {"store.db", "store.db.lock"}
    await store.close()


async def test_a_second_opener_is_refused(path: pathlib.Path) -> None:
    store = await opened(path)
    with pytest.raises(backend.Unavailable, match="another process is using it"):
        await opened(path)
    await store.close()
    await (await opened(path)).close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b"not a database at all" * 100), "file is not a database"),
        (lambda path: apsw.Connection(str(path)).execute("CREATE TABLE other (x)"), "some other program's"),
        (lambda path: apsw.Connection(str(path)).execute("PRAGMA user_version = 99"), "newer version"),
    ],
)
async def test_foreign_files_are_refused(path: pathlib.Path, spoil: object, message: str) -> None:
    path.parent.mkdir()
    spoil(path)  # type: ignore[operator]
    with pytest.raises(backend.Unavailable, match=message):
        await opened(path)


async def test_a_damaged_file_is_refused(path: pathlib.Path) -> None:
    store = await opened(path)
    for number in range(200):
        await store.create(f"{KEY}{number}", b'{"v":"%b"}' % (b"x" * 500))
    await store.close()
    content = bytearray(path.read_bytes())
    content[8192:12288] = bytes(4096)
    path.write_bytes(content)
    with pytest.raises(backend.Unavailable, match=r"damaged|malformed"):
        await opened(path)


async def test_waiting_writes_share_a_commit_and_order_is_kept(path: pathlib.Path) -> None:
    store = await opened(path)
    batches: list[backend.Batch] = []
    store.subscribe("/registry/", batches.append)
    records = await asyncio.gather(*(store.create(f"{KEY}{number:03}", b"{}") for number in range(300)))
    assert [one.mod_revision for one in records] == list(range(2, 302))
    assert [event.record for batch in batches for event in batch.events] == records
    assert len(batches) <= 3
    results = await asyncio.gather(
        store.update(KEY + "000", b'{"by":1}', expected=2),
        store.update(KEY + "000", b'{"by":2}', expected=2),
        store.create(KEY + "000", b"{}"),
        store.delete(KEY + "001", expected=3),
        store.create(KEY + "001", b"{}"),
        return_exceptions=True,
    )
    assert [type(one) for one in results] == [
        backend.Record, backend.CompareFailed, backend.KeyExists, backend.Record, backend.Record
    ]  # fmt: skip
    assert isinstance(results[1], backend.CompareFailed)
    assert results[1].current == results[0]
    await store.close()
    assert check.check(path) == []


async def test_writers_find_their_write_in_the_watch_cache(path: pathlib.Path) -> None:
    store = await opened(path)
    cache = WatchCache(store, KEY, clock=RealClock(), extract=lambda _: {})
    await cache.start()

    async def write(number: int) -> None:
        record = await store.create(f"{KEY}{number}", b'{"metadata":{}}')
        found = cache.get(record.key)
        assert found is not None
        assert found.revision == record.mod_revision <= cache.revision

    await asyncio.gather(*(write(number) for number in range(50)))
    assert cache.is_fresh()
    await cache.stop()
    await store.close()


async def test_long_lists_give_way_and_stay_at_their_revision(path: pathlib.Path) -> None:
    store = await opened(path)
    records = await asyncio.gather(*(store.create(f"{KEY}{number:03}", b"{}") for number in range(600)))
    listing = asyncio.ensure_future(store.list(KEY))
    await asyncio.sleep(0)
    await store.create(KEY + "999", b"{}")
    assert list((await listing).records) == records
    page = await store.list(KEY, limit=500, revision=601)
    assert (list(page.records), page.remaining) == (records[:500], 100)
    rest = await store.list(KEY, limit=500, revision=601, start=records[500].key)
    assert (list(rest.records), rest.remaining) == (records[500:], 0)
    await store.close()


async def test_a_write_nobody_waits_for_still_happens(path: pathlib.Path) -> None:
    store = await opened(path)
    task = asyncio.ensure_future(store.create(KEY + "x", b"{}"))
    await asyncio.sleep(0)
    task.cancel()
    y = await store.create(KEY + "y", b"{}")
    assert y.mod_revision == 3
    assert await store.get(KEY + "x") is not None
    await store.close()


async def test_keys_that_cannot_be_stored_spoil_nothing(path: pathlib.Path) -> None:
    store = await opened(path)
    other = asyncio.ensure_future(store.create(KEY + "x", b"{}"))
    await asyncio.sleep(0)
    with pytest.raises(UnicodeError):
        await store.create(KEY + "\udc80", b"{}")
    assert (await other).mod_revision == 2
    await store.close()


async def test_a_full_disk_refuses_writes_and_loses_none(path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await opened(path)
    acknowledged = {}
    value = b'{"v":"%b"}' % (b"x" * 3000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    try:
        failures = 0
        for number in range(600):
            key = f"{KEY}{number}"
            try:
                acknowledged[key] = await store.create(key, value)
            except backend.Unavailable:
                failures += 1
        assert failures > 50
        assert await store.get(KEY + "0") == acknowledged[KEY + "0"]
        revision = await store.revision()
        assert revision == max(one.mod_revision for one in acknowledged.values())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    late = await store.create(KEY + "late", value)
    assert late.mod_revision == revision + 1
    await store.close()
    assert check.check(path) == []
    store = await opened(path)
    kept = {one.key: one for one in (await store.list(KEY)).records}
    assert kept == {**acknowledged, late.key: late}
    await store.close()


async def test_history_is_compacted_in_time(path: pathlib.Path) -> None:
    clock = VirtualClock()
    store = SqliteBackend(path, clock=clock)
    await store.start()
    many = await asyncio.gather(*(store.create(f"{KEY}{number}", b"{}") for number in range(1500)))
    gone = await asyncio.gather(*(store.delete(one.key, expected=one.mod_revision) for one in many))
    await clock.advance(301)
    assert store.compacted < many[0].mod_revision
    record = await store.create(KEY + "x", b"{}")
    await clock.advance(300)
    # What was there after the first period is compacted in steps; they take turns with writes.
    while store.compacted < gone[-1].mod_revision:
        record = await store.update(KEY + "x", b"{}", expected=record.mod_revision)
    assert store.compacted == gone[-1].mod_revision
    with pytest.raises(backend.Compacted):
        await store.list(KEY, revision=gone[-2].mod_revision)
    assert list((await store.list(KEY, revision=gone[-1].mod_revision)).records) == []
    assert list((await store.list(KEY)).records) == [record]
    await store.close()
    assert check.check(path) == []
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT MIN(revision) FROM log").get == record.create_revision
    connection.close()


async def test_history_is_bounded_by_count(path: pathlib.Path) -> None:
    store = await opened(path, history=50)
    record = await store.create(KEY + "x", b"{}")
    for _ in range(300):
        record = await store.update(KEY + "x", b"{}", expected=record.mod_revision)
    assert store.newest - store.compacted <= 110
    await store.close()


async def test_a_torn_log_keeps_a_prefix(path: pathlib.Path) -> None:
    """Power fails: the write-ahead log ends anywhere, or in rubbish; what was acknowledged before is there."""
    store, wal = await opened(path), path.with_name("store.db-wal")
    states: list[tuple[int, dict[str, backend.Record]]] = []
    present: dict[str, backend.Record] = {}
    rng = random.Random(5)
    for number in range(60):
        key = f"{KEY}{rng.randrange(9)}"
        value = b'{"v":"%b"}' % (b"x" * rng.randrange(6000))
        if key not in present:
            present[key] = await store.create(key, value)
        elif number % 4:
            present[key] = await store.update(key, value, expected=present[key].mod_revision)
        else:
            await store.delete(key, expected=present.pop(key).mod_revision)
        states.append((wal.stat().st_size, dict(present)))
    content, log = path.read_bytes(), wal.read_bytes()
    await store.close()
    for number in range(15):
        end = rng.choice(states)[0] + rng.choice([0, 0, -1, 1, rng.randrange(4096)])
        torn = path.parent.parent / str(number) / "store.db"
        torn.parent.mkdir()
        torn.write_bytes(content)
        torn.with_name("store.db-wal").write_bytes(log[:end] + rng.randbytes(rng.choice([0, 100, 9000])))
        acknowledged = sum(size <= end for size, _ in states)
        store = await opened(torn)
        found = {one.key: one for one in (await store.list(KEY)).records}
        assert found == (states[acknowledged - 1][1] if acknowledged else {})
        await store.create("/registry/pods/b/next", b"{}")
        await store.close()
        assert check.check(torn) == []


WRITER = """
import asyncio, sys
from pybernetes.aio.clock import RealClock
from pybernetes.storage.sqlite import SqliteBackend

async def write(store, number):
    count = 0
    while True:
        key = f"/registry/pods/{number}/{count % 7}"
        value = b'{"v":"%b"}' % (b"x" * (count * 37 % 4000))
        current = await store.get(key)
        if current is None:
            record = await store.create(key, value)
        elif count % 5 == 0:
            record = await store.delete(key, expected=current.mod_revision)
        else:
            record = await store.update(key, value, expected=current.mod_revision)
        print(record.mod_revision, key, int(current is not None and count % 5 == 0), flush=True)
        count += 1

async def main():
    store = SqliteBackend(sys.argv[1], clock=RealClock(), history=200)
    await store.start()
    await asyncio.gather(*(write(store, number) for number in range(8)))

asyncio.run(main())
"""


def test_acknowledged_writes_survive_kill_9(path: pathlib.Path) -> None:
    rng = random.Random(7)
    newest: dict[str, tuple[int, bool]] = {}
    used: set[int] = set()
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(rng.randrange(50, 1500))]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
        process.stdout.close()
        process.wait()
        for line in lines:
            if line.endswith("\n"):
                revision, key, deleted = line.split()
                assert int(revision) not in used
                used.add(int(revision))
                newest[key] = max(newest.get(key, (0, False)), (int(revision), deleted == "1"))
        assert check.check(path) == []
        asyncio.run(_compare(path, newest, max(used)))


async def _compare(path: pathlib.Path, newest: dict[str, tuple[int, bool]], last: int) -> None:
    store = await opened(path)
    assert await store.revision() >= last
    for key, (revision, deleted) in newest.items():
        record = await store.get(key)
        # A write that was committed but not yet acknowledged may be there on top.
        if record is None:
            assert deleted or await store.revision() > revision
        else:
            assert record.mod_revision > revision if deleted else record.mod_revision >= revision
    await store.close()
