"""SPDY sessions against each other and against hand-made frames."""

import asyncio
import struct

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.http import errors, spdy, spdy_frames, stream

REAL = clock.RealClock()


@pytest.fixture
async def group():
    async with tasks.TaskGroup("test") as made:
        yield made


class Ends:
    """A server's and a client's session over memory; the server refuses streams called "no"."""

    def __init__(self, group, time=REAL):
        left, right = stream.pipe()
        self.opened = asyncio.Queue()
        self.server = spdy.Session(left, clock=time, on_stream=self.on_stream)
        self.client = spdy.Session(right, clock=time)
        self.running = [group.start(session.run(), "run") for session in (self.server, self.client)]

    def on_stream(self, opened):
        self.opened.put_nowait(opened)
        return opened.headers["name"] != "no"


async def test_streams_end_by_half(group):
    ends = Ends(group)
    ours = ends.client.open({"name": "One", "X-Extra": "v"})
    await ours.accepted
    theirs = await ends.opened.get()
    assert theirs.headers == {"name": "One", "x-extra": "v"}
    ours.write_nowait(b"question" * 10_000)
    ours.write_eof()
    assert len(await theirs.read_exactly(80_000)) == 80_000
    assert await theirs.read() == b""
    assert not ours.write_nowait(b"more")
    theirs.write_nowait(b"answer")
    theirs.write_eof()
    assert await ours.read() == b"answer"
    assert await ours.read() == b""
    await ours.closed
    await theirs.closed
    assert not ends.server.streams
    assert not ends.client.streams


async def test_refused_and_reset_streams(group):
    ends = Ends(group)
    refused, reset = ends.client.open({"name": "no"}), ends.client.open({"name": "yes"})
    with pytest.raises(errors.ConnectionClosed, match="refused"):
        await refused.accepted
    await reset.accepted
    await ends.opened.get()
    theirs = await ends.opened.get()
    theirs.write_nowait(b"last")
    theirs.abort()
    assert await reset.read() == b"last"
    assert await reset.read() == b""
    with pytest.raises(errors.ConnectionClosed):
        await reset.write(b"x")


async def test_close_sends_what_was_written_and_refuses_new_streams(group):
    ends = Ends(group)
    ours = ends.client.open({"name": "a"})
    theirs = await ends.opened.get()
    theirs.write_nowait(b"the end")
    closing = asyncio.ensure_future(ends.server.close())
    assert await ours.read_exactly(7) == b"the end"
    assert await ours.read() == b""
    with pytest.raises(errors.ConnectionClosed, match="closing"):
        ends.client.open({"name": "b"})
    ours.close()
    ends.client.raw.close()
    await closing
    await asyncio.gather(*ends.running)


async def test_close_does_not_wait_for_ever(group):
    time = clock.VirtualClock()
    ends = Ends(group, time)
    ours = ends.client.open({"name": "a"})
    await ours.accepted
    closing = asyncio.ensure_future(ends.server.close())
    await time.advance(1.9)
    assert not closing.done()
    await time.advance(0.2)
    await closing


async def test_a_slow_reader_holds_up_the_sender(group):
    ends = Ends(group)
    ours = ends.client.open({"name": "a"})
    theirs = await ends.opened.get()
    writing = asyncio.ensure_future(ours.write(b"x" * 2_000_000))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not writing.done()
    assert len(await theirs.read_exactly(2_000_000)) == 2_000_000
    await writing


async def test_a_dropped_stream_does_not_hold_up_the_others(group):
    ends = Ends(group)
    first, second = ends.client.open({"name": "a"}), ends.client.open({"name": "b"})
    dropped, wanted = await ends.opened.get(), await ends.opened.get()
    dropped.close()
    first.write_nowait(b"x" * 1_000_000)
    second.write_nowait(b"hello")
    assert await wanted.read() == b"hello"


def raw_server(group):
    left, right = stream.pipe()
    accepted = []
    session = spdy.Session(left, clock=REAL, on_stream=lambda opened: accepted.append(opened) or True)
    return right, group.start(_failure(session), "run"), accepted


async def _failure(session):
    try:
        await session.run()
    except errors.ProtocolError as error:
        return str(error)


async def test_pings_are_answered_and_unknown_frames_ignored(group):
    peer, running, _ = raw_server(group)
    peer.write_nowait(spdy_frames.control(spdy_frames.SETTINGS, 0, struct.pack(">I", 0)))
    peer.write_nowait(spdy_frames.control(spdy_frames.WINDOW_UPDATE, 0, struct.pack(">II", 1, 1000)))
    peer.write_nowait(spdy_frames.data(99, b"for nobody"))
    peer.write_nowait(spdy_frames.rst_stream(99, spdy_frames.CANCEL))
    peer.write_nowait(spdy_frames.ping(2))  # would be the answer to a ping of the server
    peer.write_nowait(spdy_frames.ping(7))
    assert await peer.read() == spdy_frames.ping(7)
    peer.close()
    assert await running is None


SYN = spdy_frames.syn_stream(1, spdy_frames.HeaderEncoder().encode({"a": "b"}))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n"[:0] + b"\x80\x02" + SYN[2:],  # another version
        spdy_frames.syn_stream(2, spdy_frames.HeaderEncoder().encode({})),  # an even id
        SYN + SYN[:8] + SYN[8:],  # the same id twice (and a broken header stream)
        spdy_frames.control(spdy_frames.SYN_STREAM, 0, b"\0\0"),
        spdy_frames.control(spdy_frames.RST_STREAM, 0, b"\0\0"),
        spdy_frames.control(spdy_frames.PING, 0, b""),
        spdy_frames.control(spdy_frames.SYN_STREAM, 0, b"\0\0\0\1" + b"\0" * 6 + b"rubbish"),
        struct.pack(">HHI", 0x8003, spdy_frames.SETTINGS, 100_000),
    ],
)
async def test_broken_rules_end_the_session(group, data):
    peer, running, accepted = raw_server(group)
    peer.write_nowait(data)
    assert "SPDY" in await running
    for opened in accepted:
        await opened.closed


async def test_the_end_of_the_connection_ends_every_stream(group):
    peer, running, accepted = raw_server(group)
    peer.write_nowait(SYN + spdy_frames.data(1, b"half a fra")[:-3])
    await peer.read()
    peer.write_eof()
    await running
    assert await accepted[0].read() == b"half a "
    assert await accepted[0].read() == b""
    await accepted[0].closed
