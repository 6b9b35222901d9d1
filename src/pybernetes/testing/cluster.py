"""A whole cluster inside a test: API server, controllers, scheduler and simulated nodes in one process.

    async def test_something(cluster):
        await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})

Everything is real except the edges: storage is in memory, containers are simulated, and the clock may be virtual.
"""

import asyncio
import dataclasses
import datetime
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.client import rest
from pybernetes.cluster import components
from pybernetes.cluster import config as configs
from pybernetes.controllers import context as controller_context
from pybernetes.crypto import certs
from pybernetes.storage import memory
from pybernetes.testing import hollow_node, outside

Object = dict[str, Any]
Beginning = tuple[datetime.datetime | None, tuple[str, ...], controller_context.Settings]
QUIET_TURNS = 30
"""After so many turns of the event loop without a write the first objects are complete."""
PATIENCE = 30.0
"""Seconds of real time after which a wait that nothing ends fails the test."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What a test's cluster consists of; `controllers` as `--controllers` takes it, () for none."""

    controllers: tuple[str, ...] = ("*",)
    scheduler: bool = True
    nodes: int = 1
    clock: clocks.Clock = dataclasses.field(default_factory=clocks.RealClock)
    settings: controller_context.Settings = dataclasses.field(default_factory=controller_context.Settings)


class Cluster:
    """See the module. Make one with `async with Cluster(options) as cluster`."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.clock = self.options.clock
        simulated = tuple(range(1, self.options.nodes + 1))
        self.config = configs.ClusterConfig(name="test", nodes=(), simulated_nodes=simulated, storage="memory")
        self._secrets = _secrets()
        self._group = tasks.TaskGroup("test cluster")
        self._outside: outside.Outside | None = None
        self._store = memory.MemoryBackend(clock=self.clock, snapshot=_first_objects.get(self._beginning()))
        self.server, self.identities = components.api_server(self.config, self._secrets, self._store, self.clock)
        self.client = self.identities.client(components.ADMIN, components.MASTERS)
        self.nodes = tuple(
            hollow_node.HollowNode(self.config, self.identities, self.clock, index) for index in simulated
        )

    async def __aenter__(self) -> "Cluster":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return when the API is ready and every component of the options runs."""
        await self.server.start()
        await self.server.ready()
        ready = []
        if self.options.controllers:
            controllers = components.controller_manager(
                self.identities, self.clock, self._settings(), self.options.controllers
            )
            self._group.start(controllers.run(), "controllers")
            ready.append(controllers.started)
        if self._beginning() not in _first_objects:
            for event in ready:
                await self._group.until(event.wait(), "started")
            await self._settle()
            _first_objects[self._beginning()] = self._store.snapshot()
        if self.options.scheduler:
            scheduler = components.scheduler(self.identities, self.clock)
            self._group.start(scheduler.run(), "scheduler")
            ready.append(scheduler.started)
        for node in self.nodes:
            await node.start()
        for event in ready:
            await self._group.until(event.wait(), "started")

    def _beginning(self) -> Beginning:
        """What the first objects of a cluster depend on: the time on a virtual clock, and who makes some."""
        time = self.clock.now() if isinstance(self.clock, clocks.VirtualClock) else None
        return time, self.options.controllers, self.options.settings

    async def _settle(self) -> None:
        """Return when nobody writes any more."""
        quiet, revision = 0, 0
        while quiet < QUIET_TURNS:
            quiet = quiet + 1 if self._store.newest == revision else 0
            revision = self._store.newest
            await asyncio.sleep(0)

    def _settings(self) -> controller_context.Settings:
        return components.controller_settings(self.options.settings, self._secrets)

    async def stop(self) -> None:
        """End everything."""
        if self._outside is not None:
            await self._outside.stop()
        for node in self.nodes:
            await node.stop()
        await self._group.cancel()
        await self.identities.close()
        await self.server.stop()

    async def kubeconfig(
        self, user: str = components.ADMIN, groups: tuple[str, ...] = components.MASTERS
    ) -> pathlib.Path:
        """A kubeconfig for clients outside the test's process: from now on the API is served on loopback too."""
        if self._outside is None:
            self._outside = outside.Outside(self.server, self._secrets, self.clock)
            await self._outside.start()
        return self._outside.kubeconfig(user, groups)

    def as_user(self, name: str, *groups: str) -> rest.Client:
        """A client that acts as somebody else."""
        return self.identities.client(name, groups)

    # objects

    async def apply(self, obj: Object, namespace: str = "default") -> Object:
        """Create the object, or bring it to this state with a merge patch."""
        resource = self.client.dynamic(obj["apiVersion"], obj["kind"])
        where = await self._namespace(resource, obj, namespace)
        try:
            return await resource.create(obj, where)
        except errors.AlreadyExists:
            return await resource.patch(obj["metadata"]["name"], obj, where)

    async def get(self, api_version: str, kind: str, name: str, namespace: str = "default") -> Object:
        """One object as a plain dict. Raises errors.NotFound."""
        resource = self.client.dynamic(api_version, kind)
        return await resource.get(name, await self._namespace(resource, {}, namespace))

    async def list(
        self, api_version: str, kind: str, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Sequence[Object]:
        """Objects as plain dicts."""
        resource = self.client.dynamic(api_version, kind)
        page = await resource.list(namespace, label_selector=label_selector, field_selector=field_selector)
        return page.items

    async def wait(
        self, api_version: str, kind: str, until: Callable[[Sequence[Object]], bool], namespace: str = ""
    ) -> Sequence[Object]:
        """Follow the kind by a watch until the condition holds for all its objects; those objects."""
        resource = self.client.dynamic(api_version, kind)
        async with asyncio.timeout(PATIENCE):
            page = await resource.list(namespace)
            known = {(obj["metadata"].get("namespace"), obj["metadata"]["name"]): obj for obj in page.items}
            if until([*known.values()]):
                return [*known.values()]
            async with resource.watch(namespace, resource_version=page.resource_version) as events:
                async for event in events:
                    if event.type == "BOOKMARK":
                        continue
                    key = (event.object["metadata"].get("namespace"), event.object["metadata"]["name"])
                    if event.type == "DELETED":
                        known.pop(key, None)
                    else:
                        known[key] = event.object
                    if until([*known.values()]):
                        return [*known.values()]
        raise AssertionError("the watch ended before the condition held")

    @staticmethod
    async def _namespace(resource: rest.Resource[Object], obj: Object, namespace: str) -> str:
        where = await resource.mapping()
        return (obj.get("metadata") or {}).get("namespace") or (namespace if where.namespaced else "")


_first_objects: dict[Beginning, memory.Snapshot] = {}
"""What the clusters of this process begin with: made in the first of its kind, taken over by the others."""


@functools.cache
def _secrets() -> components.Secrets:
    """Keys for all clusters of a process: they protect nothing but tests, and cost a few milliseconds each."""
    authority = certs.new_authority("kubernetes", now=clocks.RealClock().now())
    return components.Secrets(authority, certs.new_key())
