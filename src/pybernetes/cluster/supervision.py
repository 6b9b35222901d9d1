"""How every process of ours lives: until its work fails or it is told to stop.

Upstream: apiserver/pkg/server (SetupSignalHandler).
"""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from pybernetes.aio import tasks


@contextlib.asynccontextmanager
async def until_told_to_stop() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def settle_memory() -> None:
    """What was loaded until now stays: keep it out of the collector's way, and let it look less often."""
    gc.collect()
    collect_rarely()


def collect_rarely() -> None:
    """The same without the time that a first look takes."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def supervise(work: Coroutine[Any, Any, None], name: str) -> None:
    """Run until the work fails or the process is told to stop; then let it end in order."""
    async with until_told_to_stop() as told, tasks.TaskGroup(name) as group:
        running = group.start(work, "main")
        stopping = group.start(told.wait(), "signals")
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
