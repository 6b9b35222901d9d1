"""What a watch on a whole server tells."""

from typing import Any

CONFIGS = "/api/v1/namespaces/ns/configmaps"
MERGE = "application/merge-patch+json"


def config(name: str, label: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, **({"labels": {"l": label}} if label else {})}}


def seen(sink: Any) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in sink.events]


async def test_a_watch_follows_its_list(api: Any) -> None:
    await api.create(CONFIGS, config("a"))
    version = (await api.get(CONFIGS))["metadata"]["resourceVersion"]
    async with api.watching(f"{CONFIGS}?watch=1&resourceVersion={version}") as sink:
        await api.create(CONFIGS, config("b"))
        await api.send("PATCH", f"{CONFIGS}/a", {"data": {"x": "y"}}, content=MERGE)
        await api.send("DELETE", f"{CONFIGS}/b")
        await api.create("/api/v1/namespaces/default/configmaps", config("elsewhere"))
    assert seen(sink) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert sink.events[0]["object"]["kind"] == "ConfigMap"
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in sink.events]
    assert versions == sorted(set(versions))


async def test_objects_enter_and_leave_a_selection(api: Any) -> None:
    async with api.watching(f"{CONFIGS}?watch=1&labelSelector=l%3Dx") as sink:
        await api.create(CONFIGS, config("a", "x"))
        for label in ("y", "x"):
            await api.send("PATCH", f"{CONFIGS}/a", {"metadata": {"labels": {"l": label}}}, content=MERGE)
    assert seen(sink) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


async def test_initial_events_end_with_a_bookmark(api: Any) -> None:
    await api.create(CONFIGS, config("a", "x"))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with api.watching(f"{CONFIGS}?{query}") as sink:
        pass
    assert seen(sink) == [("ADDED", "a"), ("BOOKMARK", "")]
    assert sink.events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_quiet_watch_gets_bookmarks(api: Any) -> None:
    async with api.watching(f"{CONFIGS}?watch=1&allowWatchBookmarks=true") as sink:
        await api.create("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
        await api.clock.advance(61)
    assert [event["type"] for event in sink.events] == ["BOOKMARK"]


async def test_a_watch_ends_when_its_time_is_over(api: Any) -> None:
    response = await api.raw("GET", f"{CONFIGS}?watch=1&timeoutSeconds=5")
    assert (await api.read(response, seconds=6)).text == ""


async def test_a_slow_reader_gets_everything_later(api: Any) -> None:
    async with api.watching(f"{CONFIGS}?watch=1") as sink:
        sink.slow = True
        for number in range(5):
            await api.create(CONFIGS, config(f"c{number}"))
        await api.clock.advance(0)
        assert len(sink.events) == 1
        sink.slow = False
        sink.room.set()
        await api.clock.advance(0)
        await api.create(CONFIGS, config("last"))
    assert [name for _, name in seen(sink)] == ["c0", "c1", "c2", "c3", "c4", "last"]


async def test_tables_have_their_columns_once(api: Any) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    async with api.watching(f"{CONFIGS}?watch=1", Accept=accept) as sink:
        await api.create(CONFIGS, config("a"))
        await api.create(CONFIGS, config("b"))
    first, second = (event["object"] for event in sink.events)
    assert first["columnDefinitions"]
    assert not second["columnDefinitions"]
    assert second["rows"][0]["cells"][0] == "b"
