"""JSON as Go reads it: errors in its words, and what stricter readers refuse."""

import json as stdlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.api.codec import failure, json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ('{"a":1', "unexpected end of JSON input"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("tru", "unexpected end of JSON input"),
        ("trux", "invalid character 'x' in literal true (expecting 'e')"),
        ("01", "invalid character '1' after top-level value"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1ex", "invalid character 'x' in exponent of numeric literal"),
        ('"a\nb"', "invalid character '\\n' in string literal"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        ("'a'", "invalid character '\\'' looking for beginning of value"),
        ("é", "invalid character 'Ã' looking for beginning of value"),
        ("[" * 300 + "]" * 300, "invalid character '[' exceeded max depth"),
        ("[" * 100_000, "invalid character '[' exceeded max depth"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(failure.DecodeError) as caught:
        json.decode(text.encode())
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":"\\ud800"}', {"a": "\ufffd"}),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (b" null ", None),
    ],
)
def test_lenient_with_text(body: bytes, value: Any) -> None:
    assert json.decode(body) == value


@given(VALUES)
def test_reads_what_others_write(value: Any) -> None:
    body = stdlib.dumps(value).encode()
    assert json.decode(body) == value
    compact = json.encode(value)
    assert json.decode(compact) == value
    assert not json.has_duplicates(compact, value)


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":1}', b'{"b":{"a":[{"c":1,"c":2}]}}', b'{"a" :1,"a":2}', b'{"a":{"x":1,"y":2},"a":{"x":1}}'],
)
def test_sees_duplicates(body: bytes) -> None:
    assert json.has_duplicates(body, json.decode(body))


def test_pairs_keep_everything() -> None:
    assert json.pairs(b'{"a":1,"a":{"b":2}}') == [("a", 1), ("a", [("b", 2)])]
