"""Named, supervised tasks: the only place that starts one.

A component owns one `TaskGroup`. When a task of the group fails, the group stops the others and `wait` raises that
first failure: a crash ends its component, never silently. `cancel` ends all of them and waits until they are gone.
"""

import asyncio
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

logger = logging.getLogger(__name__)


class TaskGroup:
    """Tasks that live and die together.

    Use as `async with TaskGroup("scheduler") as group` (leaving the block cancels what still runs), or hold it as a
    field and call `cancel` at the end.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None
        self._ended = asyncio.Event()

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run that coroutine as a task called `<group>/<name>`; its failure fails the group."""
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self.name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            logger.error("task %s failed", task.get_name(), exc_info=failure)
            if self._failure is None:
                self._failure = failure
                for other in self._tasks:
                    other.cancel()
                self._ended.set()

    async def wait(self) -> None:
        """Return when the group was cancelled; raise the first failure of any of its tasks."""
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure

    async def until(self, condition: Coroutine[Any, Any, Any], name: str) -> None:
        """Return when the condition has come true, or raise the first failure of the group's tasks before that."""
        waiting = self.start(condition, name)
        ended = asyncio.get_running_loop().create_task(self._ended.wait(), name=f"{self.name}/ended")
        try:
            await asyncio.wait((waiting, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            if not waiting.done():
                waiting.cancel()
        if self._failure is not None:
            raise self._failure

    async def cancel(self) -> None:
        """Cancel every task and wait until each has ended."""
        current = asyncio.current_task()
        while pending := [task for task in self._tasks if task is not current]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending)
        self._ended.set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cancel()
        if self._failure is not None and error is None:
            raise self._failure


async def gather(*coroutines: Coroutine[Any, Any, Any], name: str) -> list[Any]:
    """Run them side by side, wait for all, raise the first failure only after every one has ended.

    Upstream: the WaitGroup + buffered error channel of `manageReplicas`; all are attempted though one fails.
    """
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(coroutine, name=name) for coroutine in coroutines]
    try:
        results = await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
