"""Schemas and values as upstream judges them."""

import pathlib
from typing import Any

import pytest
import yaml

from pybernetes.api.codec import failure
from pybernetes.apiserver.extensions import structural, validator

GOLDEN = pathlib.Path(__file__).parents[3] / "golden" / "upstream" / "custom_values.yaml"
CASES = yaml.safe_load(GOLDEN.read_text())


def judge(schema: dict[str, Any], value: Any) -> list[str]:
    whole = {"type": "object", "properties": {"it": {"type": "object", "properties": {"v": schema}}}}
    obj = {"it": {"v": value}}
    try:
        structural.read(obj, whole)
    except failure.DecodeError as error:
        return [f': Value in version "v1" cannot be handled as a Value: {error.message}']
    found = validator.validate(obj, whole)
    structural.embedded(found, obj, whole)
    structural.lists(found, obj, whole)
    return [f"{one.field}: {one.body()}" for one in found]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_values_are_judged_as_upstream_does(case: dict[str, Any]) -> None:
    found = judge(case["schema"], case["value"])
    assert sorted({text.replace("it.v", ".") for text in found}) == case["expect"]
