"""CronJobs: a schedule, a time zone, a template of Jobs.

Upstream: pkg/apis/batch/validation (ValidateCronJob…). Pure, but for the list of time zones.
"""

import re

from pybernetes.api import cron
from pybernetes.api.validation import formats, job
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

POLICIES = ("Allow", "Forbid", "Replace")
LONGEST_NAME = 52
_zone_part = re.compile(r"[A-Za-z.\-_0-9+]{1,14}").fullmatch


def cron_job(found: fieldpath.ErrorList, obj: Object, old: Object | None = None) -> None:
    """A CronJob."""
    spec, before = obj.get("spec") or {}, (old or {}).get("spec") or {}
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        found.append(fieldpath.required("spec.schedule"))
    else:
        _schedule(found, schedule, zone, "TZ" in (before.get("schedule") or ""))
    formats.not_negative(found, "spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None and (old is None or before.get("timeZone") != zone):
        _zone(found, zone)
    formats.one_of(found, "spec.concurrencyPolicy", spec.get("concurrencyPolicy"), POLICIES)
    template = spec.get("jobTemplate") or {}
    same = old is not None and template == before.get("jobTemplate")
    inner = template.get("spec") or {}
    if not same:
        job.job_spec(found, "spec.jobTemplate.spec", inner)
    if inner.get("selector") is not None:
        text = "`selector` will be auto-generated"
        found.append(fieldpath.invalid("spec.jobTemplate.spec.selector", inner["selector"], text))
    if inner.get("manualSelector"):
        place = "spec.jobTemplate.spec.manualSelector"
        found.append(fieldpath.not_supported(place, True, ("nil", "false")))
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        formats.not_negative(found, f"spec.{field}", spec.get(field))
    name = obj["metadata"].get("name") or ""
    if old is None and len(name) > LONGEST_NAME:
        found.append(fieldpath.invalid("metadata.name", name, f"must be no more than {LONGEST_NAME} characters"))


def _schedule(found: fieldpath.ErrorList, schedule: str, zone: str | None, zone_before: bool) -> None:
    wrong = cron.check(schedule)
    if wrong:
        found.append(fieldpath.invalid("spec.schedule", schedule, wrong))
    if "TZ" in schedule and zone_before and zone is not None:
        text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        found.append(fieldpath.invalid("spec.schedule", schedule, text))
    elif "TZ" in schedule and not zone_before:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        found.append(fieldpath.invalid("spec.schedule", schedule, text))


def _zone(found: fieldpath.ErrorList, zone: str) -> None:
    place = "spec.timeZone"
    if not zone:
        found.append(fieldpath.invalid(place, zone, "timeZone must be nil or non-empty string"))
    elif any(part in (".", "..") or part.startswith("-") or not _zone_part(part) for part in zone.split("/")):
        found.append(fieldpath.invalid(place, zone, f"unknown time zone {zone}"))
    elif zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        found.append(fieldpath.invalid(place, zone, text))
    else:
        try:
            cron.load_zone(zone)
        except cron.ScheduleError as error:
            found.append(fieldpath.invalid(place, zone, str(error)))
