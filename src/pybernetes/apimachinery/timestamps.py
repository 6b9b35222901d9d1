"""Times and durations as the API writes them.

A `Time` has seconds, a `MicroTime` always six digits, both in UTC; Go durations are like `1h30m0.5s`.

Upstream: pkg/apis/meta/v1 time.go, micro_time.go, duration.go; Go's time package. Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_duration_part = re.compile(r"(\d*)(?:(\.)(\d*))?([^\d.]*)", re.ASCII).match
_NANOSECOND = 1
_MICROSECOND = 1_000
_MILLISECOND = 1_000_000
_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_UNITS = {
    "ns": _NANOSECOND,
    "us": _MICROSECOND,
    "µs": _MICROSECOND,
    "μs": _MICROSECOND,
    "ms": _MILLISECOND,
    "s": _SECOND,
    "m": _MINUTE,
    "h": _HOUR,
}
_MAX = 2**63 - 1
_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
#: The elements of both layouts in order: how Go names them, what they look like, what is out of range if too large.
_ELEMENTS = tuple(
    (name, re.compile(regex, re.ASCII).match, low, high, what)
    for name, regex, low, high, what in (
        ("2006", r"\d{4}", 0, 9999, "year"),
        ("-", "-", None, None, ""),
        ("01", r"\d\d", 1, 12, "month"),
        ("-", "-", None, None, ""),
        ("02", r"\d\d", 0, 99, "day"),
        ("T", "T", None, None, ""),
        ("15", r"\d\d?", 0, 23, "hour"),
        (":", ":", None, None, ""),
        ("04", r"\d\d", 0, 59, "minute"),
        (":", ":", None, None, ""),
        ("05", r"\d\d", 0, 59, "second"),
    )
)
_fraction = re.compile(r"[.,]\d+", re.ASCII).match
_micro_fraction = re.compile(r"\.\d{6}", re.ASCII).match
_zone = re.compile(r"Z|([+-])(\d\d):(\d\d)", re.ASCII).match
_MAX_UNSIGNED = 2**63


class TimeError(ValueError):
    """The text is no time or no duration."""


def parse(text: str) -> datetime:
    """A Time, aware, in UTC; any digits after the seconds are read down to microseconds."""
    return _parse(text, _LAYOUT)


def parse_micro(text: str) -> datetime:
    """A MicroTime, which must have exactly six digits after the seconds."""
    return _parse(text, _MICRO_LAYOUT)


def _parse(text: str, layout: str) -> datetime:
    """As Go's time.Parse with one of the two layouts, error texts included."""
    position = 0
    numbers: list[int] = []

    def failure(element: str) -> TimeError:
        rest = _go_quote(text[position:])
        return TimeError(f'parsing time {_go_quote(text)} as "{layout}": cannot parse {rest} as "{element}"')

    for name, match, low, high, what in _ELEMENTS:
        found = match(text, position)
        if found is None:
            raise failure(name)
        position = found.end()
        if low is not None and high is not None:
            numbers.append(int(found[0]))
            if not low <= numbers[-1] <= high:
                raise TimeError(f"parsing time {_go_quote(text)}: {what} out of range")
    fraction = (_micro_fraction if layout == _MICRO_LAYOUT else _fraction)(text, position)
    if fraction is None and layout == _MICRO_LAYOUT:
        raise failure(".000000")
    position = fraction.end() if fraction else position
    zone = _zone(text, position)
    if zone is None:
        raise failure("Z07:00")
    if zone.end() != len(text):
        raise TimeError(f"parsing time {_go_quote(text)}: extra text: {_go_quote(text[zone.end() :])}")
    offset = timedelta(hours=int(zone[2]), minutes=int(zone[3])) if zone[1] else timedelta()
    micros = int(fraction[0][1:7].ljust(6, "0")) if fraction else 0
    try:
        local = datetime(*numbers, micros, tzinfo=timezone(-offset if zone[1] == "-" else offset))  # type: ignore[misc,arg-type]
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeError(f"parsing time {_go_quote(text)}: day out of range") from None


