"""The watch cache on a backend that others write too: asked for freshness, lost and found."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pybernetes.aio.clock import VirtualClock
from pybernetes.apimachinery import errors
from pybernetes.storage import backend, feed
from pybernetes.storage.listing import ListOptions, WatchOptions
from pybernetes.storage.memory import MemoryBackend
from pybernetes.storage.watchcache import State, WatchCache

from .conftest import PREFIX, extract
from .pods import Pods, Told


class Distant:
    """Tells of what is written to `store` only when `release` lets it, and can lose changes."""

    exclusive = False

    def __init__(self, store: MemoryBackend) -> None:
        self.store = store
        self.feed = feed.Feed(store.newest)
        self.held: list[backend.Batch] = []
        self.reachable = True
        store.subscribe("", self.held.append)

    def __getattr__(self, name: str) -> object:
        return getattr(self.feed if name in ("newest", "subscribe") else self.store, name)

    def release(self) -> None:
        held, self.held[:] = self.held[:], []
        for batch in held:
            self.feed.publish(batch.events, batch.revision)

    def lose(self) -> None:
        self.held.clear()
        self.feed.lose(self.store.newest)

    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, start: str = "") -> backend.ListResult:
        if not self.reachable:
            raise backend.Unavailable("no route")
        return await self.store.list(prefix, revision=revision, limit=limit, start=start)


@pytest.fixture
async def distant(store: MemoryBackend) -> Distant:
    return Distant(store)


@pytest.fixture
async def cache(distant: Distant, clock: VirtualClock) -> AsyncIterator[WatchCache]:
    cache = WatchCache(distant, PREFIX, clock=clock, extract=extract)  # type: ignore[arg-type]
    await cache.start()
    yield cache
    await cache.stop()


async def test_consistent_reads_wait_for_the_backend_s_revision(
    cache: WatchCache, distant: Distant, store: MemoryBackend, clock: VirtualClock
) -> None:
    pods = Pods(store)
    await pods.put("a/x")
    distant.release()
    await pods.put("a/w")
    await pods.put("a/y")
    assert not cache.is_fresh()
    stale = await cache.list("", ListOptions(resource_version="0"))
    fresh = asyncio.ensure_future(cache.list())
    await clock.advance(1)
    assert not fresh.done()
    distant.release()
    page = await fresh
    assert (len(stale.items), len(page.items), page.revision) == (1, 3, 4)


async def test_a_cache_that_does_not_catch_up_says_so(
    cache: WatchCache, distant: Distant, store: MemoryBackend, clock: VirtualClock
) -> None:
    await store.create("/registry/pods/a/x", b'{"metadata":{}}')
    distant.release()
    await store.create("/registry/nodes/n", b"{}")
    waiting = asyncio.ensure_future(cache.wait_fresh())
    await clock.advance(3.1)
    with pytest.raises(errors.Timeout, match="Too large resource version: 3, current: 2"):
        await waiting


async def test_a_cache_that_lost_changes_ends_watches_and_lists_again(
    cache: WatchCache, distant: Distant, store: MemoryBackend, clock: VirtualClock
) -> None:
    pods = Pods(store)
    told = Told()
    (await cache.watch("", WatchOptions(send_initial_events=False, resource_version="0"))).attach(
        told.deliver, told.ended
    )
    await pods.put("a/x")
    distant.release()
    assert told.take() == ["ADDED a/x@2"]
    await pods.drop("a/x")
    await pods.put("a/y")
    distant.reachable = False
    distant.lose()
    await clock.advance(5)
    assert (cache.state, told.ends) == (State.EMPTY, 1)
    with pytest.raises(errors.TooManyRequests):
        await cache.list()
    distant.reachable = True
    await clock.advance(1.1)
    assert [one.key for one in (await cache.list()).items] == ["/registry/pods/a/y"]
    with pytest.raises(errors.Expired, match=r"too old resource version: 2 \(4\)"):
        await cache.watch("", WatchOptions(resource_version="2"))
    await pods.put("a/y")
    distant.release()
    found = cache.get("/registry/pods/a/y")
    assert found is not None
    assert found.revision == 5
