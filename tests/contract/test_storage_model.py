"""Random histories against a model of lists and dictionaries: every backend, and the watch cache on top of it."""

import asyncio
import dataclasses
import json
import pathlib
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pybernetes.aio.clock import VirtualClock
from pybernetes.apimachinery import errors, labels
from pybernetes.storage import backend, cached, check
from pybernetes.storage.backend import Backend, Event, EventType, Record
from pybernetes.storage.listing import ListOptions, WatchOptions
from pybernetes.storage.watchcache import WatchCache

from .conftest import Make

KEYS = ("/r/a/x", "/r/a/y", "/r/ab/x", "/r/b/x", "/s/x")
PREFIXES = ("/r/", "/r/a/", "/s/", "/")
RED = cached.Selection(labels.parse("color=red"))

part = st.floats(0, 1)
step = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(KEYS), st.sampled_from(("red", "blue"))),
    st.tuples(st.just("put"), st.sampled_from(KEYS), st.sampled_from(("red", "blue"))),
    st.tuples(st.just("delete"), st.sampled_from(KEYS)),
    st.tuples(st.just("stale"), st.sampled_from(KEYS), st.integers(-2, 2)),
    st.tuples(st.just("compact"), part),
    st.tuples(st.just("list"), st.sampled_from(PREFIXES), part, st.integers(0, 3), st.sampled_from(("", *KEYS))),
    st.tuples(st.just("watch"), st.sampled_from(PREFIXES), part),
    st.tuples(st.just("cache_list"), part, st.integers(0, 2)),
    st.tuples(st.just("cache_watch"), part, st.booleans()),
)


class Model:
    """What should be: every event ever, the current records, how far history is gone."""

    def __init__(self, first: int) -> None:
        self.first = self.revision = first
        self.compacted = 0
        self.events: list[Event] = []
        self.current: dict[str, Record] = {}

    def add(self, event: Event) -> None:
        self.revision += 1
        self.events.append(event)
        if event.type is EventType.PUT:
            self.current[event.record.key] = event.record
        else:
            del self.current[event.record.key]

    def at(self, revision: int) -> dict[str, Record]:
        state: dict[str, Record] = {}
        for event in self.events:
            if event.record.mod_revision <= revision:
                state[event.record.key] = event.record
                if event.type is EventType.DELETE:
                    del state[event.record.key]
        return dict(sorted(state.items()))

    def since(self, prefix: str, after: int) -> list[Event]:
        news = (one for one in self.events if one.record.mod_revision > after)
        return [one for one in news if one.record.key.startswith(prefix)]

    def pick(self, fraction: float) -> int:
        """A revision, some of them compacted or in the future."""
        return self.first + round((self.revision - self.first + 1) * fraction)


@dataclasses.dataclass
class Follower:
    """A watcher of the cache and the state its events add up to."""

    selection: cached.Selection
    state: dict[str, int] = dataclasses.field(default_factory=dict)

    def deliver(self, events: "list[cached.WatchEvent]") -> None:
        for event in events:
            key = event.cached.key
            if event.type is cached.WatchType.DELETED:
                assert self.state.pop(key) < event.revision
            else:
                assert (key in self.state) == (event.type is cached.WatchType.MODIFIED)
                assert self.state.get(key, 0) < event.revision
                self.state[key] = event.revision


def value(color: str, number: int) -> bytes:
    content = {"kind": "K", "apiVersion": "v1", "metadata": {"labels": {"color": color}}, "n": number}
    return json.dumps(content, separators=(",", ":")).encode()


