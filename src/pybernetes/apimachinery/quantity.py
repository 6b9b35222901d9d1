"""Quantities: `500m` of CPU, `1.5Gi` of memory. Exact, canonical, comparable.

    quantity.parse("0.5") + quantity.parse("1500m") == quantity.parse("2")
    str(quantity.parse("0.5"))                       500m

A quantity is an integer number of nano-units (finer input is rounded away from zero, as upstream does) and the
format it was written in. Equality and hash look at the amount alone.

Upstream: pkg/api/resource (apimachinery). Pure.
"""

from __future__ import annotations

import functools
import re
from typing import Any

DECIMAL_SI = "DecimalSI"
BINARY_SI = "BinarySI"
DECIMAL_EXPONENT = "DecimalExponent"

FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_WRONG = "unable to parse quantity's suffix"
NUMERIC_WRONG = "unable to parse numeric part of quantity"

NANO, MICRO, MILLI = -9, -6, -3
_UNIT = 10**9
_MAX_INT64 = 2**63 - 1
_MAX_DIGITS = 18
#: Upstream takes any 32-bit exponent; nobody has 1e10000 of anything, and aligning such numbers takes forever.
_MAX_EXPONENT = 10_000

_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_NAMES = {exponent: suffix for suffix, exponent in _DECIMAL_SUFFIXES.items()}
_BINARY_NAMES = {exponent: suffix for suffix, exponent in _BINARY_SUFFIXES.items()}

_split = re.compile(r"([+-]?)(0*)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)").fullmatch
_exponent = re.compile(r"[eE]([-+]?[0-9]+)").fullmatch


class QuantityError(ValueError):
    """The text is no quantity; the message is upstream's."""


