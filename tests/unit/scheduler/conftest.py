"""A real API server in memory, a clock that only the test moves, a scheduler, and objects to schedule.

Tests play users and nodes. After each test cache and queue are checked against their own rules.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.apiserver import app
from pybernetes.apiserver.admission import chain
from pybernetes.apiserver.authn import user as users
from pybernetes.client import rest, transport
from pybernetes.http import messages
from pybernetes.scheduler import check
from pybernetes.scheduler import context as contexts
from pybernetes.scheduler import scheduler as schedulers
from pybernetes.storage import memory
from pybernetes.telemetry import metrics

Object = dict[str, Any]


class _Names:
    """Tokens that are the user's name."""

    async def authenticate_token(self, token: str) -> users.UserInfo | None:
        groups = [users.AUTHENTICATED]
        if token == "admin":
            groups.append(users.SYSTEM_MASTERS)
        return users.UserInfo(token, tuple(groups))


class SlowBindings:
    """Holds bindings back until the test lets them go."""

    def __init__(self, inner: transport.Transport) -> None:
        self._inner = inner
        self.held: list[str] = []
        self.failures = 0
        self.open = asyncio.Event()
        self.open.set()

    async def request(self, method: str, path: str, **more: Any) -> transport.TransportResponse:
        """As the real one, except for bindings."""
        if path.endswith("/binding"):
            self.held.append(path)
            await self.open.wait()
            if self.failures:
                self.failures -= 1
                status = errors.InternalError("etcd is on holiday").status()
                return transport.TransportResponse(500, messages.Headers.of(()), msgspec.json.encode(status))
        return await self._inner.request(method, path, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class LostWatch:
    """Stands before the server: while `lost`, watches on Pods say nothing; then the server has forgotten too much."""

    def __init__(self, server: app.ApiServer) -> None:
        self._server = server
        self._writers: list[Any] = []
        self.lost = False

    async def __call__(self, request: messages.Request) -> messages.AnyResponse:
        """As the server, except for watches on Pods."""
        answer = await self._server.handle(request)
        if request.path.endswith("/pods") and isinstance(answer, messages.StreamResponse):
            answer.run = functools.partial(self._watch, answer.run)
        return answer

    async def _watch(self, run: Any, writer: Any) -> None:
        gate = self
        self._writers.append(writer)

        class Writer:
            @staticmethod
            def write_nowait(data: bytes) -> bool:
                return gate.lost or bool(writer.write_nowait(data))

            def __getattr__(self, name: str) -> Any:
                return getattr(writer, name)

        await run(Writer())

    def restore(self) -> None:
        """The watches end with 410 Gone: whoever watched lists again."""
        self.lost = False
        line = {"type": "ERROR", "object": errors.Expired("too old resource version").status()}
        for writer in self._writers:
            writer.write_nowait(msgspec.json.encode(line) + b"\n")


class Cluster:
    """The server, an administrator's client, and a scheduler."""

    def __init__(self, clock: clocks.VirtualClock, server: app.ApiServer, group: tasks.TaskGroup) -> None:
        self.clock = clock
        self.server = server
        self.watches = LostWatch(server)
        self.client = rest.Client(self._transport("admin"), clock)
        self.registry = metrics.Registry()
        self.bindings = SlowBindings(self._transport("system:kube-scheduler"))
        self._group = group
        self._scheduler: schedulers.Scheduler | None = None

    def _transport(self, user: str) -> transport.Transport:
        return transport.InProcessTransport(self.watches, headers={"Authorization": f"Bearer {user}"})

    @property
    def scheduler(self) -> schedulers.Scheduler:
        """The one that runs."""
        assert self._scheduler is not None
        return self._scheduler

    async def start(self, config: contexts.SchedulerConfig | None = None) -> None:
        """Run a scheduler."""
        config = config or contexts.SchedulerConfig(seed=1)
        client = rest.Client(self.bindings, self.clock, "kube-scheduler")
        self._scheduler = schedulers.Scheduler(client, self.clock, config, self.registry)
        self._running = self._group.start(self._scheduler.run(), "scheduler")
        await self.until(self._scheduler.started.is_set)

    async def kill(self) -> None:
        """End the scheduler at once."""
        self._running.cancel()
        await asyncio.wait([self._running])

    def check(self) -> None:
        """Cache and queue are in order."""
        if self._scheduler is not None:
            assert check.check_cache(self._scheduler.cache) == []
            assert check.check_queue(self._scheduler.queue) == []

    async def settle(self, seconds: float = 0.1) -> None:
        """Let everybody do what there is to do now."""
        await self.clock.advance(seconds)

    async def until(self, condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30.0) -> None:
        """Let time pass until it holds."""
        deadline = self.clock.monotonic() + seconds
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            assert self.clock.monotonic() < deadline, "did not happen in time"
            await self.clock.advance(0.05)

    async def node(self, name: str, cpu: str = "4", memory_size: str = "8Gi", pods: str = "110", **more: Any) -> Object:
        """Create a node; `labels` and `taints` as keywords."""
        amounts = {"cpu": cpu, "memory": memory_size, "pods": pods}
        labels = {"kubernetes.io/hostname": name, **more.pop("labels", {})}
        spec = {key: more[key] for key in ("taints", "unschedulable") if key in more}
        made = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {"capacity": amounts, "allocatable": amounts},
        }
        return await self.client.dynamic("v1", "Node").create(made)

    async def pod(self, name: str, cpu: str = "", labels: dict[str, str] | None = None, **spec: Any) -> Object:
        """Create a Pod with one container."""
        container: Object = {"name": "c", "image": "web:1"}
        if cpu:
            container["resources"] = {"requests": {"cpu": cpu}}
        container.update(spec.pop("container", {}))
        made = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {"containers": [container], **spec},
        }
        return await self.client.dynamic("v1", "Pod").create(made, "default")

    async def get(self, name: str) -> Object:
        """A Pod."""
        return await self.client.dynamic("v1", "Pod").get(name, "default")

    async def pods(self) -> list[Object]:
        """All Pods."""
        return [*(await self.client.dynamic("v1", "Pod").list("default")).items]

    async def delete(self, name: str, kind: str = "Pod") -> None:
        """Delete at once."""
        await self.client.dynamic("v1", kind).delete(name, "default" if kind == "Pod" else "", grace_period=0)

    async def patch(self, kind: str, name: str, patch: Object, *, subresource: str = "") -> Object:
        """A merge patch."""
        namespace = "default" if kind == "Pod" else ""
        return await self.client.dynamic("v1", kind).patch(name, patch, namespace, subresource=subresource)

    async def node_of(self, name: str) -> str:
        """Where a Pod was bound, or ""."""
        return str((await self.get(name))["spec"].get("nodeName", ""))

    async def bound(self, *names: str) -> None:
        """Wait until they are."""

        async def all_bound() -> bool:
            return all([await self.node_of(name) for name in names])

        await self.until(all_bound)

    async def condition(self, name: str) -> Object:
        """A Pod's PodScheduled condition, {} if it has none."""
        status = (await self.get(name)).get("status", {})
        return next((one for one in status.get("conditions", ()) if one["type"] == "PodScheduled"), {})

    async def refused(self, name: str) -> str:
        """Wait until the Pod was refused; why."""

        async def has_condition() -> bool:
            return (await self.condition(name)).get("status") == "False"

        await self.until(has_condition)
        return str((await self.condition(name))["message"])

    async def events(self, name: str) -> list[Object]:
        """The Events about a Pod."""
        found = await self.client.dynamic("events.k8s.io/v1", "Event").list("default")
        return [one for one in found.items if one["regarding"]["name"] == name]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """A server without nodes; call `start` for a scheduler."""
    clock = clocks.VirtualClock()
    config = app.ServerConfig(tokens=(_Names(),), admission=chain.Chain(()))
    server = app.ApiServer(config, memory.MemoryBackend(), clock)
    await server.start()
    async with tasks.TaskGroup("test") as group:
        one = Cluster(clock, server, group)
        yield one
        one.check()
    await server.stop()
