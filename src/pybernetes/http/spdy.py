"""SPDY/3.1 sessions, both ends: many byte streams over one.

What kubectl and client-go speak for exec, attach and port-forward, over an upgraded connection or inside a WebSocket.
Like upstream's library it has no flow control: a stream whose reader is slow holds up the session.

    server: SYN_STREAM --`on_stream` says yes--> SYN_REPLY; data both ways; FIN ends one direction, RST_STREAM both
    client: `open` --SYN_REPLY--> `Stream.accepted`

Upstream: github.com/moby/spdystream, k8s.io/streaming/pkg/httpstream/spdy.
"""

import asyncio
import struct
from collections.abc import Callable

from pybernetes.aio import clock as clocks
from pybernetes.aio import deadline
from pybernetes.http import errors, spdy_frames, stream

_CLOSE_TIMEOUT = 2.0
_STREAM_LIMIT = 1000


class Stream(stream.UpgradedStream):
    """One stream of a session; `headers` are those it was opened with."""

    def __init__(self, session: "Session", identity: int, headers: dict[str, str]) -> None:
        super().__init__()
        self.session = session
        self.id = identity
        self.headers = headers
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.room = asyncio.Event()
        self.room.set()
        self._sent_fin = False
        self._dropped = False

    def write_nowait(self, data: bytes) -> bool:
        """Send; False when more is waiting than the peer takes."""
        if self._gone or self._sent_fin:
            return False
        raw = self.session.raw
        if len(data) <= spdy_frames.DATA_LIMIT:
            return raw.write_nowait(spdy_frames.data(self.id, data))
        fits = True
        for start in range(0, len(data), spdy_frames.DATA_LIMIT):
            piece = data[start : start + spdy_frames.DATA_LIMIT]
            fits = raw.write_nowait(spdy_frames.data(self.id, piece))
        return fits

    async def drain(self) -> None:
        """Wait until the connection below has room."""
        if self._gone or self._sent_fin:
            raise errors.ConnectionClosed("the stream is closed")
        await self.session.raw.drain()

    def write_eof(self) -> None:
        """Nothing more will be written."""
        if not self._sent_fin and not self._gone:
            self._sent_fin = True
            self.session.raw.write_nowait(spdy_frames.data(self.id, b"", fin=True))
            self._end_if_finished()

    def close(self) -> None:
        """Nothing more will be written, nothing more is wanted."""
        self._dropped = True
        self._chunks.clear()
        self._took(self._size)
        self.room.set()
        self.write_eof()

    def abort(self) -> None:
        """End both directions at once."""
        if not self._gone:
            self.session.raw.write_nowait(spdy_frames.rst_stream(self.id, spdy_frames.CANCEL))
            self.gone()

    # the session calls

    def received(self, data: bytes, *, fin: bool) -> None:
        """Data came in."""
        if not self._dropped:
            self.feed(data)
        if fin:
            self.feed_eof()
            self._end_if_finished()

    def gone(self) -> None:
        """Reset by the peer, or the session has ended."""
        self.session.streams.pop(self.id, None)
        self._ended()
        self.room.set()
        if not self.accepted.done():
            self.accepted.set_exception(errors.ConnectionClosed("the stream was refused"))
            self.accepted.exception()  # whoever never waits for it need not hear of it

    def _end_if_finished(self) -> None:
        if self._eof and self._sent_fin:
            self.gone()

    def _pause_reading(self) -> None:
        self.room.clear()

    def _resume_reading(self) -> None:
        self.room.set()


