"""JSONPath as columns and kubectl use it."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.apimachinery import jsonpath

DATA: dict[str, Any] = {
    "kind": "List",
    "items": [
        {"metadata": {"name": "a", "labels": {"x/y.z": "1"}}, "spec": {"n": 3, "on": True}},
        {"metadata": {"name": "b"}, "spec": {"n": 5}},
    ],
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".kind", ["List"]),
        ("kind", ["List"]),
        ("{.kind}", ["List"]),
        ("{.items[*].metadata.name}", ["a", "b"]),
        ("{.items[?(@.spec.n>3)].metadata.name}", ["b"]),
        ("{.items[?(@.spec.on==true)].metadata.name}", ["a"]),
        ("{.items[?(@.spec.on)].metadata.name}", ["a"]),
        ("{..name}", ["a", "b"]),
        ("{.items[0].metadata.labels.x/y\\.z}", ["1"]),
        ("{.items[0].metadata.labels['x/y\\.z']}", ["1"]),
        ("{.items[0]['metadata.name','spec.n']}", ["a", 3]),
        ("{.items[-1].metadata}", [{"name": "b"}]),
        ("{.items[0,1].spec.n}", [3, 5]),
        ("{.items[0:1].spec.n}", [3]),
        (".items[5].x", []),
        (".nothing.here", []),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type!='Ready')].type", ["Other"]),
    ],
)
def test_paths(path: str, expected: list[Any]) -> None:
    assert jsonpath.parse_path(path).find(DATA) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{.kind[0]}", "List is not array or slice"),
        ("{.kind", "unrecognized character in action: '{'"),
        ("{.items[x y]}", "invalid array index x y"),
    ],
)
def test_errors(path: str, message: str) -> None:
    with pytest.raises(jsonpath.JSONPathError) as caught:
        jsonpath.parse_path(path).find(DATA)
    assert str(caught.value) == message
