"""What upstream answered, for the modules that must answer the same."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

RECORDED = pathlib.Path(__file__).parent / "recorded"
Differences = Callable[[str, Callable[..., Any]], list[Any]]


def answer(function: Callable[..., Any], arguments: list[Any]) -> Any:
    try:
        return function(*arguments)
    except ValueError as error:
        return {"error": str(error)}


@pytest.fixture
def differences() -> Differences:
    """The cases of a recording that a function answers otherwise."""

    def compare(name: str, function: Callable[..., Any]) -> list[Any]:
        return list(_compare(name, function))

    return compare


def _compare(name: str, function: Callable[..., Any]) -> Iterator[Any]:
    cases = json.loads((RECORDED / f"{name}.json").read_text())
    assert cases
    for case in cases:
        ours = answer(function, case["input"])
        if json.dumps(ours, sort_keys=True) != json.dumps(case["answer"], sort_keys=True):
            yield case["input"], case["answer"], ours


@pytest.fixture(scope="session")
def definitions() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((RECORDED / "definitions.json").read_text())
    return loaded
