"""Watches from the watch cache: where they start, what they are told, how they end."""

import asyncio
import json
from typing import Any

import pytest

from pybernetes.aio.clock import VirtualClock
from pybernetes.apimachinery import errors
from pybernetes.storage import cached, watcher
from pybernetes.storage.listing import WatchOptions
from pybernetes.storage.memory import MemoryBackend
from pybernetes.storage.watchcache import WatchCache

from .pods import Pods, Told, select


@pytest.fixture
async def pods(store: MemoryBackend, cache: WatchCache) -> Pods:
    """Pods at revisions 2 and 3; `a/x` changes at 4; a node at 5."""
    pods = Pods(store)
    await pods.put("a/x")
    await pods.put("b/y")
    await pods.put("a/x", color="red")
    await store.create("/registry/nodes/n1", b"{}")
    return pods


async def follow(cache: WatchCache, scope: str = "", **options: Any) -> tuple[watcher.Watcher, Told]:
    told = Told()
    one = await cache.watch(scope, WatchOptions(**options))
    one.attach(told.deliver, told.ended)
    return one, told


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["ADDED a/x@4", "ADDED b/y@3"]),
        ({"resource_version": "0"}, ["ADDED a/x@4", "ADDED b/y@3"]),
        ({"resource_version": "1"}, ["ADDED a/x@2", "ADDED b/y@3", "MODIFIED a/x@4"]),
        ({"resource_version": "3"}, ["MODIFIED a/x@4"]),
        ({"resource_version": "4"}, []),
        ({"resource_version": "5"}, []),
        ({"send_initial_events": False}, []),
        ({"send_initial_events": False, "resource_version": "0"}, []),
        ({"send_initial_events": False, "resource_version": "3"}, ["MODIFIED a/x@4"]),
        ({"send_initial_events": True}, ["ADDED a/x@4", "ADDED b/y@3"]),
        ({"send_initial_events": True, "allow_bookmarks": True}, ["ADDED a/x@4", "ADDED b/y@3", "BOOKMARK @5"]),
        (
            {"send_initial_events": True, "allow_bookmarks": True, "resource_version": "2"},
            ["ADDED a/x@4", "ADDED b/y@3", "BOOKMARK @5"],
        ),
    ],
)
async def test_where_a_watch_starts(
    cache: WatchCache, pods: Pods, options: dict[str, Any], expected: list[str]
) -> None:
    _, told = await follow(cache, **options)
    assert told.take() == expected
    await pods.put("c/z")
    await pods.put("a/x")
    await pods.drop("b/y")
    assert told.take() == ["ADDED c/z@6", "MODIFIED a/x@7", "DELETED b/y@8"]


async def test_a_watch_from_the_future_waits_for_it(cache: WatchCache, pods: Pods) -> None:
    _, told = await follow(cache, resource_version="7")
    for _ in range(3):
        await pods.put("a/x")
    assert told.take() == ["MODIFIED a/x@8"]


async def test_initial_events_wait_for_their_revision(cache: WatchCache, pods: Pods, clock: VirtualClock) -> None:
    waiting = asyncio.ensure_future(follow(cache, resource_version="9", send_initial_events=True))
    await clock.advance(3.1)
    with pytest.raises(errors.Timeout, match="Too large resource version: 9, current: 5"):
        await waiting


async def test_too_old_a_revision_is_expired(cache: WatchCache, pods: Pods) -> None:
    for _ in range(5):
        await pods.put("a/x")
    with pytest.raises(errors.Expired) as caught:
        await cache.watch("", WatchOptions(resource_version="3"))
    assert str(caught.value) == "too old resource version: 3 (4)"
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    _, told = await follow(cache, resource_version="4")
    assert len(told.take()) == 5


async def test_the_window_keeps_a_hundred_changes_and_75_seconds(store: MemoryBackend, clock: VirtualClock) -> None:
    cache = WatchCache(store, "/registry/pods", clock=clock, extract=lambda _: {}, window=1000)
    await cache.start()
    pods = Pods(store)
    for _ in range(300):
        await pods.put("a/x")
    _, told = await follow(cache, resource_version="1")
    assert len(told.take()) == 300
    await clock.advance(76)
    await pods.put("a/x")
    with pytest.raises(errors.Expired):
        await cache.watch("", WatchOptions(resource_version="201"))
    _, told = await follow(cache, resource_version="202")
    assert len(told.take()) == 100
    await cache.stop()


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("", ["MODIFIED a/x@6", "ADDED a/xx@7", "MODIFIED b/y@8"]),
        ("/registry/pods/a/", ["MODIFIED a/x@6", "ADDED a/xx@7"]),
        ("/registry/pods/a/x", ["MODIFIED a/x@6"]),
        ("/registry/pods/a/none", []),
    ],
)
async def test_scopes(cache: WatchCache, pods: Pods, scope: str, expected: list[str]) -> None:
    _, told = await follow(cache, scope, resource_version="5")
    for name in ("a/x", "a/xx", "b/y"):
        await pods.put(name)
    assert told.take() == expected
    _, late = await follow(cache, scope, resource_version="5")
    assert late.take() == expected
    _, state = await follow(cache, scope)
    assert [line.split()[1] for line in state.take()] == sorted(line.split()[1] for line in expected)


