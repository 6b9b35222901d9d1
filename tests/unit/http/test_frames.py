"""WebSocket frames and SPDY frames as bytes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.http import errors, frames, spdy_frames


def test_accept_key_of_the_rfc():
    assert frames.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert frames.is_key(frames.new_key())
    assert not frames.is_key("c2hvcnQ=")
    assert not frames.is_key("???")


def test_frames_of_the_rfc():
    assert frames.frame(frames.TEXT, b"Hello", None) == bytes.fromhex("810548656c6c6f")
    assert frames.frame(frames.TEXT, b"Hello", bytes.fromhex("37fa213d")) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert frames.frame(frames.TEXT, b"Hel", None, final=False) == bytes.fromhex("010348656c")
    assert frames.frame(frames.BINARY, bytes(256), None)[:4] == bytes.fromhex("827e0100")
    assert frames.frame(frames.BINARY, bytes(65536), None)[:10] == bytes.fromhex("827f0000000000010000")


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masking_is_a_xor_with_the_repeated_key(data, key):
    masked = frames.mask(data, key)
    assert masked == bytes(byte ^ key[at % 4] for at, byte in enumerate(data))
    assert frames.mask(masked, key) == data


@pytest.mark.parametrize(
    ("payload", "result"),
    [(b"", (1005, "")), (b"\x03\xe8", (1000, "")), (b"\x03\xe8bye", (1000, "bye")), (b"\x0f\xa0", (4000, ""))],
)
def test_close_payload(payload, result):
    assert frames.parse_close(payload) == result
    if payload:
        assert frames.close_payload(*result) == payload


@pytest.mark.parametrize("payload", [b"\x03", b"\x00\x01", b"\x03\xed", b"\x03\xe8\xff"])
def test_malformed_close_payload(payload):
    with pytest.raises(errors.ProtocolError):
        frames.parse_close(payload)


def test_the_dictionary_is_the_one_of_the_draft():
    digest = hashlib.sha256(spdy_frames.DICTIONARY).hexdigest()
    assert (len(spdy_frames.DICTIONARY), digest[:16]) == (1423, "51d27341373f923f")


def test_header_blocks_depend_on_those_before_them():
    encoder, decoder = spdy_frames.HeaderEncoder(), spdy_frames.HeaderDecoder()
    first = encoder.encode({"streamType": "stdin", "port": "80"})
    second = encoder.encode({"streamType": "stdin", "port": "80"})
    assert len(second) < len(first)
    for block in (first, second):
        assert decoder.decode(block) == {"streamtype": "stdin", "port": "80"}
    assert decoder.decode(encoder.encode({})) == {}


@pytest.mark.parametrize("block", [b"", b"rubbish", spdy_frames.HeaderEncoder()._compressor.compress(b"x") + b"\0"])
def test_malformed_header_blocks(block):
    with pytest.raises(errors.ProtocolError):
        spdy_frames.HeaderDecoder().decode(block)


def test_header_bombs_are_refused():
    encoder = spdy_frames.HeaderEncoder()
    with pytest.raises(errors.ProtocolError, match="too large"):
        spdy_frames.HeaderDecoder().decode(encoder.encode({"a": "x" * 1_000_000}))
