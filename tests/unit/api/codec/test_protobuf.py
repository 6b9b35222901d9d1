"""Bodies that Go's own marshaller made decode to what Go's own JSON says; hostile ones fail in one known way."""

import json
import pathlib
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.api.codec import failure, protobuf

GOLDEN = pathlib.Path(__file__).parents[3] / "golden" / "protobuf"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.pb"))


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def enveloped(raw: bytes, api_version: str = "v1", kind: str = "ConfigMap") -> bytes:
    def field(number: int, value: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(value)) + value

    type_meta = field(1, api_version.encode()) + field(2, kind.encode())
    return protobuf.MAGIC + field(1, type_meta) + field(2, raw)


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize("name", NAMES)
def test_decodes_as_go_does(name: str) -> None:
    want = json.loads((GOLDEN / f"{name}.json").read_text())
    assert without_nulls(protobuf.decode((GOLDEN / f"{name}.pb").read_bytes())) == without_nulls(want)


@pytest.mark.parametrize("name", ["v1_Pod", "apiextensions_v1_CustomResourceDefinition"])
def test_truncated_bodies_fail_cleanly(name: str) -> None:
    body = (GOLDEN / f"{name}.pb").read_bytes()
    accepted = 0
    for length in range(len(body)):
        try:
            protobuf.decode(body[:length])
            accepted += 1
        except failure.DecodeError:
            pass
    # A cut between two of the four fields of the envelope leaves a shorter, valid one.
    assert accepted == 3


def test_flipped_bytes_fail_cleanly() -> None:
    body = (GOLDEN / "v1_Pod.pb").read_bytes()
    rng = random.Random(7)
    for _ in range(3000):
        broken = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(protobuf.MAGIC), len(broken))] = rng.randrange(256)
        try:
            protobuf.decode(bytes(broken))
        except failure.DecodeError:
            pass


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["Pod", "ConfigMap", "Secret", "Service", "DeleteOptions"]))
def test_arbitrary_bytes_fail_cleanly(raw: bytes, kind: str) -> None:
    try:
        assert protobuf.decode(enveloped(raw, "v1", kind))["kind"] == kind
    except failure.DecodeError:
        pass


def test_deep_nesting_is_refused() -> None:
    schema = b""
    for _ in range(400):
        schema = varint(28 << 3 | 2) + varint(len(schema)) + schema  # JSONSchemaProps.not
    for number in (1, 4, 7, 2):  # up to spec.versions[].schema.openAPIV3Schema
        schema = varint(number << 3 | 2) + varint(len(schema)) + schema
    with pytest.raises(failure.DecodeError, match="exceeded max depth"):
        protobuf.decode(enveloped(schema, "apiextensions.k8s.io/v1", "CustomResourceDefinition"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty data"),
        (b"{}", "does not appear to be a protobuf message"),
        (protobuf.MAGIC, "empty body"),
        (protobuf.MAGIC + b"\x12\x00", "Object 'Kind' is missing"),
        (enveloped(b"", "v1", "Nonsense"), 'no kind "Nonsense" is registered for version "v1"'),
        (enveloped(b"", "nope/v1", "Pod"), 'no kind "Pod" is registered for version "nope/v1"'),
        (enveloped(b"\x08\x01"), "wrong wireType = 0 for field ObjectMeta"),
        (enveloped(b"\x0a\x7f"), "unexpected EOF"),
        (enveloped(b"\x0a" + b"\xff" * 12), "integer overflow"),
        (enveloped(b"\x0a" + b"\xff" * 9 + b"\x01"), "negative length"),
        (enveloped(b"\xf8\x07"), "unexpected EOF"),
        (enveloped(b"\xff\x07"), "illegal wireType 7"),
        (enveloped(b"\x0c"), "end group for non-group"),
        (enveloped(b"\x02\x00"), "illegal tag 0"),
    ],
)
def test_says_what_is_wrong(body: bytes, message: str) -> None:
    with pytest.raises(failure.DecodeError, match=message):
        protobuf.decode(body)


def test_unknown_fields_are_stepped_over() -> None:
    extra = varint(900 << 3) + b"\x05" + varint(901 << 3 | 2) + b"\x02hi" + varint(902 << 3 | 1) + bytes(8)
    group = varint(903 << 3 | 3) + varint(1 << 3) + b"\x01" + varint(903 << 3 | 4)
    assert protobuf.decode(enveloped(extra + group)) == {"kind": "ConfigMap", "apiVersion": "v1"}


def test_options_travel_under_any_group() -> None:
    body = enveloped(b"\x08\x1e", "apps/v1", "DeleteOptions")
    assert protobuf.decode(body) == {"kind": "DeleteOptions", "apiVersion": "apps/v1", "gracePeriodSeconds": 30}


def test_defaults_fill_an_empty_envelope() -> None:
    body = protobuf.MAGIC + b"\x12\x00"
    assert protobuf.decode(body, "v1", "Pod") == {"kind": "Pod", "apiVersion": "v1"}