def _go_quote(text: str) -> str:
    """The quoting of Go's time package: bytes beyond ASCII in hexadecimal."""
    shown = []
    for char in text:
        if char in '"\\':
            shown.append(f"\\{char}")
        elif " " <= char < "\x80":
            shown.append(char)
        else:
            shown += [f"\\x{byte:02x}" for byte in char.encode()]
    return f'"{"".join(shown)}"'


def format_time(moment: datetime) -> str:
    """A Time: whole seconds."""
    utc = moment.astimezone(UTC)
    return f"{utc.year:04d}-{utc.month:02d}-{utc.day:02d}T{utc.hour:02d}:{utc.minute:02d}:{utc.second:02d}Z"


def format_micro_time(moment: datetime) -> str:
    """A MicroTime: six digits, always."""
    return f"{format_time(moment)[:-1]}.{moment.microsecond:06d}Z"


def from_unix(seconds: float) -> str:
    """A Time from seconds since 1970, as clocks give them."""
    return format_time(datetime.fromtimestamp(seconds, UTC))


def to_unix(text: str) -> float:
    return parse(text).timestamp()


def canonical_time(text: str) -> str:
    """As an API server writes back a Time it was given."""
    return format_time(parse(text))


def canonical_micro_time(text: str) -> str:
    """As an API server writes back a MicroTime it was given."""
    return format_micro_time(parse_micro(text))


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration; TimeError with Go's text if it is none."""
    quoted = _go_quote(text)
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0
    if not rest:
        raise TimeError(f"time: invalid duration {quoted}")
    total = 0
    position = 0
    while position < len(rest):
        found = _duration_part(rest, position)
        whole, fraction, unit = (found[1], found[3] or "", found[4]) if found else ("", "", "")
        if found is None or not (whole or fraction) or int(whole or 0) > _MAX_UNSIGNED:
            raise TimeError(f"time: invalid duration {quoted}")
        if not unit:
            raise TimeError(f"time: missing unit in duration {quoted}")
        if unit not in _UNITS:
            raise TimeError(f"time: unknown unit {_go_quote(unit)} in duration {quoted}")
        scale = _UNITS[unit]
        # Go multiplies the fraction as a floating-point number and drops digits beyond 63 bits.
        digits = fraction[:18]
        total += int(whole or 0) * scale + int(int(digits or 0) * (scale / 10 ** len(digits)))
        if total > _MAX_UNSIGNED:
            raise TimeError(f"time: invalid duration {quoted}")
        position = found.end()
    if text.startswith("-"):
        return -total
    if total > _MAX:
        raise TimeError(f"time: invalid duration {quoted}")
    return total


def format_duration(nanoseconds: int) -> str:
    """As Go prints it: `1h0m0s`, `1.5s`, `100ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    amount = abs(nanoseconds)
    if amount < _SECOND:
        for unit, scale in (("ns", _NANOSECOND), ("µs", _MICROSECOND), ("ms", _MILLISECOND)):
            if amount < scale * 1000:
                return f"{sign}{_decimal(amount, scale)}{unit}"
    minutes, rest = divmod(amount, _MINUTE)
    text = f"{_decimal(rest, _SECOND)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def duration_seconds(text: str) -> float:
    """A Go duration in seconds."""
    return parse_duration(text) / _SECOND


def human_duration(seconds: float) -> str:
    """The age of things in tables: two units at most, coarser the older. Upstream: util/duration.HumanDuration."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    if total < 60 * 2:
        return f"{total}s"
    minutes = total // 60
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 60 * 3:
        return f"{minutes}m"
    hours = total // 3600
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if hours < 24 * 365 * 8 else f"{years}y"


def _two(first: int, unit: str, second: int, finer: str) -> str:
    return f"{first}{unit}{second}{finer}" if second else f"{first}{unit}"


def _decimal(amount: int, scale: int) -> str:
    whole, rest = divmod(amount, scale)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).rjust(len(str(scale)) - 1, '0').rstrip('0')}"
