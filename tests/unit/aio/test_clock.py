"""Virtual time: deadlines in order, everything they cause done before the next, chance repeated by a seed."""

import asyncio

import pytest

from pybernetes.aio import clock as clocks


@pytest.mark.parametrize("more", [0, 1000])
async def test_what_a_deadline_causes_is_done_before_the_next(more: int) -> None:
    clock, story = clocks.VirtualClock(), []

    async def live(name: str, period: float) -> None:
        while True:
            await clock.sleep(period)
            for _ in range(more):
                await asyncio.sleep(0)
            story.append((clock.monotonic(), name))

    async with asyncio.TaskGroup() as group:
        lives = [group.create_task(live("a", 2)), group.create_task(live("b", 3))]
        await clock.advance(6)
        for one in lives:
            one.cancel()
    assert story == [(2, "a"), (3, "b"), (4, "a"), (6, "b"), (6, "a")]


async def test_time_may_be_said_in_any_unit() -> None:
    clock = clocks.VirtualClock()
    await clock.advance(1, minutes=1, hours=1, days=1)
    assert clock.monotonic() == 24 * 3600 + 3600 + 60 + 1


async def test_time_passes_until_something_is_so_or_patience_ends() -> None:
    clock = clocks.VirtualClock()
    done = asyncio.Event()
    clock.call_later(60, done.set)
    assert not await clock.until(done.is_set, 59)
    assert await clock.until(done.is_set, 60)
    assert clock.monotonic() == 60


def test_chance_comes_from_the_seed() -> None:
    one, same, other = (clocks.VirtualClock(seed=seed).random.random() for seed in (1, 1, 2))
    assert one == same != other
