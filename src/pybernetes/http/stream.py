"""Raw byte streams: what a connection becomes after `101 Switching Protocols`, and pairs of them in memory.

A stream has one reader and any number of writers. Both directions have backpressure: `write` waits while the peer is
slow, and a reader that is slow stops the transport from reading.
"""

import asyncio
import collections
from collections.abc import Callable

from pybernetes.http import errors

_HIGH_WATER = 256 * 1024
_LOW_WATER = 64 * 1024


class UpgradedStream:
    """Bytes in both directions.

    `closed` is done when the stream is gone in both directions; it never holds an exception.
    """

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._chunks: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._eof = False
        self._gone = False  # not told by `closed`: whoever awaits that and is cancelled cancels it
        self._reader: asyncio.Future[None] | None = None
        self._drainers: list[asyncio.Future[None]] = []
        self._write_paused = False

    # reading

    async def read(self, limit: int = 65536) -> bytes:
        """The next bytes, at most `limit`; empty at the end."""
        while not self._chunks:
            if self._eof:
                return b""
            await self._wait_readable()
        chunk = self._chunks.popleft()
        if len(chunk) > limit:
            self._chunks.appendleft(chunk[limit:])
            chunk = chunk[:limit]
        self._took(len(chunk))
        return chunk

    async def read_exactly(self, count: int) -> bytes:
        """Exactly so many bytes; `ConnectionClosed` when the stream ends before."""
        parts: list[bytes] = []
        missing = count
        while missing:
            if self._chunks:
                chunk = self._chunks.popleft()
                if len(chunk) > missing:
                    self._chunks.appendleft(chunk[missing:])
                    chunk = chunk[:missing]
                parts.append(chunk)
                missing -= len(chunk)
                self._took(len(chunk))  # at once: room must be made for what is still to come
            elif self._eof:
                raise errors.ConnectionClosed(f"stream ended after {count - missing} of {count} bytes")
            else:
                await self._wait_readable()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _wait_readable(self) -> None:
        if self._reader is not None:
            raise RuntimeError("two readers on one stream")
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _took(self, count: int) -> None:
        before, self._size = self._size, self._size - count
        if before > _LOW_WATER >= self._size:
            self._resume_reading()

    def feed(self, data: bytes) -> None:
        """Bytes have come in."""
        if not data or self._eof:
            return
        self._chunks.append(data)
        self._size += len(data)
        self._wake_reader()
        if self._size > _HIGH_WATER:
            self._pause_reading()

    def feed_eof(self) -> None:
        """Nothing more will come in."""
        self._eof = True
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # writing

    def write_nowait(self, data: bytes) -> bool:
        """Hand over bytes; False when more is waiting than the peer takes (they are sent all the same)."""
        if self._gone:
            return False
        self._send(data)
        return not self._write_paused

    async def write(self, data: bytes) -> None:
        """Hand over bytes and wait until there is room again; `ConnectionClosed` when the peer is gone."""
        if not self.write_nowait(data):
            await self.drain()

    async def drain(self) -> None:
        """Wait until there is room to write; `ConnectionClosed` when the peer is gone."""
        while self._write_paused and not self._gone:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drainers.append(waiter)
            try:
                await waiter
            finally:
                self._drainers.remove(waiter)
        if self._gone:
            raise errors.ConnectionClosed("the peer is gone")

    def set_write_paused(self, paused: bool) -> None:
        """The peer is slow, or has room again."""
        self._write_paused = paused
        if not paused:
            self._wake_drainers()

    def _wake_drainers(self) -> None:
        for waiter in self._drainers:
            if not waiter.done():
                waiter.set_result(None)

    def _ended(self) -> None:
        """Both directions are gone."""
        self.feed_eof()
        self._gone = True
        if not self.closed.done():
            self.closed.set_result(None)
        self._wake_drainers()

    # what a kind of stream provides

    def _send(self, data: bytes) -> None:
        raise NotImplementedError

    def _pause_reading(self) -> None:
        raise NotImplementedError

    def _resume_reading(self) -> None:
        raise NotImplementedError

    def write_eof(self) -> None:
        """Nothing more will be written; where the transport cannot say so (TLS), this does nothing."""
        raise NotImplementedError

    def close(self) -> None:
        """End the stream after what was written has been sent."""
        raise NotImplementedError

    def abort(self) -> None:
        """End the stream at once."""
        raise NotImplementedError


class TransportStream(UpgradedStream, asyncio.Protocol):
    """The stream over a transport whose HTTP connection has been upgraded."""

    def __init__(
        self, transport: asyncio.Transport, *, tls: bool, on_lost: Callable[[Exception | None], None] | None = None
    ) -> None:
        super().__init__()
        self.transport = transport
        self._tls = tls
        self._on_lost = on_lost

    @classmethod
    def take_over(
        cls,
        transport: asyncio.Transport,
        rest: bytes,
        *,
        tls: bool,
        on_lost: Callable[[Exception | None], None] | None = None,
    ) -> "TransportStream":
        """Become the protocol of that transport; `rest` was already read from it."""
        taken = cls(transport, tls=tls, on_lost=on_lost)
        transport.set_protocol(taken)
        transport.resume_reading()
        taken.feed(rest)
        return taken

    def data_received(self, data: bytes) -> None:
        """Transport: bytes came in."""
        self.feed(data)

    def eof_received(self) -> bool:
        """Transport: the peer will send no more; our direction stays open where the transport can do that."""
        self.feed_eof()
        return not self._tls

    def connection_lost(self, error: Exception | None) -> None:
        """Transport: gone."""
        self._ended()
        if self._on_lost is not None:
            self._on_lost(error)

    def pause_writing(self) -> None:
        """Transport: the buffer is above its high-water mark."""
        self.set_write_paused(True)

    def resume_writing(self) -> None:
        """Transport: there is room again."""
        self.set_write_paused(False)

    def _send(self, data: bytes) -> None:
        self.transport.write(data)

    def _pause_reading(self) -> None:
        self.transport.pause_reading()

    def _resume_reading(self) -> None:
        self.transport.resume_reading()

    def write_eof(self) -> None:
        """Half-close, where the transport can."""
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        """Flush and close."""
        self.transport.close()

    def abort(self) -> None:
        """Drop the connection."""
        self.transport.abort()


class MemoryStream(UpgradedStream):
    """One end of a pair made by `pipe`."""

    peer: "MemoryStream"
    _sent_eof = False

    def _send(self, data: bytes) -> None:
        if self._sent_eof:
            raise RuntimeError("write after write_eof")
        self.peer.feed(bytes(data))

    def _pause_reading(self) -> None:
        self.peer.set_write_paused(True)

    def _resume_reading(self) -> None:
        self.peer.set_write_paused(False)

    def write_eof(self) -> None:
        """The other end reads what was written and then the end."""
        self._sent_eof = True
        self.peer.feed_eof()

    def close(self) -> None:
        """Both ends are gone; what was written can still be read."""
        self._ended()
        self.peer._ended()

    def abort(self) -> None:
        """The same as close: nothing is under way in memory."""
        self.close()


def pipe() -> tuple[MemoryStream, MemoryStream]:
    """Two streams; what one writes the other reads."""
    first, second = MemoryStream(), MemoryStream()
    first.peer, second.peer = second, first
    return first, second
