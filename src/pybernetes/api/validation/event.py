"""Events: those of the core group stay as lenient as they were, those of events.k8s.io are held to more.

Both are judged in the core group's version, in which they are stored.
Upstream: pkg/apis/core/validation/events.go. Pure.
"""

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

ELSEWHERE = "does not match event.namespace"
UNSET = "needs to be unset"
#: Member, its name in an answer, the most characters.
TEXTS = (("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024))
KEPT = ("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reason", "type")
KEPT_LATER = ("eventTime", "action", "related", "reportingComponent", "reportingInstance")
SHOWN = {"reportingComponent": "reportingController"}


def event(found: fieldpath.ErrorList, obj: Object) -> None:
    """An Event of the core group."""
    _legacy(found, obj, "reportingComponent")


def _legacy(found: fieldpath.ErrorList, obj: Object, controller_field: str) -> None:
    namespace = obj["metadata"].get("namespace") or ""
    about = (obj.get("involvedObject") or {}).get("namespace") or ""
    cluster_wide = ("", "default") if not obj.get("eventTime") else ("default", "kube-system")
    if (not about and namespace not in cluster_wide) or (about and not obj.get("eventTime") and about != namespace):
        found.append(fieldpath.invalid("involvedObject.namespace", about, ELSEWHERE))
    if not obj.get("eventTime"):
        return
    controller = obj.get("reportingComponent") or ""
    if not controller:
        found.append(fieldpath.required(controller_field))
    formats.each(found, controller_field, controller, formats.qualified_name)
    for field, most in TEXTS:
        text = obj.get(field) or ""
        if not text and field != "message":
            found.append(fieldpath.required(field))
        if len(text.encode()) > most:
            found.append(fieldpath.invalid(field, "", f"can have at most {most} characters"))


def new_event(found: fieldpath.ErrorList, obj: Object) -> None:
    """An Event of events.k8s.io."""
    _legacy(found, obj, "reportingController")
    _series(found, obj.get("series"))
    if not obj.get("eventTime"):
        found.append(fieldpath.required("eventTime"))
    if obj.get("type") not in ("Normal", "Warning"):
        found.append(fieldpath.invalid("type", "", f"has invalid value: {obj.get('type') or ''}"))
    for field in ("firstTimestamp", "lastTimestamp", "count"):
        if obj.get(field):
            found.append(fieldpath.invalid(field, "", UNSET))
    if any((obj.get("source") or {}).values()):
        found.append(fieldpath.invalid("source", "", UNSET))


def _series(found: fieldpath.ErrorList, given: Object | None) -> None:
    if given is None:
        return
    if given.get("count", 0) < 2:
        found.append(fieldpath.invalid("series.count", "", "should be at least 2"))
    if not given.get("lastObservedTime"):
        found.append(fieldpath.required("series.lastObservedTime"))


def new_event_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Only its series goes on."""
    _legacy(found, new, "reportingController")
    if new.get("series") != old.get("series"):
        _series(found, new.get("series"))
    for field in (*KEPT, *KEPT_LATER):
        if (new.get(field) or None) != (old.get(field) or None):
            found.append(fieldpath.invalid(SHOWN.get(field, field), new.get(field), formats.IMMUTABLE))
