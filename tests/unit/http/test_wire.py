"""Heads, chunks, gzip."""

import gzip

import pytest

from pybernetes.http import messages, wire


def test_head():
    assert wire.head(200, [("A", "b"), ("C", "d")], b"Raw: x\r\n", b"Content-Length: 0\r\n") == (
        b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nRaw: x\r\nContent-Length: 0\r\n\r\n"
    )
    assert wire.head(299, [], b"", b"").startswith(b"HTTP/1.1 299 status code 299\r\n")


@pytest.mark.parametrize("header", [("A", "b\r\nEvil: 1"), ("A\nB", "c"), ("A", "b\r"), ("A", "b\n")])
def test_line_breaks_in_headers_are_refused(header):
    with pytest.raises(ValueError, match="line break"):
        wire.head(200, [header], b"", b"")


def test_chunk():
    assert wire.chunk([b"a" * 10, b"b" * 6], 16) == b"10\r\n" + b"a" * 10 + b"b" * 6 + b"\r\n"


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("GZIP", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_accepts_gzip(value, accepted):
    assert wire.accepts_gzip(messages.Headers.of([("Accept-Encoding", value)])) is accepted


@pytest.mark.parametrize("body", [b"x" * 300_000, [b"abc" * 1000] * 100, []])
def test_gzip(body):
    assert gzip.decompress(wire.gzip(body)) == (body if isinstance(body, bytes) else b"".join(body))


@pytest.mark.parametrize("sizes", [[], [3, 5], [wire.BLOCK - 1, 2, 7], [wire.BLOCK * 5 + 1, 1], [9, wire.BLOCK * 2, 9]])
def test_blocks_are_the_pieces_in_handy_sizes(sizes):
    pieces = [bytes([at]) * size for at, size in enumerate(sizes)]
    blocks = [bytes(one) for one in wire.blocks(pieces)]
    assert b"".join(blocks) == b"".join(pieces)
    assert all(0 < len(one) <= 2 * wire.BLOCK for one in blocks)
