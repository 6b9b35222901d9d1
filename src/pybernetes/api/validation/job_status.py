"""What a Job's controller (ours or somebody's own) may write into its status.

Each rule looks only at what the write changes, so that an odd status from before does not block the next one.

Upstream: pkg/apis/batch/validation (ValidateJobUpdateStatus), pkg/registry/batch/job/strategy.go. Pure.
"""

from typing import Any

from pybernetes.api.validation import formats, job
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, timestamps

OMIT = fieldpath.OMIT_VALUE
TERMINAL = ("Failed", "Complete", "FailureTarget")


def _is(status: Object, kind: str, value: str = "True") -> bool:
    return any(one.get("type") == kind and one.get("status") == value for one in status.get("conditions") or ())


def _uncounted(found: fieldpath.ErrorList, status: Object) -> None:
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for index, uid in enumerate((status.get("uncountedTerminatedPods") or {}).get(field) or ()):
            place = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                found.append(fieldpath.invalid(place, uid, "must not be empty"))
            elif uid in seen:
                found.append(fieldpath.duplicate(place, uid))
            seen.add(uid)


class _Write:
    """A write of the status: both states, and which parts differ."""

    def __init__(self, found: fieldpath.ErrorList, new: Object, old: Object) -> None:
        self.spec = new.get("spec") or {}
        self.new, self.old = new.get("status") or {}, old.get("status") or {}
        self.found = found

    def changed(self, *fields: str) -> bool:
        return any((self.new.get(field) or None) != (self.old.get(field) or None) for field in fields)

    def turned(self, *kinds: str) -> bool:
        return any(_is(self.new, kind) != _is(self.old, kind) for kind in kinds)

    def refuse(self, field: str, value: Any, text: str) -> None:
        self.found.append(fieldpath.invalid(f"status.{field}", value, text))

    @property
    def finished(self) -> bool:
        return _is(self.new, "Complete") or _is(self.new, "Failed")

    @property
    def just_finished(self) -> bool:
        return self.finished != (_is(self.old, "Complete") or _is(self.old, "Failed"))


