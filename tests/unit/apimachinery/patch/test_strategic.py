"""Strategic merge patch: upstream's answers, and a patch made is a patch that works."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery.patch import strategic, strategic_diff

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
WORDS = st.sampled_from("abcd")
PARTS = st.lists(st.fixed_dictionaries({"name": WORDS}, optional={"value": WORDS}), unique_by=lambda p: p["name"])
THINGS = st.fixed_dictionaries(
    {},
    optional={
        "name": WORDS,
        "parts": PARTS,
        # Sorted: upstream sorts the original of a list of scalars as a side effect, and then finds its order changed.
        "tags": st.lists(WORDS, unique=True).map(sorted),
        "whole": st.lists(WORDS),
        "labels": st.dictionaries(WORDS, WORDS),
    },
)


def test_apply_as_upstream(
    differences: Callable[..., list[Any]], patch_schemas: dict[str, strategic.OpenAPISchema]
) -> None:
    assert differences("strategic_patches", lambda kind, a, b: strategic.apply(a, b, patch_schemas[kind])) == []


def test_two_way_as_upstream(
    differences: Callable[..., list[Any]], patch_schemas: dict[str, strategic.OpenAPISchema]
) -> None:
    assert differences("strategic_two_way", lambda kind, a, b: strategic_diff.two_way(a, b, patch_schemas[kind])) == []


def test_three_way_as_upstream(
    differences: Callable[..., list[Any]], patch_schemas: dict[str, strategic.OpenAPISchema]
) -> None:
    def make(kind: str, original: Any, modified: Any, current: Any) -> Any:
        return strategic_diff.three_way(original, modified, current, patch_schemas[kind])

    assert differences("strategic_three_way", make) == []


@given(THINGS, THINGS)
def test_two_way_leads_from_one_to_the_other(original: dict[str, Any], modified: dict[str, Any]) -> None:
    before = copy.deepcopy((original, modified))
    patched = strategic.apply(original, strategic_diff.two_way(original, modified, SCHEMA), SCHEMA)
    assert patched == modified
    assert (original, modified) == before


@given(THINGS)
def test_nothing_to_do(thing: dict[str, Any]) -> None:
    assert strategic_diff.two_way(thing, thing, SCHEMA) == {}
    assert strategic.apply(thing, {}, SCHEMA) == thing


@given(THINGS, THINGS)
def test_three_way_puts_in_what_is_configured(configured: dict[str, Any], live: dict[str, Any]) -> None:
    patch = strategic_diff.three_way({}, configured, live, SCHEMA)
    patched = strategic.apply(live, patch, SCHEMA)
    for key in ("name", "whole"):
        assert patched.get(key) == configured.get(key, live.get(key))
    assert set(configured.get("tags", [])) <= set(patched.get("tags", []))
    assert patched.get("labels", {}) == {**live.get("labels", {}), **configured.get("labels", {})}


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
