"""Seeds R1, R2, M3, M5: the control loop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.api.types import core, meta
from pybernetes.client import controller, informer, rest
from pybernetes.telemetry import metrics

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
async def group() -> AsyncIterator[tasks.TaskGroup]:
    async with tasks.TaskGroup("test") as one:
        yield one


class Syncs:
    """Records calls; does what it is told for them."""

    def __init__(self, virtual: clock.VirtualClock, *outcomes: Any) -> None:
        self.calls: list[tuple[str, float]] = []
        self.running: set[str] = set()
        self.outcomes = list(outcomes)
        self.gate: asyncio.Event | None = None
        self._clock = virtual

    async def __call__(self, key: str) -> float | None:
        assert key not in self.running, "the same key twice at once"
        self.running.add(key)
        self.calls.append((key, round(self._clock.monotonic(), 6)))
        try:
            if self.gate is not None:
                await self.gate.wait()
            outcome = self.outcomes.pop(0) if self.outcomes else None
            if isinstance(outcome, Exception):
                raise outcome
            assert outcome is None or isinstance(outcome, float)
            return outcome
        finally:
            self.running.discard(key)


def _controller(virtual: clock.VirtualClock, sync: Syncs, **options: Any) -> controller.Controller:
    return controller.Controller("test", sync, clock=virtual, registry=metrics.Registry(), **options)


async def test_failures_come_back_after_5_10_20_ms(virtual: clock.VirtualClock, group: tasks.TaskGroup) -> None:
    """Seed R2: three errors: again after 5, 10 and 20 ms, then forgotten."""
    boom = RuntimeError("boom")
    sync = Syncs(virtual, boom, boom, boom, None, boom)
    loop = _controller(virtual, sync)
    group.start(loop.run(), "loop")
    loop.enqueue("ns/a")
    await virtual.advance(1.0)
    assert [at for _, at in sync.calls] == [0.0, 0.005, 0.015, 0.035]
    loop.enqueue("ns/a")  # forgotten after the success: the next failure is a first one
    await virtual.advance(1.0)
    assert [at for _, at in sync.calls[4:]] == [1.0, 1.005]


async def test_a_key_is_never_processed_twice_at_once(virtual: clock.VirtualClock, group: tasks.TaskGroup) -> None:
    """Seed R2: however many workers, one key is in the hands of one."""
    sync = Syncs(virtual)
    sync.gate = asyncio.Event()
    loop = _controller(virtual, sync, workers=5)
    group.start(loop.run(), "loop")
    for _ in range(3):
        loop.enqueue("ns/a")
        loop.enqueue("ns/b")
        await virtual.advance(0.0)
    assert sync.running == {"ns/a", "ns/b"}
    sync.gate.set()
    await virtual.advance(0.0)
    assert sorted(key for key, _ in sync.calls) == ["ns/a", "ns/a", "ns/b", "ns/b"]


async def test_no_more_keys_at_once_than_workers(virtual: clock.VirtualClock, group: tasks.TaskGroup) -> None:
    sync = Syncs(virtual)
    sync.gate = asyncio.Event()
    loop = _controller(virtual, sync, workers=2)
    group.start(loop.run(), "loop")
    for number in range(3):
        loop.enqueue(f"ns/{number}")
    await virtual.advance(0.0)
    assert sync.running == {"ns/0", "ns/1"}
    sync.gate.set()
    await virtual.advance(0.0)
    assert len(sync.calls) == 3


async def test_a_returned_delay_is_a_later_call(virtual: clock.VirtualClock, group: tasks.TaskGroup) -> None:
    sync = Syncs(virtual, 30.0, None)
    loop = _controller(virtual, sync)
    group.start(loop.run(), "loop")
    loop.enqueue("ns/a")
    await virtual.advance(100.0)
    assert [at for _, at in sync.calls] == [0.0, 30.0]


async def test_retries_can_be_limited(virtual: clock.VirtualClock, group: tasks.TaskGroup) -> None:
    sync = Syncs(virtual, *[RuntimeError("boom")] * 20)
    loop = _controller(virtual, sync, max_retries=3)
    group.start(loop.run(), "loop")
    loop.enqueue("ns/a")
    await virtual.advance(100.0)
    assert len(sync.calls) == 4


async def test_no_sync_before_the_caches_are_complete(
    server: Any, client: rest.Client, virtual: clock.VirtualClock, group: tasks.TaskGroup
) -> None:
    """Seed R1: no sync before every watched cache is complete."""
    server.put(f"{PODS}/a")
    server.hang = asyncio.Event()
    factory = informer.InformerFactory(client, virtual, group)
    pods, nodes = factory.informer(core.Pod), factory.informer(core.Node)
    sync = Syncs(virtual)
    loop = _controller(virtual, sync)
    loop.watches(pods)
    loop.watches(nodes, key=lambda node: None)
    await factory.start()
    group.start(loop.run(), "loop")
    loop.enqueue("early")
    await virtual.advance(30.0)
    assert sync.calls == []
    server.hang.set()
    await virtual.advance(0.0)
    assert {key for key, _ in sync.calls} == {"early", "default/a"}


async def test_an_owner_hears_of_its_pods_before_and_after(
    server: Any, client: rest.Client, virtual: clock.VirtualClock, group: tasks.TaskGroup
) -> None:
    factory = informer.InformerFactory(client, virtual, group)
    pods = factory.informer(core.Pod)
    sync = Syncs(virtual)
    loop = _controller(virtual, sync)

    def owner(pod: core.Pod) -> str | None:
        reference = meta.controller_of(pod)
        return f"{pod.metadata.namespace}/{reference.name}" if reference else None

    loop.watches(pods, key=owner)
    await factory.start()
    group.start(loop.run(), "loop")
    await virtual.advance(0.0)
    for name in ("one", "two"):
        server.put(f"{PODS}/p", metadata={"ownerReferences": [{"name": name, "controller": True}]})
        await virtual.advance(0.0)
    server.put(f"{PODS}/p")
    server.remove(f"{PODS}/p")
    await virtual.advance(0.0)
    assert [key for key, _ in sync.calls] == ["default/one", "default/one", "default/two", "default/two"]


async def test_level_triggered_after_a_restart(
    server: Any, client: rest.Client, virtual: clock.VirtualClock, group: tasks.TaskGroup
) -> None:
    """Events missed while no controller ran are not needed."""
    for name in "abc":
        server.put(f"{PODS}/{name}")
    server.remove(f"{PODS}/a")
    sync = Syncs(virtual)
    async with tasks.TaskGroup("first life") as first:
        factory = informer.InformerFactory(client, virtual, first)
        loop = _controller(virtual, sync)
        loop.watches(factory.informer(core.Pod))
        await factory.start()
        first.start(loop.run(), "loop")
        await virtual.advance(0.0)
    assert sorted(key for key, _ in sync.calls) == ["default/b", "default/c"]
    server.remove(f"{PODS}/b")
    server.put(f"{PODS}/d")
    sync.calls.clear()
    factory = informer.InformerFactory(client, virtual, group)
    loop = _controller(virtual, sync)
    loop.watches(factory.informer(core.Pod))
    await factory.start()
    group.start(loop.run(), "loop")
    await virtual.advance(0.0)
    assert sorted(key for key, _ in sync.calls) == ["default/c", "default/d"]


async def test_cancelling_ends_workers_at_once(virtual: clock.VirtualClock) -> None:
    """Seed R1: a stop ends the workers, and what was not begun stays in the queue."""
    sync = Syncs(virtual)
    sync.gate = asyncio.Event()
    loop = _controller(virtual, sync, workers=3)
    async with tasks.TaskGroup("test") as group:
        task = group.start(loop.run(), "loop")
        for key in "abcde":
            loop.enqueue(key)
        await virtual.advance(0.0)
        assert len(sync.running) == 3
        task.cancel()
        await asyncio.wait([task])
    assert sync.running == set()
    assert len(loop.queue) == 2
