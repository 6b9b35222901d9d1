"""The string formats that schemas of custom resources may ask for. Pure.

Upstream: kube-openapi pkg/validation/strfmt, apiextensions-apiserver pkg/apiserver/validation/formats.go.
"""

import base64
import datetime
import email.utils
import ipaddress
import re
from collections.abc import Callable
from typing import Any

import re2

from pybernetes.apimachinery import names, timestamps

Check = Callable[[str], bool]

_HEX4 = "[0-9a-f]{4}-?"
_BYTE = r"(?:0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"
_SCALA_UNITS = "ns|nano|micro|µs|us|ms|milli|sec|s$|min|m$|hour|hr|h$|day|d$|week|wk|w$"


def _pattern(text: str) -> Check:
    """Strings that the pattern matches as a whole or in part, as it says itself."""
    compiled = re2.compile(text)
    return lambda value: compiled.search(value) is not None


def _parses(parse: Callable[[str], Any]) -> Check:
    def check(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return check


def _uuid(third: str = _HEX4, fourth: str = _HEX4) -> Check:
    return _pattern(f"(?i)^[0-9a-f]{{8}}-?{_HEX4}{third}{fourth}[0-9a-f]{{12}}$")


_hostname = _pattern(
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)


def _is_hostname(value: str) -> bool:
    return _hostname(value) and len(value) <= 255 and all(len(part) <= 63 for part in value.split("."))


def _is_date(value: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        return False
    return _parses(datetime.date.fromisoformat)(value)


_is_time = _pattern(r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$")


def _is_date_time(value: str) -> bool:
    date, separator, time = value.lower().partition("t")
    if not separator or not _is_date(date) or not _is_time(time):
        return False
    hours, minutes, seconds = (int(time[at : at + 2]) for at in (0, 3, 6))
    return hours <= 23 and minutes <= 59 and seconds <= 59


def _is_duration(value: str) -> bool:
    if _parses(timestamps.parse_duration)(value):
        return True
    return re.search(rf"\d+\s*(?:{_SCALA_UNITS})", value.lower()) is not None


def _is_isbn10(value: str) -> bool:
    digits = re.sub(r"[\s-]", "", value)
    if not re.fullmatch(r"[0-9]{9}[0-9X]", digits):
        return False
    total = sum(weight * (10 if digit == "X" else int(digit)) for weight, digit in enumerate(digits, 1))
    return total % 11 == 0


def _is_isbn13(value: str) -> bool:
    digits = re.sub(r"[\s-]", "", value)
    if not re.fullmatch(r"[0-9]{13}", digits):
        return False
    return sum(int(digit) * (1, 3)[at % 2] for at, digit in enumerate(digits)) % 10 == 0


_card = _pattern(
    r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$"
)


def _is_credit_card(value: str) -> bool:
    digits = re.sub(r"[^0-9]", "", value)
    doubled = (int(digit) * (1, 2)[at % 2] for at, digit in enumerate(reversed(digits)))
    return _card(digits) and sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0


def _is_uri(value: str) -> bool:
    """What Go's url.ParseRequestURI takes: absolute, or a path from the root."""
    if re.search(r"[\x00-\x20\x7f]", value) or re.search(r"%(?![0-9a-fA-F]{2})", value):
        return False
    return value.startswith("/") or re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", value) is not None


def _is_email(value: str) -> bool:
    address = email.utils.parseaddr(value)[1]
    return re.fullmatch(r"[^@\s]+@[^@\s]+", address) is not None


CHECKS: dict[str, Check] = {
    "bsonobjectid": _pattern("^[0-9a-fA-F]{24}$"),
    "byte": _parses(lambda value: base64.b64decode(value, validate=True)),
    "cidr": lambda value: "/" in value and _parses(lambda text: ipaddress.ip_network(text, strict=False))(value),
    "creditcard": _is_credit_card,
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": _is_duration,
    "email": _is_email,
    "hexcolor": _pattern("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    "hostname": _is_hostname,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "isbn": lambda value: _is_isbn10(value) or _is_isbn13(value),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8slongname": lambda value: not names.is_dns1123_subdomain(value),
    "k8sshortname": lambda value: not names.is_dns1123_label(value),
    "mac": _pattern("^(?:[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}|[0-9a-fA-F]{4}([.][0-9a-fA-F]{4}){2})$"),
    "password": lambda value: True,
    "rgbcolor": _pattern(rf"^rgb\(\s*{_BYTE}\s*,\s*{_BYTE}\s*,\s*{_BYTE}\s*\)$"),
    "ssn": _pattern(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
    "uri": _is_uri,
    "uuid": _uuid(),
    "uuid3": _uuid(third="3[0-9a-f]{3}-?"),
    "uuid4": _uuid(third="4[0-9a-f]{3}-?", fourth="[89ab][0-9a-f]{3}-?"),
    "uuid5": _uuid(third="5[0-9a-f]{3}-?", fourth="[89ab][0-9a-f]{3}-?"),
}
_OF_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def known(kind: str, name: str) -> bool:
    """Whether a format means anything for a type; others are as good as not there."""
    if kind in ("", "string"):
        return name.replace("-", "") in CHECKS
    return name in _OF_NUMBERS.get(kind, ())


def matches(name: str, value: str) -> bool:
    """Whether a string has that (known) format."""
    return CHECKS[name.replace("-", "")](value)
