"""A time limit on the injected clock around awaiting.

    async with deadline.Deadline(clock, 5.0):
        await answer                            # TimeoutError after five seconds

Upstream: context.WithTimeout.
"""

import asyncio
from types import TracebackType

from pybernetes.aio import clock as clocks


class Deadline:
    """Raises `error` when the block takes longer; None for no limit."""

    __slots__ = ("_clock", "_error", "_scope", "_seconds", "_timer")

    def __init__(self, clock: clocks.Clock, seconds: float | None, error: type[Exception] = TimeoutError) -> None:
        self._clock = clock
        self._seconds = seconds
        self._error = error
        self._scope = asyncio.timeout(None)
        self._timer: clocks.Timer | None = None

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()
        if self._seconds is not None:
            self._timer = self._clock.call_later(self._seconds, self._expire)

    def _expire(self) -> None:
        self._scope.reschedule(asyncio.get_running_loop().time() - 1.0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as expired:
            raise self._error(f"no answer within {self._seconds:g} s") from expired
