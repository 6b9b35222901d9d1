"""Strategic merge patch: upstream's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.apimachinery.patch import strategic

DEFINITIONS: dict[str, Any] = {
    "Thing": {
        "properties": {
            "name": {"type": "string"},
            "parts": {
                "items": {"$ref": "#/definitions/Part"},
                "type": "array",
                "x-kubernetes-patch-merge-key": "name",
                "x-kubernetes-patch-strategy": "merge",
            },
            "tags": {"items": {"type": "string"}, "type": "array", "x-kubernetes-patch-strategy": "merge"},
            "whole": {"items": {"type": "string"}, "type": "array"},
            "labels": {"additionalProperties": {"type": "string"}, "type": "object"},
        }
    },
    "Part": {"properties": {"name": {"type": "string"}, "value": {"type": "string"}}},
}
SCHEMA = strategic.OpenAPISchema("Thing", DEFINITIONS["Thing"], DEFINITIONS.__getitem__)


def test_apply_as_upstream(
    differences: Callable[..., list[Any]], patch_schemas: dict[str, strategic.OpenAPISchema]
) -> None:
    assert differences("strategic_patches", lambda kind, a, b: strategic.apply(a, b, patch_schemas[kind])) == []


@pytest.mark.parametrize(
    ("patch", "message", "code"),
    [
        ({"$retainKeys": "x"}, "invalid patch format of retainKeys", 400),
        ({"$retainKeys": ["tags"], "name": "x"}, "invalid patch format of retainKeys", 400),
        ({"$setElementOrderX": []}, "invalid patch format of setElementOrder list", 400),
        ({"$deleteFromPrimitiveListX": []}, "invalid patch format of primitive list", 400),
        ({"$patch": "merge"}, "unknown patch type: merge in map: map[$patch:merge]", 500),
        ({"parts": [{"value": "x"}]}, "map: map[value:x] does not contain declared merge key: name", 500),
        ({"parts": [{"$patch": "merge"}]}, "merging lists cannot yet be specified in the patch", 500),
        ({"odd": {"a": 1}}, 'unable to find api field in struct Thing for the json field "odd"', 500),
    ],
)
def test_errors(patch: dict[str, Any], message: str, code: int) -> None:
    original = {"name": "n", "parts": [{"name": "a"}], "odd": {"b": 1}}
    with pytest.raises(strategic.PatchError) as caught:
        strategic.apply(original, patch, SCHEMA)
    assert (str(caught.value), caught.value.code) == (message, code)
