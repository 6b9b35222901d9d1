"""JSON patch: upstream's answers and texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.apimachinery.patch import json_patch


def test_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("json_patches", json_patch.apply) == []


def test_inputs_are_left_alone() -> None:
    document = {"a": [1], "b": {"c": 1}}
    operations: list[Any] = [
        {"op": "add", "path": "/a/-", "value": {"x": 1}},
        {"op": "add", "path": "/a/1/y", "value": 2},
    ]
    assert json_patch.apply(document, operations) == {"a": [1, {"x": 1, "y": 2}], "b": {"c": 1}}
    assert document == {"a": [1], "b": {"c": 1}}
    assert operations[0]["value"] == {"x": 1}


@pytest.mark.parametrize(
    ("operations", "message", "code"),
    [
        ([{"op": "test", "path": "/a", "value": 2}], "testing value /a failed: test failed", 422),
        (
            [{"op": "remove", "path": "/x"}],
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
            422,
        ),
        (
            [{"op": "add", "path": "/x/y", "value": 1}],
            'add operation does not apply: doc is missing path: "/x/y": missing value',
            422,
        ),
        ([{"op": "bad"}], "Unexpected kind: bad", 422),
        ({"op": "add"}, "json: cannot unmarshal object into Go value of type jsonpatch.Patch", 400),
    ],
)
def test_errors(operations: Any, message: str, code: int) -> None:
    with pytest.raises(json_patch.PatchError) as caught:
        json_patch.apply({"a": 1}, operations)
    assert (str(caught.value), caught.value.code) == (message, code)
