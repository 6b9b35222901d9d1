"""Seeds R2 and M2: one key once, never twice at a time, delays and limits."""

import asyncio

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.client import workqueue
from pybernetes.telemetry import metrics


@pytest.fixture
def queue(virtual: clock.VirtualClock) -> workqueue.WorkQueue[str]:
    return workqueue.WorkQueue("test", clock=virtual, registry=metrics.Registry())


async def test_hundred_adds_while_busy_are_one_more_run(queue: workqueue.WorkQueue[str]) -> None:
    """Seed M2: a hundred updates while busy are one more run."""
    queue.add("a")
    assert await queue.get() == "a"
    for _ in range(100):
        queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert len(queue) == 1
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle


async def test_keys_come_in_order_and_once(queue: workqueue.WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "c", "b"):
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]
    assert len(queue) == 0


async def test_delays_double_per_key_until_the_maximum(
    queue: workqueue.WorkQueue[str], virtual: clock.VirtualClock
) -> None:
    """Seed M2: 5 ms, doubled with every failure, at most 1000 s."""
    limiter: workqueue.RateLimiter[str] = workqueue.RateLimiter(virtual, workqueue.RateLimit())
    delays = [limiter.when("a") for _ in range(20)]
    assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
    assert delays[-1] == 1000.0
    limiter.forget("a")
    assert limiter.when("a") == 0.005


async def test_all_keys_share_a_bucket_of_100_and_10_a_second(virtual: clock.VirtualClock) -> None:
    """Seed M2: all keys together: a burst of 100, then 10 a second."""
    limiter: workqueue.RateLimiter[int] = workqueue.RateLimiter(virtual, workqueue.RateLimit())
    delays = [limiter.when(key) for key in range(120)]
    assert delays[99] == 0.005
    assert delays[100] == pytest.approx(0.1)
    assert delays[119] == pytest.approx(2.0)
    await virtual.advance(60.0)
    assert limiter.when(1000) == 0.005


async def test_add_after_keeps_the_earliest_time(queue: workqueue.WorkQueue[str], virtual: clock.VirtualClock) -> None:
    queue.add_after("a", 10.0)
    queue.add_after("a", 3.0)
    queue.add_after("a", 7.0)
    await virtual.advance(2.9)
    assert len(queue) == 0
    await virtual.advance(0.2)
    assert len(queue) == 1
    assert queue.delayed == 0
    await virtual.advance(20.0)
    assert len(queue) == 1


async def test_get_waits_and_shut_down_drains_then_raises(queue: workqueue.WorkQueue[str]) -> None:
    taken: list[str] = []

    async def worker() -> None:
        while True:
            try:
                key = await queue.get()
            except workqueue.ShutDown:
                return
            taken.append(key)
            queue.done(key)

    async with tasks.TaskGroup("test") as group:
        workers = [group.start(worker(), str(number)) for number in range(3)]
        await asyncio.sleep(0)
        queue.add("a")
        queue.add("b")
        queue.shut_down()
        queue.add("late")
        queue.add_after("late", 1.0)
        await asyncio.wait(workers)
    assert sorted(taken) == ["a", "b"]


async def test_a_cancelled_getter_loses_no_key(queue: workqueue.WorkQueue[str]) -> None:
    async with tasks.TaskGroup("test") as group:
        first = group.start(queue.get(), "first")
        second = group.start(queue.get(), "second")
        await asyncio.sleep(0)
        queue.add("a")
        first.cancel()
        assert await second == "a"


async def test_metrics_have_upstream_names(virtual: clock.VirtualClock) -> None:
    registry = metrics.Registry()
    queue: workqueue.WorkQueue[str] = workqueue.WorkQueue("replicaset", clock=virtual, registry=registry)
    queue.add("a")
    queue.add("b")
    await queue.get()
    await virtual.advance(2.0)
    queue.add_rate_limited("c")
    text = registry.render().decode()
    assert 'workqueue_depth{name="replicaset"} 1' in text
    assert 'workqueue_adds_total{name="replicaset"} 2' in text
    assert 'workqueue_retries_total{name="replicaset"} 1' in text
    assert 'workqueue_unfinished_work_seconds{name="replicaset"} 2' in text
