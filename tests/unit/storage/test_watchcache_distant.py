"""The watch cache on a backend that is not in this process: followed by a task, asked for freshness, lost and found."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pybernetes.aio.clock import VirtualClock
from pybernetes.apimachinery import errors
from pybernetes.storage import backend
from pybernetes.storage.listing import ListOptions, WatchOptions
from pybernetes.storage.memory import MemoryBackend
from pybernetes.storage.watchcache import State, WatchCache

from .conftest import PREFIX, extract
from .pods import Pods, Told


class Distant:
    """A backend that tells of changes only through `watch`, when `release` lets it, and can be cut off."""

    def __init__(self, store: MemoryBackend) -> None:
        self.store = store
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.lost = asyncio.Event()
        self.reachable = True

    def __getattr__(self, name: str) -> object:
        if name in ("newest", "compacted", "subscribe"):
            raise AttributeError(name)
        return getattr(self.store, name)

    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, start: str = "") -> backend.ListResult:
        if not self.reachable:
            raise backend.Unavailable("no route")
        return await self.store.list(prefix, revision=revision, limit=limit, start=start)

    async def watch(self, prefix: str, *, after: int) -> AsyncIterator[backend.Batch]:
        watch = self.store.watch(prefix, after=after)
        try:
            while True:
                await self.flowing.wait()
                news = asyncio.ensure_future(anext(watch))
                lost = asyncio.ensure_future(self.lost.wait())
                await asyncio.wait((news, lost), return_when=asyncio.FIRST_COMPLETED)
                lost.cancel()
                if news.done():
                    yield news.result()
                    continue
                news.cancel()
                self.lost.clear()
                raise backend.Unavailable("connection lost")
        finally:
            await watch.aclose()


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
    await clock.advance(0)
    distant.flowing.clear()
    await pods.put("a/w")
    await clock.advance(0)
    await pods.put("a/y")
    assert not cache.is_fresh()
    stale = await cache.list("", ListOptions(resource_version="0"))
    fresh = asyncio.ensure_future(cache.list())
    await clock.advance(1)
    assert not fresh.done()
    distant.flowing.set()
    page = await fresh
    assert (len(stale.items), len(page.items), page.revision) == (2, 3, 4)


async def test_a_cache_that_does_not_catch_up_says_so(
    cache: WatchCache, distant: Distant, store: MemoryBackend, clock: VirtualClock
) -> None:
    await store.create("/registry/pods/a/x", b'{"metadata":{}}')
    await clock.advance(0)
    await store.create("/registry/nodes/n", b"{}")
    waiting = asyncio.ensure_future(cache.wait_fresh())
    await clock.advance(3.1)
    with pytest.raises(errors.Timeout, match="Too large resource version: 3, current: 2"):
        await waiting


async def test_a_lost_backend_ends_watches_and_is_found_again(
    cache: WatchCache, distant: Distant, store: MemoryBackend, clock: VirtualClock
) -> None:
    pods = Pods(store)
    told = Told()
    (await cache.watch("", WatchOptions(send_initial_events=False, resource_version="0"))).attach(
        told.deliver, told.ended
    )
    await pods.put("a/x")
    await clock.advance(0)
    assert told.take() == ["ADDED a/x@2"]
    distant.reachable = False
    distant.lost.set()
    await clock.advance(5)
    assert (cache.state, told.ends) == (State.EMPTY, 1)
    with pytest.raises(errors.TooManyRequests):
        await cache.list()
    await pods.drop("a/x")
    await pods.put("a/y")
    distant.reachable = True
    await clock.advance(1.1)
    assert [one.key for one in (await cache.list()).items] == ["/registry/pods/a/y"]
    with pytest.raises(errors.Expired, match=r"too old resource version: 2 \(4\)"):
        await cache.watch("", WatchOptions(resource_version="2"))
    await pods.put("a/y")
    await clock.advance(0)
    found = cache.get("/registry/pods/a/y")
    assert found is not None
    assert found.revision == 5
