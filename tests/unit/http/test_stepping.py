"""Coroutines that are stepped in place and become tasks only if they wait."""

import asyncio
import contextvars

import pytest

from pybernetes.aio import tasks
from pybernetes.http import stepping

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
async def group():
    async with tasks.TaskGroup("test") as made:
        yield made


def step(coroutine, group):
    return stepping.step(coroutine, group, "x", asyncio.get_running_loop())


async def test_what_never_waits_ends_at_once(group):
    seen = []

    async def work():
        seen.append("done")

    assert step(work(), group) is None
    assert seen == ["done"]
    assert len(group) == 0


async def test_what_waits_is_carried_on_in_its_own_context(group):
    ready = asyncio.get_running_loop().create_future()
    seen = []

    async def work():
        token = variable.set("inside")
        seen.append(await ready)
        await asyncio.sleep(0)
        seen.append(variable.get())
        variable.reset(token)
        seen.append(variable.get())

    task = step(work(), group)
    assert variable.get() == "unset"
    ready.set_result("ready")
    await task
    assert seen == ["ready", "inside", "unset"]


async def test_failures_pass_through_at_once_and_later(group):
    async def fail(later):
        try:
            if later:
                await asyncio.sleep(0)
            raise LookupError("x")
        except LookupError:
            seen.append(later)

    seen = []
    step(fail(False), group)
    await step(fail(True), group)
    assert seen == [False, True]

    async def raises():
        raise LookupError("now")

    with pytest.raises(LookupError, match="now"):
        step(raises(), group)


async def test_a_task_cancelled_before_its_first_turn_still_tells_the_coroutine(group):
    inner = asyncio.get_running_loop().create_future()
    seen = []

    async def work():
        try:
            await inner
        finally:
            seen.append("cleaned")

    task = step(work(), group)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cleaned"]
    assert inner.cancelled()


async def test_timeouts_and_task_groups_begun_in_the_first_step(group):
    seen = []

    async def timed():
        try:
            async with asyncio.timeout(0.001):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            seen.append("timeout")

    async def grouped():
        async def fail():
            raise LookupError

        try:
            async with asyncio.TaskGroup() as children:
                children.create_task(fail())
                await asyncio.get_running_loop().create_future()
        except* LookupError:
            seen.append("group")

    await step(timed(), group)
    await step(grouped(), group)
    assert seen == ["timeout", "group"]


async def test_inside_a_task_the_current_task_comes_back(group):
    current = asyncio.current_task()
    inside = []

    async def work():
        inside.append(asyncio.current_task())

    step(work(), group)
    assert asyncio.current_task() is current
    assert inside[0] is not current
