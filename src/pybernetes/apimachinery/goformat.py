"""Values written as Go writes them, because clients compare and show those texts.

Upstream: Go's strconv.Quote, fmt's %v, encoding/json. Pure.
"""

from __future__ import annotations

import json
import math
from typing import Any

_QUOTE_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_JSON_HTML = {0x3C: "\\u003c", 0x3E: "\\u003e", 0x26: "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class Literal:
    """A bad value whose text is already as upstream prints it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def quote(text: str) -> str:
    """%q of a string."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quote_char(char) for char in text) + '"'


def _quote_char(char: str) -> str:
    if char in _QUOTE_ESCAPES:
        return _QUOTE_ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, kept by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def value(bad: object) -> str:
    """%v of a scalar."""
    if bad is None:
        return "<nil>"
    if bad is True:
        return "true"
    if bad is False:
        return "false"
    if isinstance(bad, float):
        return _float(bad, low=-4, high=6)
    return str(bad)


def to_json(bad: Any) -> str:
    """encoding/json's text of JSON-like data: no blanks, HTML characters escaped, keys in the order given."""
    if bad is None:
        return "null"
    if isinstance(bad, str):
        return json.dumps(bad, ensure_ascii=False).translate(_JSON_HTML)
    if isinstance(bad, bool | int):
        return value(bad)
    if isinstance(bad, float):
        return _float(bad, low=-6, high=21).replace("e-0", "e-")
    if isinstance(bad, dict):
        return "{" + ",".join(f"{to_json(str(key))}:{to_json(item)}" for key, item in bad.items()) + "}"
    if isinstance(bad, list | tuple):
        return "[" + ",".join(map(to_json, bad)) + "]"
    return str(bad)


def to_sorted_json(bad: Any) -> str:
    """encoding/json's text of a Go map: keys in order at every level."""
    if isinstance(bad, dict):
        return "{" + ",".join(f"{to_json(str(key))}:{to_sorted_json(bad[key])}" for key in sorted(bad)) + "}"
    if isinstance(bad, list | tuple):
        return "[" + ",".join(map(to_sorted_json, bad)) + "]"
    return to_json(bad)


def _float(number: float, *, low: int, high: int) -> str:
    """The shortest digits that read back the same, with an exponent outside 10**low..10**high."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    digits, _, tail = repr(number).partition("e")
    sign = "-" if digits.startswith("-") else ""
    whole, _, fraction = digits.lstrip("-").partition(".")
    exponent = int(tail or 0)
    mantissa = (whole + fraction).lstrip("0")
    point = len(whole) + exponent - (len(whole + fraction) - len(mantissa))
    mantissa = mantissa.rstrip("0")
    if point - 1 < low or point - 1 >= high:
        rest = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
        return f"{sign}{mantissa[0]}{rest}e{'-' if point <= 0 else '+'}{abs(point - 1):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{mantissa}"
    if point >= len(mantissa):
        return f"{sign}{mantissa}{'0' * (point - len(mantissa))}"
    return f"{sign}{mantissa[:point]}.{mantissa[point:]}"
