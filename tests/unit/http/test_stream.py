"""Upgraded streams in memory."""

import asyncio

import pytest

from pybernetes.http import errors, stream


async def test_read_in_pieces_and_exactly():
    left, right = stream.pipe()
    left.write_nowait(b"abcdef")
    left.write_nowait(b"ghi")
    assert await right.read(4) == b"abcd"
    assert await right.read_exactly(4) == b"efgh"
    assert await right.read_exactly(0) == b""
    waiting = asyncio.ensure_future(right.read_exactly(3))
    await asyncio.sleep(0)
    left.write_nowait(b"jk")
    assert await waiting == b"ijk"
    left.write_eof()
    assert await right.read() == b""
    with pytest.raises(errors.ConnectionClosed):
        await right.read_exactly(1)
    right.write_nowait(b"still open")
    assert await left.read() == b"still open"


async def test_backpressure():
    left, right = stream.pipe()
    assert left.write_nowait(b"x" * 100_000)
    writing = asyncio.ensure_future(left.write(b"y" * 200_000))
    await asyncio.sleep(0)
    assert not writing.done()
    await right.read_exactly(290_000)
    await writing
    await right.read_exactly(10_000)


async def test_close_ends_reading_and_writing():
    left, right = stream.pipe()
    left.write_nowait(b"last words" + b"x" * 300_000)
    waiting = asyncio.ensure_future(left.drain())
    await asyncio.sleep(0)
    right.close()
    with pytest.raises(errors.ConnectionClosed):
        await waiting
    await left.closed
    await right.closed
    assert not left.write_nowait(b"late")
    assert (await right.read()).startswith(b"last words")
    assert await left.read() == b""


async def test_cancelled_waiting_for_the_end_does_not_end_it():
    left, right = stream.pipe()

    async def wait():
        await left.closed

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert left.write_nowait(b"still here")
    assert await right.read() == b"still here"
    left.close()


async def test_only_one_reader():
    left, _ = stream.pipe()
    first = asyncio.ensure_future(left.read())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="two readers"):
        await left.read()
    left.close()
    assert await first == b""
