"""Numbers and percentages."""

from __future__ import annotations

import pytest

from pybernetes.apimachinery import intorstring


@pytest.mark.parametrize(
    ("value", "total", "up", "expected"),
    [(3, 10, True, 3), ("25%", 10, True, 3), ("25%", 10, False, 2), ("0%", 5, True, 0), ("150%", 3, False, 4)],
)
def test_scaled(value: int | str, total: int, up: bool, expected: int) -> None:
    assert intorstring.scaled(value, total, round_up=up) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "nil value for IntOrString"),
        ("5", "invalid value for IntOrString: invalid type: string is not a percentage"),
        ("x%", 'invalid value for IntOrString: invalid value "x%": strconv.Atoi: parsing "x": invalid syntax'),
    ],
)
def test_errors(value: str | None, message: str) -> None:
    with pytest.raises(intorstring.IntOrStringError) as caught:
        intorstring.scaled(value, 10, round_up=True)
    assert str(caught.value) == message
