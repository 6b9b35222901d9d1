"""What every storage backend promises, told once for all of them."""

from collections.abc import AsyncIterator

import pytest

from pybernetes.storage import backend
from pybernetes.storage.backend import Backend, Event, EventType


async def take(watch: AsyncIterator[backend.Batch], count: int) -> list[Event]:
    """The first `count` events of a watch."""
    events: list[Event] = []
    while len(events) < count:
        events += (await anext(watch)).events
    assert len(events) == count
    return events


async def fill(store: Backend, *keys: str) -> list[backend.Record]:
    """Create those keys, each with its own name as value."""
    return [await store.create(key, f'{{"name":"{key}"}}'.encode()) for key in keys]


async def test_an_empty_store_has_a_positive_revision(store: Backend) -> None:
    assert await store.revision() >= 1
    listed = await store.list("/registry/")
    assert (list(listed.records), listed.remaining) == ([], 0)
    assert listed.revision == await store.revision()


async def test_every_write_takes_the_next_revision(store: Backend) -> None:
    first = await store.revision()
    created = await store.create("/registry/pods/a/x", b"{}")
    updated = await store.update("/registry/pods/a/x", b'{"v":2}', expected=created.mod_revision)
    other = await store.create("/registry/pods/a/y", b"{}")
    deleted = await store.delete("/registry/pods/a/x", expected=updated.mod_revision)
    assert [one.mod_revision - first for one in (created, updated, other, deleted)] == [1, 2, 3, 4]
    assert created.create_revision == updated.create_revision == deleted.create_revision == created.mod_revision
    assert deleted.value == updated.value == b'{"v":2}'
    assert await store.revision() == deleted.mod_revision


async def test_get_tells_the_newest_record_or_nothing(store: Backend) -> None:
    assert await store.get("/registry/pods/a/x") is None
    created = await store.create("/registry/pods/a/x", b"{}")
    assert await store.get("/registry/pods/a/x") == created
    updated = await store.update("/registry/pods/a/x", b'{"v":2}', expected=created.mod_revision)
    assert await store.get("/registry/pods/a/x") == updated
    await store.delete("/registry/pods/a/x", expected=updated.mod_revision)
    assert await store.get("/registry/pods/a/x") is None


async def test_create_refuses_a_key_that_is_there(store: Backend) -> None:
    created = await store.create("/registry/pods/a/x", b"{}")
    with pytest.raises(backend.KeyExists):
        await store.create("/registry/pods/a/x", b"{}")
    assert await store.revision() == created.mod_revision
    await store.delete("/registry/pods/a/x", expected=created.mod_revision)
    again = await store.create("/registry/pods/a/x", b"{}")
    assert again.create_revision == again.mod_revision == created.mod_revision + 2


async def test_writes_compare_the_revision(store: Backend) -> None:
    created = await store.create("/registry/pods/a/x", b"{}")
    for write in (
        store.update("/registry/pods/a/x", b"[]", expected=created.mod_revision + 1),
        store.delete("/registry/pods/a/x", expected=created.mod_revision - 1),
    ):
        with pytest.raises(backend.CompareFailed) as caught:
            await write
        assert caught.value.current == created
    with pytest.raises(backend.CompareFailed) as missing:
        await store.update("/registry/pods/a/nothing", b"{}", expected=created.mod_revision)
    assert missing.value.current is None
    assert await store.revision() == created.mod_revision


async def test_list_is_in_key_order_under_the_prefix_only(store: Backend) -> None:
    keys = [
        "/registry/pods/b/x",
        "/registry/pods/a/z",
        "/registry/podsets/a/x",
        "/registry/pods/a/y",
        "/registry/pods-x",
    ]
    await fill(store, *keys)
    listed = await store.list("/registry/pods/")
    assert [one.key for one in listed.records] == ["/registry/pods/a/y", "/registry/pods/a/z", "/registry/pods/b/x"]
    assert [one.key for one in (await store.list("/registry/pods/a/")).records] == keys[3:4] + keys[1:2]
    assert (await store.list("/nowhere/")).records == []


async def test_list_in_pages_at_one_revision(store: Backend) -> None:
    records = await fill(store, *(f"/registry/pods/a/{number:02}" for number in range(7)))
    first = await store.list("/registry/pods/", limit=3)
    assert (list(first.records), first.remaining) == (records[:3], 4)
    await store.delete(records[4].key, expected=records[4].mod_revision)
    await fill(store, "/registry/pods/a/03a")
    second = await store.list("/registry/pods/", limit=3, revision=first.revision, start=first.records[-1].key + "\0")
    assert (list(second.records), second.remaining) == (records[3:6], 1)
    assert second.revision == first.revision
    third = await store.list("/registry/pods/", limit=3, revision=first.revision, start=records[6].key)
    assert (list(third.records), third.remaining) == (records[6:], 0)


