"""JSON bodies to plain values and back, with Go's errors, and the fields that a body names twice.

Path: 6 decode. Upstream: sigs.k8s.io/json, apimachinery/pkg/runtime/serializer/json. Pure.
"""

import json
import re
from typing import Any

import msgspec

from pybernetes.api.codec import failure, syntax

# Upstream allows 10,000; here everything that walks an object does so recursively. Deeper things are attacks.
MAX_DEPTH = 250

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_BLANK_BEFORE_COLON = (b" :", b"\t:", b"\n:", b"\r:")
_surrogate = re.compile("[\ud800-\udfff]").sub


class Pairs(list[tuple[str, Any]]):
    """An object as written: its members in order, repeated ones too."""


def decode(body: bytes) -> Any:
    """Any JSON value. DecodeError with Go's text for what is not JSON."""
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _decode_leniently(body)
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise failure.DecodeError(syntax.error(body.decode("utf-8", "surrogateescape"), MAX_DEPTH))
    return value


def encode(value: Any) -> bytes:
    return _encode(value)


def _decode_leniently(body: bytes) -> Any:
    """Go replaces what is not Unicode where stricter readers give up."""
    wrong = syntax.error(body.decode("utf-8", "surrogateescape"), MAX_DEPTH)
    if wrong:
        raise failure.DecodeError(wrong)
    text = body.decode("utf-8", "replace")
    return json.loads(_surrogate("\ufffd", json.dumps(json.loads(text), ensure_ascii=False)))


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def has_duplicates(body: bytes, value: Any) -> bool:
    """Whether some object in the body may name a member twice, told from counting: `value` is what it decoded to.

    Every member shows as `":` in compact JSON, and so does the same text inside strings, in both alike.
    """
    # A blank before a colon hides a member from the count; one inside a string only costs the slow way.
    if any(blank in body for blank in _BLANK_BEFORE_COLON):
        return True
    return body.count(b'":') != _encode(value).count(b'":')


def pairs(body: bytes) -> Any:
    """The value with its objects as Pairs."""
    return json.loads(body.decode("utf-8", "replace"), object_pairs_hook=Pairs)
