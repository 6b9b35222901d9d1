"""Merge patch: upstream's answers, and a patch made is a patch that works."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery.patch import merge

SCALARS = st.one_of(st.integers(-2, 2), st.booleans(), st.sampled_from(["", "x"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


def test_apply_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("merge_patches", merge.apply) == []


def test_diff_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("merge_diffs", merge.diff) == []


@given(OBJECTS, OBJECTS)
def test_diff_leads_from_one_to_the_other(original: dict[str, Any], modified: dict[str, Any]) -> None:
    before = copy.deepcopy(original)
    assert merge.apply(original, merge.diff(original, modified)) == modified
    assert original == before


@given(OBJECTS)
def test_nothing_to_do(original: dict[str, Any]) -> None:
    assert merge.diff(original, original) == {}
    assert merge.apply(original, {}) == original


@given(OBJECTS, OBJECTS)
def test_applying_twice_changes_nothing_more(original: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge.apply(original, patch)
    assert merge.apply(once, patch) == once


def test_results_share_nothing() -> None:
    original, patch = {"a": {"b": [1]}}, {"c": {"d": [2]}}
    merged = merge.apply(original, patch)
    merged["a"]["b"].append(3)
    merged["c"]["d"].append(3)
    assert (original, patch) == ({"a": {"b": [1]}}, {"c": {"d": [2]}})


def test_only_objects_and_lists_are_patches() -> None:
    with pytest.raises(merge.PatchError, match="Invalid JSON Patch"):
        merge.apply({}, "x")
