"""When a CronJob is due, and how often it was missed.

Upstream: pkg/controller/cronjob/utils.go (mostRecentScheduleTime). Pure.
"""

import dataclasses
import datetime

from pybernetes.api import cron


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


def most_recent(schedule: cron.Schedule, earliest: datetime.datetime, now: datetime.datetime) -> Missed:
    """What is due at `now` if everything up to `earliest` was served. Raises cron.ScheduleError for impossible ones."""
    first = schedule.next(earliest)
    if first is None or now < first:
        return Missed(earliest)
    second = schedule.next(first)
    if second is None or now < second:
        return Missed(earliest, first)
    distance = round((second - first).total_seconds())
    if distance < 1:
        raise cron.ScheduleError("time difference between two schedules is less than 1 second")
    count = int((now - first).total_seconds()) // distance + 1
    latest = None
    at = schedule.next(first + datetime.timedelta(seconds=(count - 2) * distance))
    while at is not None and at <= now:
        latest, at = at, schedule.next(at)
    return Missed(earliest, latest, count)
