"""Events end an hour after they were last written, also those from before the server's start."""

import json
from typing import Any

from tests.unit.apiserver import conftest

from pybernetes.aio import clock as clocks
from pybernetes.apiserver import app
from pybernetes.storage import memory

EVENTS = "/api/v1/namespaces/default/events"


async def start(backend: memory.MemoryBackend, clock: clocks.VirtualClock) -> conftest.Api:
    server = app.ApiServer(app.ServerConfig(tokens=(conftest.Tokens(),)), backend, clock)
    await server.start()
    await server.ready()
    return conftest.Api(server, clock)


async def names(api: conftest.Api) -> list[str]:
    return [item["metadata"]["name"] for item in (await api.get(EVENTS))["items"]]


def event(name: str, **members: Any) -> dict[str, Any]:
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    return {"metadata": {"name": name, "namespace": "default"}, "involvedObject": about, "reason": "R", **members}


async def test_events_end_an_hour_after_they_were_written() -> None:
    clock, backend = clocks.VirtualClock(), memory.MemoryBackend()
    api = await start(backend, clock)
    for name in "ab":
        assert (await api.send("POST", EVENTS, event(name))).status == 201
    await clock.advance(1800)
    changed = await api.send("PATCH", f"{EVENTS}/b", {"count": 2}, content="application/merge-patch+json")
    assert changed.status == 200
    assert (await api.send("POST", EVENTS, event("c"))).status == 201
    await clock.advance(1790)
    assert await names(api) == ["a", "b", "c"]
    await clock.advance(30)
    assert await names(api) == ["b", "c"]
    await api.server.stop()

    await backend.start()
    stamp = (await backend.list("/registry/events/")).records[0]
    old = json.loads(stamp.value)
    old |= {"eventTime": clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    await backend.update(stamp.key, json.dumps(old).encode(), expected=stamp.mod_revision)
    api = await start(backend, clock)
    await clock.advance(1810)
    assert await names(api) == ["b"]
    await clock.advance(1830)
    assert await names(api) == []
    await api.server.stop()
