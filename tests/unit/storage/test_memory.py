"""The memory backend where it is more than the contract: bounded history, life after a close."""

import pytest

from pybernetes.aio.clock import VirtualClock
from pybernetes.storage import backend
from pybernetes.storage.memory import MemoryBackend


async def test_history_is_bounded_by_count() -> None:
    store = MemoryBackend(history=10)
    record = await store.create("/x", b"{}")
    for _ in range(100):
        record = await store.update("/x", b"{}", expected=record.mod_revision)
    assert 10 <= store.newest - store.compacted < 20
    assert (await store.list("/", revision=store.compacted)).records[0].mod_revision == store.compacted


async def test_history_is_compacted_in_time() -> None:
    clock = VirtualClock()
    store = MemoryBackend(clock=clock)
    await store.start()
    x = await store.create("/x", b"{}")
    await clock.advance(301)
    y = await store.create("/y", b"{}")
    assert store.compacted == 1
    await clock.advance(300)
    assert store.compacted == x.mod_revision
    await clock.advance(300)
    assert store.compacted == y.mod_revision
    with pytest.raises(backend.Compacted):
        await store.list("/", revision=x.mod_revision)
    await store.close()
    await clock.advance(1000)


async def test_the_contents_outlive_a_close() -> None:
    store = MemoryBackend()
    x = await store.create("/x", b"{}")
    await store.close()
    with pytest.raises(backend.Unavailable):
        await store.get("/x")
    await store.start()
    assert await store.get("/x") == x
