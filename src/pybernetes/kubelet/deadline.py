"""A time limit on the injected clock around awaiting.

Upstream: context.WithTimeout.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pybernetes.aio import clock as clocks


@contextlib.asynccontextmanager
async def within(clock: clocks.Clock, seconds: float | None) -> AsyncIterator[None]:
    """Raise TimeoutError when the block takes longer; None for no limit."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        timer = clock.call_later(seconds, lambda: scope.reschedule(loop.time() - 1.0))
        try:
            yield
        finally:
            timer.cancel()
