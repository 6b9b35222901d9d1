"""A store that takes its time to list: nobody depends on the one who happened to ask first."""

import asyncio

from tests.unit.apiserver import conftest

from pybernetes.aio import clock as clocks
from pybernetes.apiserver import app
from pybernetes.storage import backend, memory

MAPS = "/api/v1/namespaces/default/configmaps"


class Slow(memory.MemoryBackend):
    """Lists ConfigMaps when told to."""

    def __init__(self, clock: clocks.Clock) -> None:
        super().__init__(clock=clock)
        self.gate = asyncio.Event()

    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, start: str = "") -> backend.ListResult:
        if prefix.endswith("/configmaps/"):
            await self.gate.wait()
        return await super().list(prefix, revision=revision, limit=limit, start=start)


async def test_the_first_who_asked_goes_away() -> None:
    clock = clocks.VirtualClock()
    store = Slow(clock)
    server = app.ApiServer(app.ServerConfig(tokens=(conftest.Tokens(),)), store, clock)
    await server.start()
    api = conftest.Api(server, clock)
    asking = [api.group.start(api.send("GET", MAPS), f"{number}") for number in range(3)]
    await clocks.idle()
    for gone in asking[:2]:
        gone.cancel()
    await clocks.idle()
    store.gate.set()
    assert (await asking[2]).json["items"] == []
    await server.stop()