async def test_list_as_it_was(store: Backend) -> None:
    (x,) = await fill(store, "/registry/pods/a/x")
    x2 = await store.update(x.key, b'{"v":2}', expected=x.mod_revision)
    (y,) = await fill(store, "/registry/pods/a/y")
    gone = await store.delete(x.key, expected=x2.mod_revision)
    x3 = await store.create(x.key, b'{"v":3}')
    expected = {
        x.mod_revision - 1: [],
        x.mod_revision: [x],
        x2.mod_revision: [x2],
        y.mod_revision: [x2, y],
        gone.mod_revision: [y],
        x3.mod_revision: [x3, y],
        0: [x3, y],
    }
    for revision, records in expected.items():
        assert list((await store.list("/registry/pods/", revision=revision)).records) == records


async def test_the_future_cannot_be_listed_or_watched(store: Backend) -> None:
    now = await store.revision()
    with pytest.raises(backend.FutureRevision) as caught:
        await store.list("/registry/", revision=now + 1)
    assert caught.value.current == now
    with pytest.raises(backend.FutureRevision):
        await anext(store.watch("/registry/", after=now + 1))


async def test_watch_tells_history_then_news(store: Backend) -> None:
    (x, _) = await fill(store, "/registry/pods/a/x", "/registry/nodes/x")
    watch = store.watch("/registry/pods/", after=x.mod_revision - 1)
    x2 = await store.update(x.key, b'{"v":2}', expected=x.mod_revision)
    gone = await store.delete(x.key, expected=x2.mod_revision)
    events = await take(watch, 3)
    assert events == [
        Event(EventType.PUT, x, None),
        Event(EventType.PUT, x2, x),
        Event(EventType.DELETE, gone, x2),
    ]
    assert [one.created for one in events] == [True, False, False]
    (again,) = await fill(store, x.key)
    assert await take(watch, 1) == [Event(EventType.PUT, again, None)]


async def test_watch_after_a_revision_skips_it(store: Backend) -> None:
    x, y = await fill(store, "/registry/pods/a/x", "/registry/pods/a/y")
    assert await take(store.watch("/registry/pods/", after=x.mod_revision), 1) == [Event(EventType.PUT, y, None)]


async def test_batches_say_how_far_they_reach(store: Backend) -> None:
    watch = store.watch("/registry/", after=await store.revision())
    (x,) = await fill(store, "/registry/pods/a/x")
    batch = await anext(watch)
    assert batch.revision >= x.mod_revision


async def test_a_closed_watch_ends(store: Backend) -> None:
    watch = store.watch("/registry/", after=await store.revision())
    close = getattr(watch, "aclose")  # noqa: B009 - not every iterator has one, ours do
    await close()
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_compaction_forgets_the_past_only(store: Backend) -> None:
    x, y = await fill(store, "/registry/pods/a/x", "/registry/pods/a/y")
    x2 = await store.update(x.key, b'{"v":2}', expected=x.mod_revision)
    z = (await fill(store, "/registry/pods/a/z"))[0]
    await store.compact(x2.mod_revision)
    with pytest.raises(backend.Compacted):
        await store.list("/registry/pods/", revision=y.mod_revision)
    with pytest.raises(backend.Compacted):
        await anext(store.watch("/registry/pods/", after=x.mod_revision))
    assert list((await store.list("/registry/pods/", revision=x2.mod_revision)).records) == [x2, y]
    assert list((await store.list("/registry/pods/")).records) == [x2, y, z]
    assert await take(store.watch("/registry/pods/", after=x2.mod_revision), 1) == [Event(EventType.PUT, z, None)]
    assert await store.get(y.key) == y


async def test_compaction_twice_and_of_the_future(store: Backend) -> None:
    x, y = await fill(store, "/registry/pods/a/x", "/registry/pods/a/y")
    await store.compact(y.mod_revision)
    await store.compact(x.mod_revision)
    with pytest.raises(backend.FutureRevision):
        await store.compact(y.mod_revision + 10)
    gone = await store.delete(x.key, expected=x.mod_revision)
    await store.compact(gone.mod_revision)
    assert await store.get(x.key) is None
    assert list((await store.list("/registry/")).records) == [y]


async def test_a_closed_store_answers_nothing(store: Backend) -> None:
    watch = store.watch("/registry/", after=await store.revision())
    await store.close()
    with pytest.raises(backend.Unavailable):
        await anext(watch)
    with pytest.raises(backend.Unavailable):
        await store.get("/registry/pods/a/x")
    with pytest.raises(backend.Unavailable):
        await store.create("/registry/pods/a/x", b"{}")
