"""Label selectors: upstream's answers, and a model for matching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery import labels

KEYS = st.sampled_from(["a", "b", "example.com/c", "in", "notin"])
VALUES = st.sampled_from(["", "1", "x", "y.z", "in"])
LABELS = st.dictionaries(KEYS, VALUES)
REQUIREMENTS = st.one_of(
    st.builds(labels.requirement, KEYS, st.sampled_from(["=", "==", "!="]), st.lists(VALUES, min_size=1, max_size=1)),
    st.builds(labels.requirement, KEYS, st.sampled_from(["in", "notin"]), st.lists(VALUES, min_size=1, unique=True)),
    st.builds(labels.requirement, KEYS, st.sampled_from(["exists", "!"])),
)


def test_parse_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("labels", lambda text: str(labels.parse(text))) == []


def test_match_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("matches", lambda text, given: labels.parse(text).matches(given)) == []


def test_label_selector_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("label_selectors", lambda selector: str(labels.from_label_selector(selector))) == []


@given(st.lists(REQUIREMENTS))
def test_text_reads_back(requirements: list[labels.Requirement]) -> None:
    selector = labels.Selector(requirements)
    again = labels.parse(str(selector))
    assert str(again) == str(selector)


@given(st.lists(REQUIREMENTS), LABELS)
def test_matching_is_the_conjunction(requirements: list[labels.Requirement], given_labels: dict[str, str]) -> None:
    def holds(req: labels.Requirement) -> bool:
        there = req.key in given_labels
        inside = there and given_labels[req.key] in req.values
        return {
            "exists": there,
            "!": not there,
            "in": inside,
            "=": inside,
            "==": inside,
            "notin": not inside,
            "!=": not inside,
        }[req.operator]

    assert labels.Selector(requirements).matches(given_labels) == all(map(holds, requirements))


@given(LABELS)
def test_a_set_selects_itself(given_labels: dict[str, str]) -> None:
    assert labels.from_set(given_labels).matches(given_labels)
    assert labels.parse(str(labels.from_set(given_labels))).matches(given_labels)


def test_everything_and_nothing() -> None:
    assert labels.EVERYTHING.matches(None)
    assert labels.EVERYTHING.empty
    assert not labels.NOTHING.matches({})
    assert not labels.NOTHING.empty
    assert labels.from_label_selector(None) is labels.NOTHING
    assert labels.from_label_selector({}) is labels.EVERYTHING
    assert labels.NOTHING != labels.EVERYTHING


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [("a=1,b", "a", "1"), ("a in (1)", "a", "1"), ("a in (1,2)", "a", None), ("a!=1", "a", None), ("b=1", "a", None)],
)
def test_requires_exact(text: str, key: str, value: str | None) -> None:
    assert labels.parse(text).requires_exact(key) == value


def test_format() -> None:
    assert labels.format_label_selector({"matchLabels": {"b": "1", "a": "2"}}) == "a=2,b=1"
    assert labels.format_label_selector({}) == "<none>"
    assert labels.format_label_selector({"matchExpressions": [{"key": "a", "operator": "X"}]}) == "<error>"


def test_parsed_selectors_are_kept() -> None:
    assert labels.parse("a=1") is labels.parse("a=1")