async def test_crossing_a_selector(cache: WatchCache, pods: Pods) -> None:
    _, told = await follow(cache, resource_version="5", selection=select("color=red"))
    await pods.put("b/y", color="red")
    await pods.put("b/y", color="red", size="big")
    assert told.take() == ["ADDED b/y@6", "MODIFIED b/y@7"]
    await pods.put("b/y", color="blue")
    gone = told.events[0].cached.object()["metadata"]
    assert gone == {"resourceVersion": "8", "name": "y", "namespace": "b", "labels": {"color": "red", "size": "big"}}
    assert told.take() == ["DELETED b/y@8"]
    await pods.put("b/y", color="green")
    await pods.drop("b/y")
    assert told.take() == []
    await pods.drop("a/x")
    assert told.take() == ["DELETED a/x@11"]
    _, late = await follow(cache, resource_version="6", selection=select("color=red"))
    assert late.take() == ["MODIFIED b/y@7", "DELETED b/y@8", "DELETED a/x@11"]


async def test_a_kubelet_sees_a_pod_when_it_is_bound(cache: WatchCache, pods: Pods) -> None:
    watchers = {}
    for node in ("n1", "n2"):
        watchers[node] = await follow(cache, selection=select("", f"spec.nodeName={node}"))
    other = await follow(cache, "/registry/pods/b/", selection=select("", "spec.nodeName=n1,metadata.name!=q"))
    await pods.put("a/new")
    await pods.put("a/new", node="n1")
    await pods.put("a/new", node="n1", color="red")
    await pods.put("b/new", node="n2")
    await pods.put("b/new", node="n1")
    await pods.put("b/q", node="n1")
    await pods.drop("a/new")
    assert watchers["n1"][1].take() == [
        "ADDED a/new@7", "MODIFIED a/new@8", "ADDED b/new@10", "ADDED b/q@11", "DELETED a/new@12"
    ]  # fmt: skip
    assert watchers["n2"][1].take() == ["ADDED b/new@9", "DELETED b/new@10"]
    assert other[1].take() == ["ADDED b/new@10"]
    watchers["n1"][0].stop()
    await pods.put("b/new", node="n1", color="red")
    assert watchers["n1"][1].take() == []
    assert other[1].take() == ["MODIFIED b/new@13"]


async def test_watches_by_name(cache: WatchCache, pods: Pods) -> None:
    by_name = {
        scope: (await follow(cache, scope, resource_version="5", selection=select("", "metadata.name=x")))[1]
        for scope in ("", "/registry/pods/a/", "/registry/pods/b/", "/registry/pods/b/x", "/registry/pods/b/y")
    }
    await pods.put("a/x")
    await pods.put("b/x")
    await pods.put("b/xx")
    assert [told.take() for told in by_name.values()] == [
        ["MODIFIED a/x@6", "ADDED b/x@7"], ["MODIFIED a/x@6"], ["ADDED b/x@7"], ["ADDED b/x@7"], []
    ]  # fmt: skip


async def test_frames_are_encoded_once_and_shared(cache: WatchCache, pods: Pods) -> None:
    readers = [(await follow(cache, resource_version="5"))[1] for _ in range(3)]
    readers.append((await follow(cache, resource_version="5", selection=select("color=red")))[1])
    await pods.put("b/y", color="red")
    await pods.drop("b/y")
    first, second, third, selecting = (reader.events for reader in readers)
    assert first[0] is second[0] is third[0]
    assert first[1] is second[1] is selecting[1]
    assert (first[0].line, first[1].line) == (
        b'{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"6","name":"y",'
        b'"namespace":"b","labels":{"color":"red"}},"spec":{}}}\n',
        b'{"type":"DELETED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"y",'
        b'"namespace":"b","labels":{"color":"red"}},"spec":{}}}\n',
    )
    assert selecting[0].type is cached.WatchType.ADDED
    assert first[0].line is second[0].line
    calls: list[cached.WatchEvent] = []

    def table(event: cached.WatchEvent) -> bytes:
        calls.append(event)
        return b"table"

    assert [reader.events[0].encoded("table", table) for reader in readers[:3]] == [b"table"] * 3
    assert len(calls) == 1


