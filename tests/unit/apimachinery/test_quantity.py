"""Quantities: upstream's answers, and arithmetic that loses nothing."""

from __future__ import annotations

import fractions
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery import quantity

FORMATS = st.sampled_from([quantity.DECIMAL_SI, quantity.BINARY_SI, quantity.DECIMAL_EXPONENT])
QUANTITIES = st.builds(quantity.Quantity, st.integers(-(10**27), 10**27), FORMATS)
TEXTS = st.builds(
    lambda whole, fraction, suffix: f"{whole}.{fraction}{suffix}" if fraction else f"{whole}{suffix}",
    st.integers(0, 10**9),
    st.text("0123456789", max_size=6),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-3"]),
)


def test_parse_as_upstream(differences: Callable[..., list[Any]]) -> None:
    def described(text: str) -> list[Any]:
        parsed = quantity.parse(text)
        return [f'"{parsed}"', parsed.canonical(), str(quantity.Quantity(parsed.nano, parsed.format)), parsed.format]

    for given_text, want, ours in differences("quantities", described):
        expected = [want[i] for i in (0, 1, 6, 7)] if isinstance(want, list) else want
        assert ours == expected, given_text


def test_values_as_upstream(differences: Callable[..., list[Any]]) -> None:
    """Upstream wraps around beyond 64 bits and rounds some negative numbers up; ours does neither."""

    def valued(text: str) -> list[str]:
        parsed = quantity.parse(text)
        return [str(parsed.value()), str(parsed.milli_value())]

    for given_text, want, ours in differences("quantities", valued):
        if isinstance(want, list) and not given_text[0].startswith("-") and int(ours[1]) < 2**63 - 1:
            assert want[2:4] == ours, given_text


def test_sums_as_upstream(differences: Callable[..., list[Any]]) -> None:
    assert differences("quantity_sums", lambda a, b: str(quantity.parse(a) + quantity.parse(b))) == []
    assert differences("quantity_differences", lambda a, b: str(quantity.parse(a) - quantity.parse(b))) == []


@given(QUANTITIES)
def test_canonical_text_reads_back(amount: quantity.Quantity) -> None:
    assert quantity.parse(str(amount)) == amount
    assert quantity.parse(str(amount)).canonical() == str(amount)


@given(QUANTITIES, QUANTITIES)
def test_arithmetic(first: quantity.Quantity, second: quantity.Quantity) -> None:
    assert (first + second).nano == first.nano + second.nano
    assert first + second - second == first
    assert first.neg().neg() == first
    assert first.cmp(second) == -second.cmp(first)
    assert (first < second) == (first.cmp(second) < 0)


@given(TEXTS)
def test_exact_value(text: str) -> None:
    milli = fractions.Fraction(1, 1000)
    scales: dict[str, Any] = {"m": milli, "k": 10**3, "M": 10**6, "G": 10**9, "e3": 10**3, "E-3": milli}
    scales |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    suffix = next((each for each in sorted(scales, key=len, reverse=True) if text.endswith(each)), "")
    exact = fractions.Fraction(text.removesuffix(suffix)) * scales.get(suffix, 1)
    nano = exact * 10**9
    assert quantity.parse(text).nano == -(-nano.numerator // nano.denominator)


@pytest.mark.parametrize(
    ("text", "value", "milli"), [("1.5", 2, 1500), ("100m", 1, 100), ("1n", 1, 1), ("1Ki", 1024, 1024000), ("0", 0, 0)]
)
def test_rounding_up(text: str, value: int, milli: int) -> None:
    assert quantity.parse(text).value() == value
    assert quantity.parse(text).milli_value() == milli


def test_numbers_are_quantities() -> None:
    assert str(quantity.parse(2)) == "2"
    assert str(quantity.parse(0.5)) == "500m"
    assert quantity.canonicalize(1000) == "1k"


def test_equal_amounts_are_equal() -> None:
    assert quantity.parse("1Gi") == quantity.parse("1073741824")
    assert len({quantity.parse("1"), quantity.parse("1000m")}) == 1


@pytest.mark.parametrize("text", ["1e10001", "1e99999999999"])
def test_absurd_exponents_are_refused(text: str) -> None:
    with pytest.raises(quantity.QuantityError):
        quantity.parse(text)


def test_tiny_amounts_round_up() -> None:
    assert str(quantity.parse("1e-5000")) == "1e-9"
    assert quantity.parse("0.5n").nano == 1
