"""A whole cluster inside a test: API server, controllers, scheduler and simulated nodes in one process.

    async def test_something(cluster):
        await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})

Everything is real except the edges: storage is in memory, containers are simulated, and the clock may be virtual.
"""

import asyncio
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.client import rest
from pybernetes.cluster import components, supervision
from pybernetes.cluster import config as configs
from pybernetes.controllers import context as controller_context
from pybernetes.controllers import manager
from pybernetes.crypto import certs
from pybernetes.kubelet.cri import runtime, simulated
from pybernetes.storage import backend, memory
from pybernetes.testing import hollow_node, outside

Object = dict[str, Any]
Beginning = tuple[object, tuple[str, ...], controller_context.Settings]
HISTORY = 10**9
"""Changes that a test's store remembers: all of them."""
PATIENCE = 30.0
"""Seconds of real time after which a wait that nothing ends fails the test."""
VIRTUAL_PATIENCE = 3600.0
"""The same for a virtual clock, which a wait moves on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What a test's cluster consists of; `controllers` as `--controllers` takes it, () for none.

    With `virtual` time moves only when the test says so, and `seed` decides all that is left to chance.
    """

    controllers: tuple[str, ...] = ("*",)
    scheduler: bool = True
    nodes: int = 1
    virtual: bool = False
    seed: int = 0
    clock: clocks.Clock | None = None
    settings: controller_context.Settings = dataclasses.field(default_factory=controller_context.Settings)

    def new_clock(self) -> clocks.Clock:
        """The clock of a cluster that begins."""
        if self.clock is not None:
            return self.clock
        return clocks.VirtualClock(seed=self.seed, deferring=True) if self.virtual else clocks.RealClock()


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """What a cluster may begin with: objects, the time, and what runs on its nodes."""

    objects: memory.Snapshot
    clock: clocks.Clock | None = None
    runtimes: tuple[simulated.FakeRuntime, ...] = ()


