"""The client against our API server in process: memory storage, virtual time, nothing scripted."""

from collections.abc import AsyncIterator

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.api import types
from pybernetes.api.types import core, meta, rbac, storage
from pybernetes.apimachinery import errors
from pybernetes.apiserver import app
from pybernetes.apiserver.authn import token_file
from pybernetes.apiserver.authn import user as users
from pybernetes.client import discovery, events, informer, leader_election, pagination, rest, transport
from pybernetes.storage import memory

TOKENS = {"secret": users.UserInfo("admin", ("system:masters", "system:authenticated"))}


@pytest.fixture
async def real(virtual: clock.VirtualClock) -> AsyncIterator[rest.Client]:
    """An administrator's client of a server that has just started."""
    config = app.ServerConfig(tokens=(token_file.TokenFile(TOKENS),))
    server = app.ApiServer(config, memory.MemoryBackend(clock=virtual), virtual)
    await server.start()
    await virtual.advance(1.0)
    client = rest.Client(
        transport.InProcessTransport(server.handle, headers={"Authorization": "Bearer secret"}), virtual
    )
    yield client
    await client.close()
    await server.stop()


def _config_map(name: str) -> core.ConfigMap:
    return core.ConfigMap(metadata=meta.ObjectMeta(name=name, namespace="default"), data={"x": "1"})


async def test_the_life_of_an_object(real: rest.Client) -> None:
    maps = real.resource(core.ConfigMap)
    made = await maps.create(_config_map("a"))
    assert made.metadata.uid
    with pytest.raises(errors.AlreadyExists):
        await maps.create(_config_map("a"))
    patched = await maps.patch("a", {"data": {"x": None, "y": "2"}}, "default")
    assert patched.data == {"y": "2"}
    with pytest.raises(errors.Conflict):
        await maps.update(made)
    with pytest.raises(errors.Conflict):
        await maps.delete("a", "default", uid="somebody else")
    await maps.delete("a", "default", uid=made.metadata.uid)
    with pytest.raises(errors.NotFound, match='configmaps "a" not found'):
        await maps.get("a", "default")


async def test_an_informer_follows(real: rest.Client, virtual: clock.VirtualClock) -> None:
    maps = real.resource(core.ConfigMap)
    for number in range(7):
        await maps.create(_config_map(f"m{number}"))
    assert len((await pagination.list_all(maps, "default", limit=3)).items) == 7
    async with tasks.TaskGroup("test") as group:
        factory = informer.InformerFactory(real, virtual, group)
        cache = factory.informer(core.ConfigMap, namespace="default")
        await factory.start()
        await factory.wait_for_sync()
        assert len(cache) == 7
        await maps.patch("m0", {"data": {"x": "2"}}, "default")
        await maps.delete("m1", "default")
        await maps.create(_config_map("m7"))
        await virtual.advance(0.0)
        assert {one.metadata.name: one.data["x"] for one in cache.list()} == {
            "m0": "2",
            **{f"m{number}": "1" for number in range(2, 8)},
        }
        await maps.delete_collection("default")
        await virtual.advance(0.0)
        assert len(cache) == 0


async def test_events_and_leases(real: rest.Client, virtual: clock.VirtualClock) -> None:
    about = await real.resource(core.ConfigMap).create(_config_map("a"))
    ran: list[str] = []

    async def lead() -> None:
        ran.append("led")

    async with tasks.TaskGroup("test") as group:
        recorder = events.EventRecorder(real, "tester", virtual, group, host="n1")
        for _ in range(3):
            recorder.event(about, "Normal", "Tested", "it works")
        await recorder.flush()
        stored = (await real.resource(core.Event).list("default")).items
        assert [(one.reason, one.count, one.involvedObject.uid) for one in stored] == [
            ("Tested", 3, about.metadata.uid)
        ]
        await leader_election.LeaderElector(real, "lock", "me", virtual, namespace="default").run(lead)
    assert ran == ["led"]


async def test_discovery_knows_what_the_table_knows(real: rest.Client) -> None:
    found = await discovery.discover(real)
    assert found.failed == {}
    pods = next(one for one in found.resources if one.plural == "pods" and not one.group)
    assert (pods.kind, pods.namespaced, pods.short_names) == ("Pod", True, ("po",))
    assert "status" in pods.subresources


async def test_every_typed_kind_can_be_listed(real: rest.Client) -> None:
    found = await discovery.discover(real)
    listable = {(one.api_version, one.kind) for one in found.resources if "list" in one.verbs}
    kinds = [cls for cls in meta.Object.__subclasses__() if types.identity(cls) in listable]
    assert {core.Pod, rbac.ClusterRole, storage.StorageClass} <= set(kinds)
    counts = {cls.__name__: len((await real.resource(cls).list()).items) for cls in kinds}
    assert counts["ClusterRole"] > 50
