"""The body of a `StreamResponse` on its way to the transport.

Pieces written in one turn of the loop leave as one chunk and one write: under TLS that is one record, one system call.
While pieces come in quick succession they are gathered for some milliseconds more: one record costs 20 us or so, and a
hundred watchers of a busy resource each get one for every change otherwise. What comes after a pause leaves at once.

Path: 10 watchers hear of it (their connection's end of it).
"""

import asyncio

from pybernetes.http import errors, wire

_HIGH_WATER = 256 * 1024
_GATHER = 0.015
"""Seconds, of the event loop's own time: pacing of a socket is no business of a clock that tests drive."""


class BodyWriter:
    """Implements `messages.StreamWriter`."""

    __slots__ = (
        "_chunked",
        "_gone",
        "_head",
        "_loop",
        "_next",
        "_pieces",
        "_scheduled",
        "_size",
        "_transport",
        "_waiters",
        "closed",
        "paused",
    )

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, head: bytes, *, chunked: bool
    ) -> None:
        self.closed: asyncio.Future[None] = loop.create_future()
        self.paused = False
        self._gone = False  # not told by `closed`: whoever awaits that and is cancelled cancels it
        self._transport = transport
        self._loop = loop
        self._chunked = chunked
        self._head = head  # goes out with the first pieces
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._next = 0.0
        self._scheduled = True
        loop.call_soon(self._flush)

    def write_nowait(self, data: bytes) -> bool:
        """Hand over a piece; False when more is waiting than the reader takes."""
        if self._gone:
            return False
        if data:
            self._pieces.append(data)
            self._size += len(data)
            if not self._scheduled:
                self._scheduled = True
                if self._loop.time() >= self._next:
                    self._loop.call_soon(self._flush)
                else:
                    self._loop.call_at(self._next, self._flush)
            if self._size >= _HIGH_WATER:
                self._send()
        return self._size < _HIGH_WATER and not self.paused

    async def write(self, data: bytes) -> None:
        """Hand over a piece and wait until there is room again; `ConnectionClosed` when the reader is gone."""
        if not self.write_nowait(data):
            await self.drain()

    async def drain(self) -> None:
        """Wait until there is room; `ConnectionClosed` when the reader is gone."""
        self._send()
        while self.paused and not self._gone:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)
        if self._gone:
            raise errors.ConnectionClosed("the reader is gone")

    def _flush(self) -> None:
        self._scheduled = False
        self._next = self._loop.time() + _GATHER
        self._send()

    def _send(self) -> None:
        pieces, size, head = self._pieces, self._size, self._head
        if self._gone or not (size or head):
            return
        if size:
            self._pieces, self._size = [], 0
            data = wire.chunk(pieces, size) if self._chunked else b"".join(pieces)
        else:
            data = b""
        if head:
            self._head = b""
            data = head + data
        self._transport.write(data)

    def finish(self) -> None:
        """The body is complete."""
        if self._gone:
            return
        self._send()
        if self._chunked:
            self._transport.write(wire.LAST_CHUNK)
        self.reader_gone()

    def reader_gone(self) -> None:
        """Nobody reads any more."""
        self._gone = True
        if not self.closed.done():
            self.closed.set_result(None)
        self._pieces = []
        self._wake()

    def set_paused(self, paused: bool) -> None:
        """The transport's buffer is above its high-water mark, or has room again."""
        self.paused = paused
        if not paused:
            self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
