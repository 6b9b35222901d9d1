import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.kubelet import pod_workers, runtime_manager

MakePod = Callable[..., core.Pod]
State = pod_workers.State


class Syncer:
    """Notes the steps; `next_sync` says how the next one goes."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.next_sync: list[pod_workers.Synced | Exception] = []
        self.kills_hang = self.syncs_hang = False

    async def sync_pod(self, pod: core.Pod) -> pod_workers.Synced:
        self.steps.append("sync")
        if self.syncs_hang:
            await asyncio.Event().wait()
        outcome = self.next_sync.pop(0) if self.next_sync else pod_workers.Synced()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def sync_terminating_pod(self, pod: core.Pod, grace: int | None, kill: pod_workers.Kill | None) -> None:
        self.steps.append(f"terminate {grace}")
        if self.kills_hang and (grace is None or grace > 5):
            await asyncio.Event().wait()

    async def sync_terminated_pod(self, pod: core.Pod) -> None:
        self.steps.append("clean up")


@pytest.fixture
def clock() -> clocks.VirtualClock:
    return clocks.VirtualClock()


@pytest.fixture
def syncer() -> Syncer:
    return Syncer()


@pytest.fixture
async def workers(syncer: Syncer, clock: clocks.VirtualClock) -> AsyncIterator[pod_workers.PodWorkers]:
    async with tasks.TaskGroup("test") as group:
        yield pod_workers.PodWorkers(syncer, clock, group, resync=60.0)


def deleted(make_pod: MakePod, grace: int) -> core.Pod:
    return make_pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace})


def state(workers: pod_workers.PodWorkers) -> State:
    worker = workers.get("u-1")
    assert worker is not None
    return worker.state


async def test_the_whole_life(
    workers: pod_workers.PodWorkers, syncer: Syncer, clock: clocks.VirtualClock, make_pod: MakePod
) -> None:
    finished: list[str] = []
    workers.on_finished = lambda pod: finished.append(pod.metadata.name)
    workers.update(make_pod())
    await clock.advance(0)
    assert (syncer.steps, state(workers)) == (["sync"], State.SYNC)
    assert not workers.termination_requested("u-1")
    workers.update(deleted(make_pod, 30))
    assert workers.termination_requested("u-1")
    assert workers.could_have_running_containers("u-1")
    await clock.advance(0)
    assert syncer.steps == ["sync", "terminate 30", "clean up"]
    assert (state(workers), finished) == (State.FINISHED, ["web"])
    assert not workers.could_have_running_containers("u-1")


async def test_a_hanging_sync_does_not_keep_a_pod(
    workers: pod_workers.PodWorkers, syncer: Syncer, clock: clocks.VirtualClock, make_pod: MakePod
) -> None:
    syncer.syncs_hang = True
    workers.update(make_pod())
    await clock.advance(0)
    workers.update(deleted(make_pod, 30))
    await clock.advance(0)
    assert syncer.steps == ["sync", "terminate 30", "clean up"]


async def test_its_own_status_does_not_wake_it(
    workers: pod_workers.PodWorkers, syncer: Syncer, clock: clocks.VirtualClock, make_pod: MakePod
) -> None:
    workers.update(make_pod())
    await clock.advance(0)
    workers.update(make_pod(status={"phase": "Running"}))
    await clock.advance(0)
    assert syncer.steps == ["sync"]
    workers.update(make_pod(status={"conditions": [{"type": "example.com/gate", "status": "True"}]}))
    await clock.advance(0)
    assert syncer.steps == ["sync", "sync"]


async def test_looks_again_when_it_said_so(
    workers: pod_workers.PodWorkers, syncer: Syncer, clock: clocks.VirtualClock, make_pod: MakePod
) -> None:
    syncer.next_sync = [pod_workers.Synced(again_after=20), runtime_manager.SyncError("no", 3), ValueError("no")]
    workers.update(make_pod())
    times = []
    for _ in range(100):
        before = len(syncer.steps)
        await clock.advance(1)
        if len(syncer.steps) > before:
            times.append(clock.monotonic())
    # at once; after what it asked for; after what the failure asked for; after the usual back-off; at the resync
    assert times == [1, 20, 23, 33, 93]


async def test_a_shorter_grace_period_cuts_the_present_one(
    workers: pod_workers.PodWorkers, syncer: Syncer, clock: clocks.VirtualClock, make_pod: MakePod
) -> None:
    syncer.kills_hang = True
    workers.update(make_pod())
    workers.update(deleted(make_pod, 300))
    await clock.advance(5)
    assert state(workers) is State.TERMINATING
    workers.update(deleted(make_pod, 400))
    await clock.advance(5)
    assert syncer.steps == ["terminate 300"]
    workers.update(deleted(make_pod, 0))
    await clock.advance(5)
    assert syncer.steps == ["terminate 300", "terminate 1", "clean up"]


async def test_a_pod_that_ended_by_itself_is_cleaned_up(
    workers: pod_workers.PodWorkers, syncer: Syncer, clock: clocks.VirtualClock, make_pod: MakePod
) -> None:
    syncer.next_sync = [pod_workers.Synced(terminal=True)]
    workers.update(make_pod())
    await clock.advance(1)
    assert syncer.steps == ["sync", "terminate None", "clean up"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_pod_that_had_ended_before_is_not_started(
    workers: pod_workers.PodWorkers, syncer: Syncer, clock: clocks.VirtualClock, make_pod: MakePod, phase: str
) -> None:
    workers.update(make_pod(status={"phase": phase}))
    await clock.advance(1)
    assert syncer.steps == ["terminate None", "clean up"]


async def test_a_pod_that_is_gone_from_the_api_is_ended(
    workers: pod_workers.PodWorkers, syncer: Syncer, clock: clocks.VirtualClock, make_pod: MakePod
) -> None:
    workers.update(make_pod())
    await clock.advance(1)
    workers.removed(make_pod())
    await clock.advance(1)
    assert syncer.steps == ["sync", "terminate None", "clean up"]
