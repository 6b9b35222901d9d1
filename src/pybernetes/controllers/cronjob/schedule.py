"""Schedules: five fields, `@daily` and its like, `@every 90s`, in a time zone.

    minute hour day-of-month month day-of-week      each: * ? 5 1-5 */10 1-20/2 MON-FRI JAN and lists of these

When both days are restricted either of them is enough. An hour that a clock change skips is skipped; one that it
repeats is met twice.
Upstream: robfig/cron/v3. Pure.
"""

import dataclasses
import datetime
import zoneinfo
from typing import Protocol

from pybernetes.apimachinery import timestamps

_MONTHS = {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "apr": 4,
    "may": 5,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEARS = 5
"""A schedule that is not met for so long will never be."""


class ScheduleError(ValueError):
    """The text is no schedule."""


class Schedule(Protocol):
    """When something happens."""

    def next(self, after: datetime.datetime) -> datetime.datetime | None:
        """The first time after that; None if there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Every:
    """At a constant distance."""

    seconds: int

    def next(self, after: datetime.datetime) -> datetime.datetime | None:
        """That much later, in whole seconds."""
        return after.replace(microsecond=0) + datetime.timedelta(seconds=self.seconds)


@dataclasses.dataclass(frozen=True, slots=True)
class Fields:
    """At all times that match every field."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    """Whether day of month or day of week is a star: then the other one alone decides."""
    zone: datetime.tzinfo

    def next(self, after: datetime.datetime) -> datetime.datetime | None:
        """Go forward by the largest unit that cannot match."""
        minute = datetime.timedelta(minutes=1)
        local = after.astimezone(self.zone).replace(second=0, microsecond=0)
        local = self._plus(local, minute)
        last = local.year + _YEARS
        while local.year <= last:
            if local.month not in self.months:
                first = local.replace(day=1, hour=0, minute=0, fold=0)
                local = (first + datetime.timedelta(days=32)).replace(day=1)
            elif not self._day_matches(local):
                local = local.replace(hour=0, minute=0, fold=0) + datetime.timedelta(days=1)
            elif local.hour not in self.hours:
                local = self._plus(local.replace(minute=0), datetime.timedelta(hours=1))
            elif local.minute not in self.minutes:
                local = self._plus(local, minute)
            else:
                return local.astimezone(datetime.UTC)
        return None

    def _day_matches(self, local: datetime.datetime) -> bool:
        by_month, by_week = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return by_month and by_week if self.any_day else by_month or by_week

    def _plus(self, local: datetime.datetime, step: datetime.timedelta) -> datetime.datetime:
        """Later in real time, whatever the clock on the wall does meanwhile."""
        return (local.astimezone(datetime.UTC) + step).astimezone(self.zone)


def parse(text: str, time_zone: str | None = None) -> Schedule:
    """A schedule in its zone (UTC if it names none). Raises ScheduleError."""
    zone: datetime.tzinfo = load_zone(time_zone) if time_zone is not None else datetime.UTC
    text = text.strip()
    if text.startswith(("TZ=", "CRON_TZ=")):
        named, _, text = text.partition(" ")
        zone, text = load_zone(named.partition("=")[2]), text.strip()
    if text.startswith("@every "):
        try:
            seconds = timestamps.duration_seconds(text.removeprefix("@every "))
        except ValueError as error:
            raise ScheduleError(f"failed to parse duration {text}: {error}") from error
        return Every(max(1, int(seconds)))
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    parts = text.split()
    if len(parts) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    return Fields(
        minutes=_field(parts[0], 0, 59),
        hours=_field(parts[1], 0, 23),
        days=_field(parts[2], 1, 31),
        months=_field(parts[3], 1, 12, _MONTHS),
        weekdays=_field(parts[4], 0, 6, _DAYS),
        any_day=any(one[0] in "*?" for part in (parts[2], parts[4]) for one in part.split(",") if _is_star(one)),
        zone=zone,
    )


def load_zone(name: str) -> datetime.tzinfo:
    """A time zone by name. Raises ScheduleError."""
    if name in ("", "UTC"):
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error


def _is_star(part: str) -> bool:
    head, _, step = part.partition("/")
    return head in ("*", "?") and step in ("", "1")


def _field(text: str, low: int, high: int, named: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        found |= _range(part, low, high, named or {})
    return frozenset(found)


def _range(text: str, low: int, high: int, named: dict[str, int]) -> set[int]:
    head, slash, step_text = text.partition("/")
    first_text, dash, last_text = head.partition("-")
    if first_text in ("*", "?"):
        if dash:
            raise ScheduleError(f"failed to parse int from {text}")
        first, last = low, high
    else:
        first = _number(first_text, named)
        last = _number(last_text, named) if dash else first
    step = 1
    if slash:
        step = _number(step_text, {})
        if not dash and first_text not in ("*", "?"):
            last = high
    if first < low:
        raise ScheduleError(f"beginning of range ({first}) below minimum ({low}): {text}")
    if last > high:
        raise ScheduleError(f"end of range ({last}) above maximum ({high}): {text}")
    if first > last:
        raise ScheduleError(f"beginning of range ({first}) beyond end of range ({last}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return {*range(first, last + 1, step)}


def _number(text: str, named: dict[str, int]) -> int:
    if (known := named.get(text.lower())) is not None:
        return known
    if not text.isdecimal():
        raise ScheduleError(f"failed to parse int from {text}")
    return int(text)


# when to start


@dataclasses.dataclass(frozen=True, slots=True)
class Missed:
    """The latest time that is due and was not served, and whether that are suspiciously many."""

    earliest: datetime.datetime
    latest: datetime.datetime | None = None
    count: int = 0

    @property
    def many(self) -> bool:
        """More than a hundred: a clock jumped, or nobody looked for long."""
        return self.count > 100


def most_recent(schedule: Schedule, earliest: datetime.datetime, now: datetime.datetime) -> Missed:
    """What is due at `now` if everything up to `earliest` was served. Raises ScheduleError for impossible ones."""
    first = schedule.next(earliest)
    if first is None or now < first:
        return Missed(earliest)
    second = schedule.next(first)
    if second is None or now < second:
        return Missed(earliest, first)
    distance = round((second - first).total_seconds())
    if distance < 1:
        raise ScheduleError("time difference between two schedules is less than 1 second")
    count = int((now - first).total_seconds()) // distance + 1
    latest = None
    at = schedule.next(first + datetime.timedelta(seconds=(count - 2) * distance))
    while at is not None and at <= now:
        latest, at = at, schedule.next(at)
    return Missed(earliest, latest, count)
