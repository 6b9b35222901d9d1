from collections.abc import AsyncIterator
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.kubelet import pleg
from pybernetes.kubelet.cri import runtime, simulated


class Moody(simulated.FakeRuntime):
    """May be down, may have no events; counts lists."""

    down = False
    mute = False
    lists = 0

    async def list_pod_sandboxes(self, pod_uid: str = "") -> list[runtime.Sandbox]:
        if self.down:
            raise runtime.UnavailableError("down", "Unavailable")
        self.lists += not pod_uid
        return await super().list_pod_sandboxes(pod_uid)

    async def events(self) -> AsyncIterator[runtime.Event]:
        if self.mute:
            raise runtime.UnimplementedError("none")
        async for event in super().events():
            yield event


@pytest.fixture
def clock() -> clocks.VirtualClock:
    return clocks.VirtualClock()


async def start(cri: Moody) -> tuple[str, str]:
    sandbox: dict[str, Any] = {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "attempt": 0},
        "linux": {"security_context": {"namespace_options": {}}},
    }
    labels = {runtime.LABEL_POD_UID: "u"}
    identity = await cri.run_pod_sandbox(sandbox)
    config = {"metadata": {"name": "c", "attempt": 0}, "image": {"image": "img"}, "labels": labels}
    container = await cri.create_container(identity, config, sandbox)
    await cri.start_container(container)
    return identity, container


@pytest.mark.parametrize(("mute", "lists"), [(False, 2), (True, 60)])
async def test_lists_seldom_where_there_are_events(clock: clocks.VirtualClock, mute: bool, lists: int) -> None:
    cri = Moody(clock)
    cri.mute = mute
    watched = pleg.Pleg(cri, clock, lambda _: None)
    async with tasks.TaskGroup("test") as group:
        group.start(watched.run(), "pleg")
        await clock.advance(60)
        assert abs(cri.lists - lists) <= 2


@pytest.mark.parametrize("mute", [False, True])
async def test_tells_of_exits(clock: clocks.VirtualClock, mute: bool) -> None:
    cri = Moody(clock)
    cri.mute = mute
    told: list[str] = []
    watched = pleg.Pleg(cri, clock, told.append)
    async with tasks.TaskGroup("test") as group:
        group.start(watched.run(), "pleg")
        await clock.advance(0)
        await start(cri)
        await clock.advance(1)
        told.clear()
        cri.exit("c", 1)
        await clock.advance(1)
        assert told[0] == "u"
        status = await watched.pod_status("u")
        assert [(one.name, one.exit_code) for one in status.containers] == [("c", 1)]
        assert len(status.ips) == 1
        assert status.active == status.containers


async def test_a_runtime_that_comes_back_is_heard_of(clock: clocks.VirtualClock) -> None:
    cri = Moody(clock)
    cri.mute = True
    recovered: list[float] = []
    watched = pleg.Pleg(cri, clock, lambda _: None)
    watched.on_recovered = lambda: recovered.append(clock.monotonic())
    async with tasks.TaskGroup("test") as group:
        group.start(watched.run(), "pleg")
        await clock.advance(2.5)
        cri.down = True
        await clock.advance(300)
        assert not watched.healthy
        cri.down = False
        await clock.advance(2)
        assert len(recovered) == 1
        assert watched.healthy


async def test_waits_for_an_announced_exit_to_show(clock: clocks.VirtualClock) -> None:
    """The runtime tells of an exit a moment before its own status does."""

    class Late(Moody):
        async def container_status(self, container_id: str) -> runtime.ContainerStatus:
            if clock.monotonic() == 0:
                return running[container_id]
            return await super().container_status(container_id)

    cri = Late(clock)
    running: dict[str, runtime.ContainerStatus] = {}
    _, container = await start(cri)
    running[container] = cri._containers[container].status
    watched = pleg.Pleg(cri, clock, lambda _: None)
    await watched.relist()
    await watched._handle(runtime.Event(runtime.EventKind.STOPPED, container, "u"))
    cri.exit("c", 0)
    async with tasks.TaskGroup("test") as group:
        asked = group.start(watched.pod_status("u"), "ask")
        await clock.advance(0.1)
        assert asked.result().containers[0].state is runtime.ContainerState.EXITED
