"""Paths and field errors read as upstream's."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.apimachinery import fieldpath, goformat

PATH = fieldpath.Path("f")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (fieldpath.Path("spec"), "spec"),
        (fieldpath.Path("spec", "template", "spec"), "spec.template.spec"),
        (fieldpath.Path("spec").child("containers").index(0).key("a").child("b", "c"), "spec.containers[0][a].b.c"),
    ],
)
def test_path(path: fieldpath.Path, text: str) -> None:
    assert str(path) == text


def test_paths_share_parents() -> None:
    base = fieldpath.Path("spec")
    assert str(base.child("a")) == "spec.a"
    assert str(base.child("b")) == "spec.b"
    assert base.child("a") == fieldpath.Path("spec", "a")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (fieldpath.required(PATH), "f: Required value"),
        (fieldpath.required(PATH, "say it"), "f: Required value: say it"),
        (fieldpath.invalid(PATH, "x", "no"), 'f: Invalid value: "x": no'),
        (fieldpath.invalid(PATH, 'a"\n', "no"), 'f: Invalid value: "a\\"\\n": no'),
        (fieldpath.invalid(PATH, 5, "no"), "f: Invalid value: 5: no"),
        (fieldpath.invalid(PATH, True, "no"), "f: Invalid value: true: no"),
        (fieldpath.invalid(PATH, 1.5, "no"), "f: Invalid value: 1.5: no"),
        (fieldpath.invalid(PATH, None, "no"), "f: Invalid value: null: no"),
        (fieldpath.invalid(PATH, {"a": ["<b>", 1]}, "no"), 'f: Invalid value: {"a":["\\u003cb\\u003e",1]}: no'),
        (fieldpath.invalid(PATH, goformat.Literal("{A:1}"), "no"), "f: Invalid value: {A:1}: no"),
        (
            fieldpath.not_supported(PATH, "x", ["A", "B"]),
            'f: Unsupported value: "x": supported values: "A", "B"',
        ),
        (fieldpath.not_supported(PATH, "x", []), 'f: Unsupported value: "x"'),
        (fieldpath.duplicate(PATH, "x"), 'f: Duplicate value: "x"'),
        (fieldpath.not_found(PATH, "x"), 'f: Not found: "x"'),
        (fieldpath.forbidden(PATH, "why"), "f: Forbidden: why"),
        (fieldpath.too_long(PATH, "x", 63), "f: Too long: may not be more than 63 bytes"),
        (fieldpath.too_long(PATH, "x", 1), "f: Too long: may not be more than 1 byte"),
        (fieldpath.too_many(PATH, 5, 3), "f: Too many: 5: must have at most 3 items"),
        (fieldpath.too_many(PATH, -1, 1), "f: Too many: must have at most 1 item"),
        (fieldpath.invalid(None, "x", "no"), '<nil>: Invalid value: "x": no'),
    ],
)
def test_error_text(error: fieldpath.FieldError, text: str) -> None:
    assert str(error) == text


def test_cause() -> None:
    assert fieldpath.duplicate(PATH, 1).cause() == {
        "reason": "FieldValueDuplicate",
        "message": "Duplicate value: 1",
        "field": "f",
    }


@pytest.mark.parametrize(
    ("errors", "text"),
    [([], ""), (["a"], "a"), (["a", "a"], "a"), (["a", "b", "a"], "[a, b]")],
)
def test_aggregate(errors: list[Any], text: str) -> None:
    assert fieldpath.aggregate(errors) == text


@pytest.mark.parametrize(
    ("number", "value", "json"),
    [
        (0.1, "0.1", "0.1"),
        (100000.0, "100000", "100000"),
        (1e6, "1e+06", "1000000"),
        (1e21, "1e+21", "1e+21"),
        (1.5e-7, "1.5e-07", "1.5e-7"),
        (123456789.125, "1.23456789125e+08", "123456789.125"),
        (-0.0, "-0", "-0"),
        (5e-324, "5e-324", "5e-324"),
    ],
)
def test_floats_as_go_prints_them(number: float, value: str, json: str) -> None:
    assert goformat.value(number) == value
    assert goformat.to_json(number) == json


def test_quote() -> None:
    assert goformat.quote("é\u200b\U000e0001\x7f\x00\\") == '"é\\u200b\\U000e0001\\x7f\\x00\\\\"'
