"""Field selectors: upstream's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery import fields


def test_parse_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("fields", lambda text: str(fields.parse(text))) == []


@given(st.text())
def test_escaped_values_read_back(value: str) -> None:
    assert fields.unescape(fields.escape(value)) == value
    assert fields.parse(f"a={fields.escape(value)}") == fields.Selector((fields.Requirement("a", "=", value),))


@pytest.mark.parametrize(
    ("text", "given_fields", "expected"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a=1", {}, False),
        ("a=", {}, True),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a=1,b!=2", {"a": "1", "b": "2"}, False),
        ("a=1,b!=2", {"a": "1", "b": "3"}, True),
    ],
)
def test_matches(text: str, given_fields: dict[str, str], expected: bool) -> None:
    assert fields.parse(text).matches(given_fields) is expected


def test_requires_exact() -> None:
    selector = fields.parse("spec.nodeName=n1,status.phase!=Failed")
    assert selector.requires_exact("spec.nodeName") == "n1"
    assert selector.requires_exact("status.phase") is None


def test_transform() -> None:
    def rename(field: str, value: str) -> tuple[str, str]:
        return ("", "") if field == "drop" else (f"x.{field}", value)

    assert str(fields.parse("a=1,drop=2").transform(rename)) == "x.a=1"