@functools.total_ordering
class Quantity:
    """An immutable amount; arithmetic gives new ones."""

    __slots__ = ("_text", "format", "nano")

    def __init__(self, nano: int, form: str = DECIMAL_SI, text: str | None = None) -> None:
        self.nano = nano
        self.format = form
        self._text = text

    def __str__(self) -> str:
        """The text as given where upstream keeps it, else the canonical one."""
        if self._text is None:
            self._text = self.canonical()
        return self._text

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"

    def canonical(self) -> str:
        """No precision lost, no fraction, the largest suffix possible."""
        if self.nano == 0:
            return "0"
        form = self.format
        if form == BINARY_SI and (abs(self.nano) < 1024 * _UNIT or self.nano % _UNIT):
            form = DECIMAL_SI
        if form == BINARY_SI:
            amount, power = _strip(self.nano // _UNIT, 1024)
            return f"{amount}{_BINARY_NAMES.get(power * 10, '')}"
        amount, exponent = _strip(self.nano, 10)
        exponent += NANO
        amount, exponent = amount * 10 ** (exponent % 3), exponent - exponent % 3
        if form == DECIMAL_SI:
            return f"{amount}{_DECIMAL_NAMES.get(exponent, '')}"
        return f"{amount}e{exponent}" if exponent else str(amount)

    def value(self) -> int:
        return _divide_up(self.nano, _UNIT)

    def milli_value(self) -> int:
        return _divide_up(self.nano, 10**6)

    def as_float(self) -> float:
        return self.nano / _UNIT

    def is_integer(self) -> bool:
        return self.nano % _UNIT == 0

    @property
    def is_zero(self) -> bool:
        return self.nano == 0

    def sign(self) -> int:
        return (self.nano > 0) - (self.nano < 0)

    def cmp(self, other: Quantity) -> int:
        return (self.nano > other.nano) - (self.nano < other.nano)

    def add(self, other: Quantity) -> Quantity:
        """A zero takes the other's format, so a sum started from nothing prints like its parts."""
        return Quantity(self.nano + other.nano, self.format if self.nano else other.format)

    def sub(self, other: Quantity) -> Quantity:
        return Quantity(self.nano - other.nano, self.format if self.nano else other.format)

    def neg(self) -> Quantity:
        return Quantity(-self.nano, self.format)

    def __add__(self, other: Quantity) -> Quantity:
        return self.add(other)

    def __sub__(self, other: Quantity) -> Quantity:
        return self.sub(other)

    def __neg__(self) -> Quantity:
        return self.neg()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nano == other.nano

    def __lt__(self, other: Quantity) -> bool:
        return self.nano < other.nano

    def __hash__(self) -> int:
        return hash(self.nano)

    def __bool__(self) -> bool:
        return self.nano != 0


ZERO = Quantity(0)


def parse(text: str | int | float) -> Quantity:
    """A quantity from its text, or from a number as JSON may have it; QuantityError if it is none."""
    return _parse(text if isinstance(text, str) else str(text))


def canonicalize(text: Any) -> str:
    """The text an API server stores and returns for this input."""
    return str(parse(text))


def from_int(value: int, form: str = DECIMAL_SI) -> Quantity:
    return Quantity(value * _UNIT, form)


def compare(first: str, second: str) -> int:
    return parse(first).cmp(parse(second))


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    if text == "0":
        return Quantity(0, DECIMAL_SI, text)
    found = _split(text) if text else None
    if found is None:
        raise QuantityError(FORMAT_WRONG)
    sign, zeroes, whole, fraction, suffix = found.groups()
    base, exponent, form = _interpret(suffix)
    # Leading zeroes do not count as digits, except the one that stands for an empty number.
    digits = whole or "0"
    fraction = fraction or ""
    mantissa = int(digits + fraction)
    if sign == "-":
        mantissa = -mantissa
    if _fits_int64(digits, fraction, base, exponent):
        kept = _keeps_text(mantissa, digits, fraction, base, exponent)
        scaled = mantissa << exponent if base == 2 else mantissa
        power = (0 if base == 2 else exponent) - len(fraction)
        if -(2**63) < scaled < 2**63:
            bare = not (zeroes or whole or fraction or suffix)
            return Quantity(_shift(scaled, power - NANO), form, text if kept and not bare else None)
    if not (zeroes or whole or fraction):
        raise QuantityError(NUMERIC_WRONG)
    if base == 2:
        nano = _shift(mantissa << exponent, -len(fraction) - NANO)
        nano = max(-_MAX_INT64 * _UNIT, min(nano, _MAX_INT64 * _UNIT))
        return Quantity(nano, DECIMAL_SI if 0 < abs(nano) < _UNIT else form)
    return Quantity(_shift(mantissa, exponent - len(fraction) - NANO), form)


def _interpret(suffix: str) -> tuple[int, int, str]:
    if suffix in _DECIMAL_SUFFIXES:
        return 10, _DECIMAL_SUFFIXES[suffix], DECIMAL_SI
    if suffix in _BINARY_SUFFIXES:
        return 2, _BINARY_SUFFIXES[suffix], BINARY_SI
    found = _exponent(suffix)
    if found is None or int(found[1]) > _MAX_EXPONENT:
        raise QuantityError(SUFFIX_WRONG)
    return 10, max(int(found[1]), -_MAX_EXPONENT), DECIMAL_EXPONENT


def _fits_int64(digits: str, fraction: str, base: int, exponent: int) -> bool:
    """Whether upstream takes its short way, the only one on which the text as given is kept."""
    if base == 2:
        return not fraction and 15 - len(digits) - exponent * 3 // 10 - 1 >= 0
    return _MAX_DIGITS - len(digits) - len(fraction) >= 0 and exponent - len(fraction) >= NANO


def _keeps_text(mantissa: int, digits: str, fraction: str, base: int, exponent: int) -> bool:
    """Whether the text is surely canonical already; upstream's shortcut, which lets some others through."""
    if base == 2:
        return exponent % 10 == 0 and abs(mantissa) & 0x07 != 0
    shifted = digits + fraction
    # In Go the remainder of a negative number is negative, but zero is zero.
    return (exponent - len(fraction)) % 3 == 0 and not shifted.endswith("000") and shifted[0] != "0"


def _shift(mantissa: int, power: int) -> int:
    """mantissa * 10**power, rounded away from zero."""
    scale: int = 10 ** abs(power)
    return mantissa * scale if power >= 0 else _divide_up(mantissa, scale)


def _divide_up(number: int, divisor: int) -> int:
    return -(-number // divisor) if number >= 0 else number // divisor


def _strip(number: int, factor: int) -> tuple[int, int]:
    """Take out a factor as often as it divides."""
    times = 0
    while number % factor == 0:
        number //= factor
        times += 1
    return number, times