class Run:
    """One history on one backend."""

    def __init__(self, store: Backend, first: int) -> None:
        self.store = store
        self.model = Model(first)
        self.cache = WatchCache(store, "/r/", clock=VirtualClock(), extract=lambda _: {}, window=6)
        self.watches: list[tuple[str, int, backend.Watch]] = []
        self.followers: list[Follower] = []

    async def put(self, key: str, color: str) -> None:
        model, known = self.model, self.model.current.get(key)
        content = value(color, model.revision)
        created = model.revision + 1 if known is None else known.create_revision
        expected = Record(key, content, created, model.revision + 1)
        if known is None:
            record = await self.store.create(key, content)
        else:
            record = await self.store.update(key, content, expected=known.mod_revision)
            with pytest.raises(backend.KeyExists):
                await self.store.create(key, content)
        assert record == expected
        model.add(Event(EventType.PUT, expected, known))

    async def delete(self, key: str) -> None:
        known = self.model.current.get(key)
        if known is None:
            return
        expected = dataclasses.replace(known, mod_revision=self.model.revision + 1)
        assert await self.store.delete(key, expected=known.mod_revision) == expected
        self.model.add(Event(EventType.DELETE, expected, known))

    async def stale(self, key: str, off: int) -> None:
        known = self.model.current.get(key)
        if known is None or off != 0:
            expected = (known.mod_revision if known else self.model.revision) + off
            with pytest.raises(backend.CompareFailed) as caught:
                await self.store.update(key, b"{}", expected=expected)
            assert caught.value.current == known

    async def compact(self, fraction: float) -> None:
        revision = min(self.model.pick(fraction), self.model.revision)
        await self.store.compact(revision)
        self.model.compacted = max(self.model.compacted, revision)

    async def list(self, prefix: str, fraction: float, limit: int, start: str) -> None:
        revision, model = self.model.pick(fraction), self.model
        if revision > model.revision or revision < model.compacted:
            failure = backend.FutureRevision if revision > model.revision else backend.Compacted
            with pytest.raises(failure):
                await self.store.list(prefix, revision=revision, limit=limit, start=start)
            return
        listed = await self.store.list(prefix, revision=revision, limit=limit, start=start)
        expected = [one for key, one in model.at(revision).items() if key.startswith(prefix) and key >= start]
        assert list(listed.records) == (expected[:limit] if limit else expected)
        assert (listed.revision, listed.remaining) == (revision, len(expected) - len(listed.records))

    async def watch(self, prefix: str, fraction: float) -> None:
        after, model = self.model.pick(fraction), self.model
        if after > model.revision or after < model.compacted:
            with pytest.raises(backend.StorageError):
                await anext(self.store.watch(prefix, after=after))
            return
        self.watches.append((prefix, after, self.store.watch(prefix, after=after)))

    async def cache_list(self, fraction: float, limit: int) -> None:
        revision, model = min(self.model.pick(fraction), self.model.revision), self.model
        try:
            page = await self.cache.list("", ListOptions(str(revision), "Exact", limit))
        except errors.Expired:
            assert revision < model.compacted
            return
        expected = [(key, one.mod_revision) for key, one in model.at(revision).items() if key.startswith("/r/")]
        seen = [(one.key, one.revision) for one in page.items]
        assert seen == (expected[:limit] if limit else expected)
        assert all(json.loads(one.data)["metadata"]["resourceVersion"] == str(one.revision) for one in page.items)

    async def cache_watch(self, fraction: float, red: bool) -> None:
        revision = min(self.model.pick(fraction), self.model.revision)
        selection = RED if red else cached.EVERYTHING
        follower = Follower(selection)
        for key, record in self.model.at(revision).items():
            one = cached.Cached(key, record.mod_revision, record.value, lambda _: {})
            if key.startswith("/r/") and selection.matches(one):
                follower.state[key] = record.mod_revision
        try:
            watcher = await self.cache.watch("", WatchOptions(str(revision), selection=selection))
        except errors.Expired:
            return
        watcher.attach(follower.deliver)  # type: ignore[arg-type]
        self.followers.append(follower)

    async def compare(self) -> None:
        """At the end: every watch told everything once, and every follower knows the present."""
        assert await self.store.revision() == self.model.revision
        for prefix, after, watch in self.watches:
            expected = self.model.since(prefix, after)
            events: list[Event] = []
            try:
                while len(events) < len(expected):
                    events += (await anext(watch)).events
                assert events == expected
            except backend.Compacted:
                # a watch of a distant store can be overtaken
                assert not self.store.exclusive
                assert after < self.model.compacted
            await watch.aclose()
        page = await self.cache.list()
        records = self.model.at(self.model.revision).values()
        assert [(one.key, one.revision) for one in page.items] == [
            (one.key, one.mod_revision) for one in records if one.key.startswith("/r/")
        ]
        for follower in self.followers:
            present = {one.key: one.revision for one in page.items if follower.selection.matches(one)}
            assert follower.state == present


async def run(make: Make, folder: pathlib.Path, steps: "list[tuple[object, ...]]") -> None:
    store = make(folder)
    await store.start()
    one = Run(store, await store.revision())
    await one.cache.start()
    for name, *arguments in steps:
        await getattr(one, str(name))(*arguments)
    await one.compare()
    await one.cache.stop()
    await store.close()
    if (folder / "store.db").exists():
        assert check.check(folder / "store.db") == []


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(step, min_size=5, max_size=40))
def test_random_histories(make: Make, steps: "list[tuple[object, ...]]") -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(make, pathlib.Path(folder), steps))