def job_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A write of the status."""
    write = _Write(found, new, old)
    for field in ("active", "succeeded", "failed", "ready", "terminating"):
        formats.not_negative(write.found, f"status.{field}", write.new.get(field))
    _uncounted(write.found, write.new)
    _conditions(write)
    _times(write)
    _ends(write)
    _indexes(write)
    _together(write)
    _history(write)


def _conditions(write: _Write) -> None:
    complete, failed = _is(write.new, "Complete"), _is(write.new, "Failed")
    if write.turned("Complete", "Failed") and complete and failed:
        write.refuse("conditions", OMIT, "cannot set Complete=True and Failed=true conditions")
    if write.turned("Complete", "FailureTarget") and complete and _is(write.new, "FailureTarget"):
        write.refuse("conditions", OMIT, "cannot set Complete=True and FailureTarget=true conditions")


def _times(write: _Write) -> None:
    start, end, complete = write.new.get("startTime"), write.new.get("completionTime"), _is(write.new, "Complete")
    if write.turned("Complete") or write.changed("completionTime"):
        if end and not complete:
            text = "cannot set completionTime when there is no Complete=True condition"
            write.refuse("completionTime", end, text)
        if complete and not end:
            text = "completionTime is required for Complete jobs"
            write.found.append(fieldpath.required("status.completionTime", text))
    if start and end and write.changed("startTime", "completionTime"):
        if timestamps.parse(end) < timestamps.parse(start):
            write.refuse("completionTime", end, "must be equal to or after `startTime`")


def _ends(write: _Write) -> None:
    new = write.new
    if (write.turned("Failed") or write.changed("failedIndexes")) and _is(new, "Failed"):
        if not _is(new, "FailureTarget"):
            text = "cannot set Failed=True condition without the FailureTarget=true condition"
            write.refuse("conditions", OMIT, text)
    if write.turned("Complete", "SuccessCriteriaMet") and _is(new, "Complete") and not _is(new, "SuccessCriteriaMet"):
        text = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        write.refuse("conditions", OMIT, text)
    if not write.finished:
        return
    if (write.just_finished or write.changed("active")) and new.get("active", 0) > 0:
        write.refuse("active", new["active"], "active>0 is invalid for finished job")
    idle = write.spec.get("suspend") and write.spec.get("completions") == 0
    if (write.just_finished or write.changed("startTime")) and not idle and not new.get("startTime"):
        text = "startTime is required for finished job"
        write.found.append(fieldpath.required("status.startTime", text))
    waiting = new.get("uncountedTerminatedPods") or {}
    if (write.just_finished or write.changed("uncountedTerminatedPods")) and any(waiting.values()):
        shown = {"Succeeded": waiting.get("succeeded"), "Failed": waiting.get("failed")}
        write.refuse("uncountedTerminatedPods", shown, "must be empty for finished job")


def _indexes(write: _Write) -> None:
    new, count = write.new, write.spec.get("completions")
    done, failed, per_index = (
        new.get("completedIndexes") or "",
        new.get("failedIndexes"),
        write.spec.get("backoffLimitPerIndex"),
    )
    if write.changed("completedIndexes"):
        wrong = job.parse_indexes(done, count)[1] if count is not None else ""
        if wrong:
            write.refuse("completedIndexes", done, f"error parsing completedIndexes: {wrong}")
        if done and write.spec.get("completionMode") != "Indexed":
            text = "cannot set non-empty completedIndexes when non-indexed completion mode"
            write.refuse("completedIndexes", done, text)
    if write.changed("failedIndexes") and failed is not None:
        wrong = job.parse_indexes(failed, count)[1] if count is not None and per_index is not None else ""
        if wrong:
            write.refuse("failedIndexes", failed, f"error parsing failedIndexes: {wrong}")
        if per_index is None:
            text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
            write.refuse("failedIndexes", failed, text)
    if write.changed("failedIndexes", "completedIndexes") and done and failed and count is not None:
        shared = _members(done) & _members(failed)
        if shared:
            text = f"failedIndexes and completedIndexes overlap at index: {min(shared)}"
            write.refuse("failedIndexes", failed, text)


def _members(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found |= set(range(int(first), int(last or first) + 1))
    return found


def _together(write: _Write) -> None:
    new = write.new
    if write.finished and (write.just_finished or write.changed("terminating")) and (new.get("terminating") or 0) > 0:
        write.refuse("terminating", new["terminating"], "terminating>0 is invalid for finished job")
    if write.changed("ready", "active") and (new.get("ready") or 0) > new.get("active", 0):
        write.refuse("ready", new["ready"], "cannot set more ready pods than active")
    met = _is(new, "SuccessCriteriaMet")
    for kind, shown in (("Failed", "Failed"), ("FailureTarget", "FailureTarget")):
        if met and _is(new, kind):
            write.refuse("conditions", OMIT, f"cannot set SuccessCriteriaMet=True and {shown}=true conditions")
    if write.spec.get("successPolicy") is not None and not met and _is(new, "Complete"):
        text = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        write.refuse("conditions", OMIT, text)


def _history(write: _Write) -> None:
    new, old, spec = write.new, write.old, write.spec
    for kind in TERMINAL:
        if _is(old, kind) and not _is(new, kind):
            write.refuse("conditions", OMIT, f"cannot disable the terminal {kind}=True condition")
    if new.get("failed", 0) < old.get("failed", 0):
        write.refuse("failed", new.get("failed", 0), "cannot decrease the failed counter")
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    if not elastic and new.get("succeeded", 0) < old.get("succeeded", 0):
        write.refuse("succeeded", new.get("succeeded", 0), "cannot decrease the succeeded counter")
    end = new.get("completionTime")
    if end and old.get("completionTime") and write.changed("completionTime"):
        write.refuse("completionTime", end, formats.IMMUTABLE)
    resuming = _is(old, "Suspended") and _is(new, "Suspended", "False")
    if old.get("startTime") and write.changed("startTime") and not resuming and not spec.get("suspend"):
        text = "field is immutable for unsuspended job once set"
        write.refuse("startTime", new.get("startTime"), text)
    if _is(old, "SuccessCriteriaMet") and not _is(new, "SuccessCriteriaMet"):
        write.refuse("conditions", OMIT, "cannot disable the SuccessCriteriaMet=True condition")
    if _is(old, "Complete") and not _is(old, "SuccessCriteriaMet") and _is(new, "SuccessCriteriaMet"):
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        write.refuse("conditions", OMIT, text)
