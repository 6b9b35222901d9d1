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


class IntOrStringError(ValueError):
    """The value is neither a number nor a percentage; the text is upstream's."""


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