class Session:
    """The streams of one connection. `run` reads until the end; the server's `on_stream` accepts (True) or refuses."""

    def __init__(
        self,
        raw: stream.UpgradedStream,
        *,
        clock: clocks.Clock,
        on_stream: Callable[[Stream], bool] | None = None,
    ) -> None:
        self.raw = raw
        self.streams: dict[int, Stream] = {}
        self._clock = clock
        self._on_stream = on_stream
        self._encoder = spdy_frames.HeaderEncoder()
        self._decoder = spdy_frames.HeaderDecoder()
        self._next_id = 1
        self._last_received = 0
        self._going = False
        self._ended = asyncio.Event()

    def open(self, headers: dict[str, str]) -> Stream:
        """Client: open a stream; usable when `accepted` is done."""
        if self._going:
            raise errors.ConnectionClosed("the session is closing")
        made = Stream(self, self._next_id, headers)
        self._next_id += 2
        self.streams[made.id] = made
        self.raw.write_nowait(spdy_frames.syn_stream(made.id, self._encoder.encode(headers)))
        return made

    async def run(self) -> None:
        """Read until the peer goes away; then every stream has ended. `ProtocolError` when it breaks the rules."""
        try:
            while await self._read_frame():
                pass
        except errors.ConnectionClosed:
            pass  # that is how sessions end
        finally:
            self._going = True
            for open_stream in list(self.streams.values()):
                open_stream.gone()
            self._ended.set()

    async def close(self) -> None:
        """End every stream after what was written, say good-bye, give the peer a moment to hear it, close. `run` must
        be running meanwhile."""
        if not self._ended.is_set():
            for open_stream in list(self.streams.values()):
                open_stream.close()
            self._going = True
            self.raw.write_nowait(spdy_frames.goaway(self._last_received))
            try:
                async with deadline.Deadline(self._clock, _CLOSE_TIMEOUT, errors.ReadTimeout):
                    await self._ended.wait()
            except errors.ReadTimeout:
                pass  # the peer keeps the connection open: not our concern any more
        self.raw.close()

    # frames

    async def _read_frame(self) -> bool:
        first, second = struct.unpack(">II", await self.raw.read_exactly(8))
        flags, size = second >> 24, second & 0xFFFFFF
        if not first & 0x80000000:
            await self._data(first, flags, size)
            return True
        if size > spdy_frames.CONTROL_LIMIT or (first >> 16 & 0x7FFF) != spdy_frames.VERSION:
            raise errors.ProtocolError("malformed SPDY control frame")
        kind, payload = first & 0xFFFF, await self.raw.read_exactly(size)
        try:
            return self._control(kind, flags, payload)
        except struct.error as error:
            raise errors.ProtocolError("malformed SPDY control frame") from error

    async def _data(self, stream_id: int, flags: int, size: int) -> None:
        target = self.streams.get(stream_id)
        while size:
            piece = await self.raw.read(min(size, 65536))
            if not piece:
                raise errors.ConnectionClosed("stream ended inside a frame")
            size -= len(piece)
            if target is not None:
                target.received(piece, fin=False)
                await target.room.wait()
        if target is not None and flags & spdy_frames.FIN:
            target.received(b"", fin=True)

    def _control(self, kind: int, flags: int, payload: bytes) -> bool:
        if kind == spdy_frames.SYN_STREAM:
            (stream_id,) = struct.unpack_from(">I", payload)
            self._opened(stream_id & 0x7FFFFFFF, self._decoder.decode(payload[10:]), flags)
        elif kind == spdy_frames.SYN_REPLY:
            (stream_id,) = struct.unpack_from(">I", payload)
            self._decoder.decode(payload[4:])
            self._replied(stream_id & 0x7FFFFFFF, flags)
        elif kind == spdy_frames.HEADERS:
            self._decoder.decode(payload[4:])  # nobody wants them, but later blocks depend on them
        elif kind == spdy_frames.RST_STREAM:
            stream_id, _ = struct.unpack(">II", payload)
            if (reset := self.streams.get(stream_id & 0x7FFFFFFF)) is not None:
                reset.gone()
        elif kind == spdy_frames.PING:
            (identity,) = struct.unpack(">I", payload)
            if bool(identity & 1) == (self._on_stream is not None):  # the peer's, not the answer to one of ours
                self.raw.write_nowait(spdy_frames.ping(identity))
        elif kind == spdy_frames.GOAWAY:
            self._going = True
            if not self.streams:
                return False
        return True  # SETTINGS, WINDOW_UPDATE: for those who have flow control

    def _opened(self, stream_id: int, headers: dict[str, str], flags: int) -> None:
        if stream_id <= self._last_received or not stream_id & 1 or self._on_stream is None:
            raise errors.ProtocolError("malformed SPDY stream id")
        self._last_received = stream_id
        made = Stream(self, stream_id, headers)
        if self._going or len(self.streams) >= _STREAM_LIMIT or not self._on_stream(made):
            self.raw.write_nowait(spdy_frames.rst_stream(stream_id, spdy_frames.REFUSED_STREAM))
            made.gone()
            return
        self.streams[stream_id] = made
        self.raw.write_nowait(spdy_frames.syn_reply(stream_id, self._encoder.encode({})))
        made.accepted.set_result(None)
        if flags & spdy_frames.FIN:
            made.received(b"", fin=True)

    def _replied(self, stream_id: int, flags: int) -> None:
        target = self.streams.get(stream_id)
        if target is not None and not target.accepted.done():
            target.accepted.set_result(None)
            if flags & spdy_frames.FIN:
                target.received(b"", fin=True)
