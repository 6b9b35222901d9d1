"""JSON values of the types that read themselves: each function gives the canonical value or says what is wrong.

Upstream: UnmarshalJSON of metav1.Time, MicroTime, Duration, resource.Quantity, intstr.IntOrString; Go's base64. Pure.
"""

import binascii
import re
from collections.abc import Callable
from typing import Any

from pybernetes.api.codec import failure
from pybernetes.apimachinery import quantity, timestamps

_plain_time = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ").fullmatch
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


class WrongType(Exception):
    """A value of the wrong JSON type; Go names the type it tried. A type that reads itself ends the reading there."""

    def __init__(self, value: Any, go_type: str, *, literal: bool = False) -> None:
        super().__init__(go_type)
        self.value = value
        self.go_type = go_type
        self.literal = literal


class Unreadable(Exception):
    """A text that does not say what its type needs; Go reads on, and reports the first such."""


def time(value: Any) -> str:
    if value.__class__ is not str:
        raise WrongType(value, "string")
    if _plain_time(value):
        text: str = value
        return text
    try:
        return timestamps.canonical_time(value)
    except timestamps.TimeError as error:
        raise failure.DecodeError(str(error)) from None


def micro_time(value: Any) -> str:
    if value.__class__ is not str:
        raise WrongType(value, "string")
    try:
        return timestamps.canonical_micro_time(value)
    except timestamps.TimeError as error:
        raise failure.DecodeError(str(error)) from None


def duration(value: Any) -> str:
    if value.__class__ is not str:
        raise WrongType(value, "string")
    try:
        return timestamps.format_duration(timestamps.parse_duration(value))
    except timestamps.TimeError as error:
        raise failure.DecodeError(str(error)) from None


def amount(value: Any) -> str:
    """A quantity, written as a string or as a number."""
    if value.__class__ not in (str, int, float):
        raise failure.DecodeError(quantity.FORMAT_WRONG)
    try:
        return quantity.canonicalize(value.strip() if value.__class__ is str else value)
    except quantity.QuantityError as error:
        raise failure.DecodeError(str(error)) from None


def int_or_string(value: Any) -> int | str:
    if value.__class__ is str:
        text: str = value
        return text
    if value.__class__ is not int or not -(1 << 31) <= value < 1 << 31:
        raise WrongType(value, "int32", literal=value.__class__ in (int, float))
    number: int = value
    return number


def double(value: Any) -> int | float:
    if value.__class__ not in (int, float):
        raise WrongType(value, "float64")
    number: int | float = value
    return number


def base64_bytes(value: Any) -> str:
    if value.__class__ is list:
        return _byte_list(value)
    if value.__class__ is not str:
        raise WrongType(value, "[]uint8")
    text: str = value
    try:
        binascii.a2b_base64(text, strict_mode=True)
        return text
    except (binascii.Error, ValueError):
        pass
    stripped = text.replace("\r", "").replace("\n", "")
    try:
        return binascii.b2a_base64(binascii.a2b_base64(stripped, strict_mode=True), newline=False).decode()
    except (binascii.Error, ValueError):
        raise Unreadable(f"illegal base64 data at input byte {_wrong_byte(text)}") from None


def _byte_list(value: list[Any]) -> str:
    """Go takes the numbers of the bytes, too."""
    for item in value:
        if item.__class__ is not int or not 0 <= item < 256:
            raise WrongType(item, "uint8", literal=item.__class__ in (int, float))
    return binascii.b2a_base64(bytes(value), newline=False).decode()


def _wrong_byte(text: str) -> int:
    """Where Go's decoder gives up: at a byte that does not belong there, or at the start of a last group cut short."""
    group = start = 0
    for index, char in enumerate(text):
        if char in "\r\n":
            continue
        if char not in _BASE64:
            if char != "=" or group < 2:
                return index
            break
        start = index if group == 0 else start
        group = (group + 1) % 4
    return start if group else len(text)


# The message that a type is, what reads it, and what null stands for in a list or map.
CONVERTERS: dict[str, tuple[Callable[[Any], Any], Callable[[], Any]]] = {
    "Time": (time, lambda: None),
    "MicroTime": (micro_time, lambda: None),
    "Duration": (duration, lambda: "0s"),
    "Quantity": (amount, lambda: "0"),
    "IntOrString": (int_or_string, int),
}
