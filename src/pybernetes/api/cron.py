"""Schedules of CronJobs: five fields, `@daily` and its like, `@every 90s`, in a time zone.

    minute hour day-of-month month day-of-week      each: * ? 5 1-5 */10 1-20/2 MON-FRI JAN and lists of these

When both days are restricted either of them is enough. An hour that a clock change skips is skipped; one that it
repeats is met twice.
Upstream: github.com/robfig/cron (ParseStandard), pkg/util/parsers. Pure, but for the list of time zones.
"""

import dataclasses
import datetime
import zoneinfo
from typing import Protocol

from pybernetes.apimachinery import timestamps

MONTHS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)  # noqa: SIM905
}
DAYS = {name: number for number, name in enumerate("sun mon tue wed thu fri sat".split())}  # noqa: SIM905
BOUNDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, MONTHS),
    (0, 6, DAYS),
)
DESCRIPTORS = {
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
    """The text is no schedule; the message is upstream's."""


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
        if not (self.minutes and self.hours and self.months):
            return None  # a field of commas alone is a field
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


def check(schedule: str) -> str:
    """What is wrong with a schedule, "" for nothing."""
    try:
        parse(schedule)
    except ScheduleError as error:
        return str(error)
    return ""


def parse(text: str, time_zone: str | None = None) -> Schedule:
    """A schedule in its zone (UTC if it names none). Raises ScheduleError."""
    zone: datetime.tzinfo = load_zone(time_zone) if time_zone is not None else datetime.UTC
    if text.startswith(("TZ=", "CRON_TZ=")):
        name, space, rest = text.partition("=")[2].partition(" ")
        if not space:
            raise ScheduleError("runtime error: slice bounds out of range [:-1]")
        try:
            zone, text = load_zone(name), rest.strip()
        except ScheduleError as error:
            raise ScheduleError(f"provided bad location {name}: {error}") from error
    if text.startswith("@every "):
        try:
            seconds = timestamps.duration_seconds(text.removeprefix("@every "))
        except ValueError as error:
            raise ScheduleError(f"failed to parse duration {text}: {error}") from error
        return Every(max(1, int(seconds)))
    if text.startswith("@"):
        if text not in DESCRIPTORS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = DESCRIPTORS[text]
    fields = text.split()
    if len(fields) != len(BOUNDS):
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    parts = [[part for part in field.split(",") if part] for field in fields]
    minutes, hours, days, months, weekdays = (
        frozenset[int]().union(*(_range(one, *bounds) for one in given))
        for given, bounds in zip(parts, BOUNDS, strict=True)
    )
    any_day = any(map(_is_star, (*parts[2], *parts[4])))
    return Fields(minutes, hours, days, months, weekdays, any_day=any_day, zone=zone)


def load_zone(name: str) -> datetime.tzinfo:
    """A time zone by name. Raises ScheduleError."""
    if name in ("", "UTC", "Local"):
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error


def _is_star(part: str) -> bool:
    head, _, step = part.partition("/")
    return head in ("*", "?") and step in ("", "1")


def _range(text: str, low: int, high: int, names: dict[str, int]) -> range:
    span, *steps = text.split("/")
    ends = span.split("-")
    if ends[0] in ("*", "?"):
        start, end = low, high
    else:
        start = _number(ends[0], names)
        if len(ends) > 2:
            raise ScheduleError(f"too many hyphens: {text}")
        end = _number(ends[1], names) if len(ends) == 2 else start
    step = 1
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    if steps:
        step = _number(steps[0], {})
        if len(ends) == 1:
            end = high
    if start < low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise ScheduleError(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step)


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ScheduleError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
