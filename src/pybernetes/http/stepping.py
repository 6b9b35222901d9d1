"""Start a coroutine at once, and make a task of it only if it has to wait.

Most requests are answered from memory: their handler never awaits anything that is not ready. For them a task is pure
overhead (creating, scheduling, one more turn of the loop). `step` runs a coroutine up to its first real wait in the
caller's stack; a coroutine that got that far is carried on by a task that first waits for what the coroutine waits for.

During the first step there is no task yet, but code may ask for the current one (`asyncio.timeout` does). It gets a
stand-in then that becomes a view of the real task. This is the documented way for foreign task implementations
(`asyncio._enter_task`). Eager tasks of Python 3.12 do the same at a higher price, and 3.11 does not have them.
"""

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from typing import Any

from pybernetes.aio import tasks


class _StandIn:
    """The current task during a first step; afterwards a view of the task that carries on."""

    __slots__ = ("_cancelled", "_loop", "_task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    def cancel(self, msg: Any = None) -> bool:
        if self._task is not None:
            return self._task.cancel(msg)
        self._cancelled = True
        return True

    def cancelling(self) -> int:
        return self._task.cancelling() if self._task is not None else int(self._cancelled)

    def uncancel(self) -> int:
        if self._task is not None:
            return self._task.uncancel()
        self._cancelled = False
        return 0

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def get_name(self) -> str:
        return self._task.get_name() if self._task is not None else "first step"

    def become(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        if self._cancelled:
            task.cancel()

    def __getattr__(self, name: str) -> Any:
        if self._task is None:
            raise AttributeError(f"{name} of a task that does not exist yet")
        return getattr(self._task, name)


class _Carried(Coroutine[Any, Any, None]):
    """A coroutine that has already taken its first step, for a task to run.

    Not a wrapping `async def`: a task cancelled before its first turn never starts its coroutine; ours must hear it.
    Every step runs in the context of the first, so that context variables set there can be reset.
    """

    __slots__ = ("_awaited", "_context", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context, awaited: Any) -> None:
        self._coroutine = coroutine
        self._context = context
        self._awaited = awaited

    def send(self, value: Any) -> Any:
        awaited = self._awaited
        if awaited is not _HANDED_ON:
            self._awaited = _HANDED_ON
            return awaited
        return self._context.run(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        awaited, self._awaited = self._awaited, _HANDED_ON
        if isinstance(awaited, asyncio.Future):
            awaited.cancel()
        return self._context.run(self._coroutine.throw, *error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise NotImplementedError("run by a task only")


_HANDED_ON = object()


def step(
    coroutine: Coroutine[Any, Any, None], group: tasks.TaskGroup, name: str, loop: asyncio.AbstractEventLoop
) -> "asyncio.Task[None] | None":
    """Run it until it ends (None) or waits (the task that carries on). What it raises at once is raised here."""
    context = contextvars.copy_context()
    stand_in = _StandIn(loop)
    outer = asyncio.current_task(loop)
    if outer is not None:
        asyncio._leave_task(loop, outer)
    asyncio._enter_task(loop, stand_in)  # type: ignore[arg-type]
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration:
        return None
    finally:
        asyncio._leave_task(loop, stand_in)  # type: ignore[arg-type]
        if outer is not None:
            asyncio._enter_task(loop, outer)
    task = group.start(_Carried(coroutine, context, awaited), name)
    stand_in.become(task)
    return task
