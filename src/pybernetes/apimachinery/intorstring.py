"""Values that are a number or a percentage of one: maxSurge, maxUnavailable, minAvailable; also ports by name.

On the wire, and here, such a value is an int or a str.

Upstream: pkg/util/intstr (apimachinery). Pure.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from pybernetes.apimachinery import goformat

IntOrString: TypeAlias = int | str

_integer = re.compile(r"[+-]?[0-9]+", re.ASCII).fullmatch
_MAX_INT32 = 2**31 - 1


class IntOrStringError(ValueError):
    """The value is neither a number nor a percentage; the text is upstream's."""


def parse(text: str) -> IntOrString:
    """A number if the text is one that fits 32 bits, else the text."""
    if _integer(text) and -_MAX_INT32 - 1 <= int(text) <= _MAX_INT32:
        return int(text)
    return text


def int_value(value: IntOrString) -> int:
    """The number, also out of a string; 0 if it holds none."""
    if isinstance(value, int):
        return value
    return int(value) if _integer(value) else 0


def is_percent(value: IntOrString) -> bool:
    return isinstance(value, str) and value.endswith("%")


def percent(value: IntOrString) -> int | None:
    """The number before the percent sign; None if there is no such thing."""
    if isinstance(value, str) and value.endswith("%") and _integer(value[:-1]):
        return int(value[:-1])
    return None


def scaled(value: IntOrString | None, total: int, *, round_up: bool) -> int:
    """A number as it is, a percentage of the total. Upstream: GetScaledValueFromIntOrPercent."""
    if value is None:
        raise IntOrStringError("nil value for IntOrString")
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise IntOrStringError("invalid value for IntOrString: invalid type: string is not a percentage")
    number = value[:-1]
    if not _integer(number):
        text = goformat.quote(number)
        raise IntOrStringError(
            f"invalid value for IntOrString: invalid value {goformat.quote(value)}: "
            f"strconv.Atoi: parsing {text}: invalid syntax"
        )
    product = int(number) * total
    return -(-product // 100) if round_up else product // 100