async def test_bookmarks_come_each_minute_and_before_the_timeout(
    cache: WatchCache, pods: Pods, clock: VirtualClock
) -> None:
    _, told = await follow(cache, resource_version="5", allow_bookmarks=True, timeout=150)
    _, without = await follow(cache, resource_version="5")
    await pods.store.create("/registry/nodes/n2", b"{}")
    await clock.advance(61)
    assert json.loads(told.events[0].line) == {
        "type": "BOOKMARK",
        "object": {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "6"}},
    }
    assert told.take() == ["BOOKMARK @6"]
    await pods.put("b/y")
    await clock.advance(60)
    assert told.take() == ["MODIFIED b/y@7", "BOOKMARK @7"]
    await clock.advance(26.5)
    assert told.take() == []
    await clock.advance(1)
    assert told.take() == ["BOOKMARK @7"]
    await clock.advance(600)
    assert told.take() == []
    assert without.take() == ["MODIFIED b/y@7"]


async def test_the_end_of_the_initial_events_is_marked(cache: WatchCache, pods: Pods) -> None:
    _, told = await follow(cache, send_initial_events=True, allow_bookmarks=True)
    assert json.loads(told.events[-1].line)["object"] == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "5", "annotations": {"k8s.io/initial-events-end": "true"}},
    }


async def test_what_happens_before_attaching_is_kept(cache: WatchCache, pods: Pods) -> None:
    one = await cache.watch("", WatchOptions(resource_version="3"))
    await pods.put("b/y")
    told = Told()
    one.attach(told.deliver)
    await pods.drop("b/y")
    assert told.take() == ["MODIFIED a/x@4", "MODIFIED b/y@6", "DELETED b/y@7"]


async def test_a_watch_that_nobody_attaches_to_is_cut(cache: WatchCache, pods: Pods) -> None:
    forgotten = await cache.watch()
    for _ in range(1100):
        await pods.put("a/x")
    assert forgotten.ended
    told = Told()
    forgotten.attach(told.deliver, told.ended)
    assert told.ends == 1


async def test_a_stopped_watch_hears_no_more(cache: WatchCache, pods: Pods) -> None:
    one, told = await follow(cache, resource_version="5")
    one.stop()
    one.stop()
    await pods.put("a/x")
    assert (told.take(), told.ends) == ([], 0)


async def test_a_failing_reader_is_cut_and_harms_nobody(
    cache: WatchCache, pods: Pods, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(events: object) -> None:
        raise RuntimeError("broken pipe")

    broken = await cache.watch("", WatchOptions(resource_version="5"))
    broken.attach(fail)
    _, told = await follow(cache, resource_version="5")
    await pods.put("a/x")
    await pods.put("a/x")
    assert told.take() == ["MODIFIED a/x@6", "MODIFIED a/x@7"]
    assert broken.ended
    assert caplog.text.count("watch of /registry/pods/ failed") == 1


async def test_a_slow_reader_is_cut(cache: WatchCache, pods: Pods) -> None:
    slow = (await cache.watch("", WatchOptions(resource_version="5"))).batches(limit=3)
    first = asyncio.ensure_future(anext(slow))
    await asyncio.sleep(0)
    for _ in range(10):
        await pods.put("a/x")
    assert [one.revision for one in await first] == [6]
    assert [[one.revision for one in batch] async for batch in slow] == [[7], [8], [9]]


async def test_stopping_the_cache_ends_every_watch(cache: WatchCache, pods: Pods) -> None:
    one, told = await follow(cache)
    unattached = await cache.watch()
    await cache.stop()
    assert (one.ended, told.ends) == (True, 1)
    late = Told()
    unattached.attach(late.deliver, late.ended)
    assert late.ends == 1


async def test_writers_find_their_write_in_the_cache(cache: WatchCache, pods: Pods) -> None:
    record = await pods.put("a/x", color="green")
    assert cache.is_fresh()
    found = cache.get("/registry/pods/a/x")
    assert found is not None
    assert (found.revision, found.labels) == (record.mod_revision, {"color": "green"})
    assert found.fields["metadata.name"] == "x"
    await pods.drop("a/x")
    assert cache.get("/registry/pods/a/x") is None