class View:
    """The objects of a cluster as plain dicts: as they are, or as they were at a resourceVersion."""

    client: rest.Client

    def __init__(self, resource_version: str = "") -> None:
        self._version = resource_version

    async def get(self, api_version: str, kind: str, name: str, namespace: str = "default") -> Object:
        """One object. Raises errors.NotFound."""
        resource = self.client.dynamic(api_version, kind)
        where = await self._namespace(resource, {}, namespace)
        if not self._version:
            return await resource.get(name, where)
        for found in await self.list(api_version, kind, where, field_selector=f"metadata.name={name}"):
            return found
        raise errors.NotFound((await resource.mapping()).resource, name)

    async def list(
        self, api_version: str, kind: str, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Sequence[Object]:
        """All objects of a kind, or those of a namespace."""
        page = await self.client.dynamic(api_version, kind).list(
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            resource_version=self._version,
            resource_version_match="Exact" if self._version else "",
        )
        return page.items

    @staticmethod
    async def _namespace(resource: rest.Resource[Object], obj: Object, namespace: str) -> str:
        where = await resource.mapping()
        return (obj.get("metadata") or {}).get("namespace") or (namespace if where.namespaced else "")


class Past(View):
    """See `Cluster.at`."""

    def __init__(self, client: rest.Client, resource_version: str) -> None:
        super().__init__(resource_version)
        self.client = client


class Cluster(View):
    """See the module. Make one with `async with Cluster(options) as cluster`.

    Its parts (`server`, `client`, `nodes`, `clock`, `controllers`) are there once it has started; a reset makes new
    ones.
    """

    def __init__(self, options: Options | None = None, state: State | None = None) -> None:
        super().__init__()
        self.options = options or Options()
        self._state = state
        self._secrets = _secrets()
        self._outside: outside.Outside | None = None

    async def __aenter__(self) -> "Cluster":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return when the API is ready and every component of the options runs."""
        if self._state is None:
            self._state = State(await _first_objects(self.options))
        self._build(self._state)
        await self.server.start()
        await self.server.ready()
        if self.controllers is not None:
            self._group.start(self.controllers.run(), "controllers")
        if self.options.scheduler:
            scheduler = components.scheduler(self.identities, self.clock)
            self._group.start(scheduler.run(), "scheduler")
            await self._group.until(scheduler.started.wait(), "started")
        for node in self.nodes:
            await node.start()
        if self.controllers is not None:
            await self._group.until(self.controllers.started.wait(), "started")

    def _build(self, state: State) -> None:
        self._group = tasks.TaskGroup("test cluster")
        self.clock = clock = self.options.new_clock() if state.clock is None else _fork(state.clock)
        indexes = tuple(range(1, self.options.nodes + 1))
        self.config = configs.ClusterConfig(name="test", nodes=(), simulated_nodes=indexes, storage="memory")
        self._store = memory.MemoryBackend(history=HISTORY, snapshot=state.objects)
        self.server, self.identities = components.api_server(self.config, self._secrets, self._store, clock)
        self.client = self.identities.client(components.ADMIN, components.MASTERS)
        self.controllers: manager.ControllerManager | None = None
        if self.options.controllers:
            settings = components.controller_settings(self.options.settings, self._secrets)
            self.controllers = components.controller_manager(self.identities, clock, settings, self.options.controllers)
        runtimes = [one.fork(clock) for one in state.runtimes] if state.runtimes else [None] * len(indexes)
        self.nodes = tuple(
            hollow_node.HollowNode(self.config, self.identities, clock, index, one)
            for index, one in zip(indexes, runtimes, strict=True)
        )

    async def stop(self) -> None:
        """End everything."""
        if self._outside is not None:
            await self._outside.stop()
            self._outside = None
        await self._end()

    async def _end(self) -> None:
        for node in self.nodes:
            await node.stop()
        await self._group.cancel()
        await self.identities.close()
        await self.server.stop()

    # time and state

    async def settle(self) -> None:
        """Return when nobody has anything to do but wait for time to pass, or for another process."""
        await clocks.idle()

    async def reset(self) -> None:
        """Go back to the beginning: the first objects, the first resourceVersion, the first moment of virtual time.

        Whoever is outside keeps his way in.
        """
        await self._end()
        await self.start()
        if self._outside is not None:
            self._outside.handler = self.server.handle

    def fork(self) -> "Cluster":
        """A cluster of its own that begins where this one is now; start it as any other.

        Objects are shared until somebody writes them; containers go on running in both. The copy's components start
        anew, as after a power failure: what they had only in mind (back-offs, for one) is gone.
        """
        clock = _fork(self.clock)
        runtimes = tuple(node.runtime.fork(clock) for node in self.nodes)
        return Cluster(self.options, State(self.objects(), clock, runtimes))

    def objects(self) -> memory.Snapshot:
        """All that is stored now."""
        return self._store.snapshot()

    def history(self) -> Sequence[backend.Event]:
        """Every change since the beginning, in order."""
        return self._store.history()

    def at(self, resource_version: str | int) -> Past:
        """The objects as they were then: any moment since the cluster began."""
        return Past(self.client, str(resource_version))

    async def kubeconfig(
        self, user: str = components.ADMIN, groups: tuple[str, ...] = components.MASTERS
    ) -> pathlib.Path:
        """A kubeconfig for clients outside the test's process: from now on the API is served on loopback too."""
        if self._outside is None:
            self._outside = outside.Outside(self.server.handle, self._secrets, self.clock)
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

    async def wait(
        self, api_version: str, kind: str, until: Callable[[Sequence[Object]], bool], namespace: str = ""
    ) -> Sequence[Object]:
        """Follow the kind by a watch until the condition holds for all its objects; those objects.

        Virtual time moves on meanwhile, from deadline to deadline.
        """
        following = self._follow(self.client.dynamic(api_version, kind), until, namespace)
        if not isinstance(self.clock, clocks.VirtualClock):
            async with asyncio.timeout(PATIENCE):
                return await following
        async with tasks.TaskGroup("wait") as group:
            task = group.start(following, kind)
            if not await self.clock.until(task.done, VIRTUAL_PATIENCE):
                raise AssertionError(f"the condition did not hold within {VIRTUAL_PATIENCE:g} virtual seconds")
            found: Sequence[Object] = await task
            return found

    @staticmethod
    async def _follow(
        resource: rest.Resource[Object], until: Callable[[Sequence[Object]], bool], namespace: str
    ) -> Sequence[Object]:
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

    # simulated containers

    async def logs(self, pod: str, namespace: str = "default", *, container: str = "", previous: bool = False) -> str:
        """What a container has printed: the annotation OUTPUT of `kubelet.cri.simulated`, and `runtime.print`."""
        node, status = await self._container(pod, namespace, container)
        state = status.get("lastState", {}).get("terminated", {}) if previous else status
        return node.runtime.output(state["containerID"].rpartition("/")[2])

    async def exec(
        self, pod: str, *command: str, namespace: str = "default", container: str = ""
    ) -> runtime.ExecResult:
        """Run a command, that is: ask `exec_results` of the node's runtime. Raises CriError if nothing runs there."""
        node, status = await self._container(pod, namespace, container)
        return await node.runtime.exec_sync(status["containerID"].rpartition("/")[2], command, 0.0)

    async def _container(self, pod: str, namespace: str, container: str) -> tuple[hollow_node.HollowNode, Object]:
        found = await self.get("v1", "Pod", pod, namespace)
        node = next(one for one in self.nodes if one.name == found["spec"].get("nodeName"))
        name = container or found["spec"]["containers"][0]["name"]
        return node, next(one for one in found["status"]["containerStatuses"] if one["name"] == name)


_known: dict[Beginning, memory.Snapshot] = {}


async def _first_objects(options: Options) -> memory.Snapshot:
    """What a cluster begins with: made once in this process for all that are alike."""
    clock = options.new_clock()
    chance = (clock.now(), clock.random.getstate()) if isinstance(clock, clocks.VirtualClock) else None
    beginning = (chance, options.controllers, options.settings)
    if beginning not in _known:
        supervision.collect_rarely()
        nothing = State(memory.Snapshot((), memory.FIRST_REVISION), clock)
        async with Cluster(dataclasses.replace(options, nodes=0, scheduler=False), nothing) as first:
            await first.settle()
            _known[beginning] = first.objects()
    return _known[beginning]


def _fork(clock: clocks.Clock) -> clocks.Clock:
    return clock.fork() if isinstance(clock, clocks.VirtualClock) else clock


@functools.cache
def _secrets() -> components.Secrets:
    """Keys for all clusters of a process: they protect nothing but tests, and cost a few milliseconds each."""
    authority = certs.new_authority("kubernetes", now=clocks.RealClock().now())
    return components.Secrets(authority, certs.new_key())
