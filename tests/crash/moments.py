"""The steps of a ReplicaSet's journey at which processes are killed, as what a watch shows of them. Pure."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Object = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What a watch brought: the object before (if it was known) and now (None: it is gone)."""

    kind: str
    old: Object | None
    new: Object | None


Moment = Callable[[Change], bool]


def _pod(test: Callable[[Object], Any]) -> Moment:
    """Pods for which the test has come true."""

    def moment(change: Change) -> bool:
        fits = change.kind == "Pod" and change.new is not None and bool(test(change.new))
        return fits and not (change.old is not None and test(change.old))

    return moment


def _event(reason: str) -> Moment:
    return lambda change: change.kind == "Event" and change.new is not None and change.new["reason"] == reason


def _set(test: Callable[[Object, Object | None], Any]) -> Moment:
    return lambda change: change.kind == "ReplicaSet" and change.new is not None and bool(test(change.new, change.old))


def ready(pod: Object) -> bool:
    """Whether the Pod says so and stays."""
    conditions = pod["status"].get("conditions") or ()
    return "deletionTimestamp" not in pod["metadata"] and any(
        one["type"] == "Ready" and one["status"] == "True" for one in conditions
    )


def _state(pod: Object, state: str) -> bool:
    return any(state in one.get("state", {}) for one in pod["status"].get("containerStatuses") or ())


def _generation(obj: Object) -> int:
    return int(obj["metadata"]["generation"])


MOMENTS: Mapping[str, Moment] = {
    "6-8 request sent": lambda _: False,  # by the one who sends it
    "9-14 set stored": _set(lambda new, old: old is None or _generation(old) != _generation(new)),
    "15 pod created": _pod(lambda _: True),
    "15 SuccessfulCreate": _event("SuccessfulCreate"),
    "16 28 set status": _set(lambda new, old: old is not None and new["status"] != old["status"]),
    "21 pod bound": _pod(lambda pod: pod["spec"].get("nodeName")),
    "21 Scheduled": _event("Scheduled"),
    "24 pod starting": _pod(lambda pod: pod["status"].get("startTime")),
    "26 Created": _event("Created"),
    "26 Started": _event("Started"),
    "27 pod running": _pod(lambda pod: _state(pod, "running")),
    "28 pod ready": _pod(ready),
    "29-31 pod terminating": _pod(lambda pod: "deletionTimestamp" in pod["metadata"]),
    "31 Killing": _event("Killing"),
    "32 pod stopped": _pod(lambda pod: _state(pod, "terminated")),
    "33 pod gone": lambda change: change.kind == "Pod" and change.new is None,
    "35 SuccessfulDelete": _event("SuccessfulDelete"),
    "37 set going": _set(lambda new, _: "deletionTimestamp" in new["metadata"]),
    "10-38 any time": lambda _: False,  # by the clock
}  # fmt: skip

_BIRTH = tuple(MOMENTS)[2:12]
_DEATH = tuple(MOMENTS)[12:16]
PHASES: Mapping[str, tuple[str, ...]] = {
    "apply": (*tuple(MOMENTS)[:2], *_BIRTH),
    "delete a pod": ("6-8 request sent", *_BIRTH, *_DEATH),
    "scale up": (*tuple(MOMENTS)[:2], *_BIRTH),
    "scale down": (*tuple(MOMENTS)[:2], "16 28 set status", *_DEATH, "35 SuccessfulDelete"),
    "delete": ("6-8 request sent", "37 set going", *_DEATH),
}
"""What happens in a journey, and the steps that it goes through."""


def canonical(obj: Object) -> Object:
    """What must be the same whatever was killed: no names, places, times or counts of restarts."""
    metadata, status = obj["metadata"], obj["status"]
    return {
        "labels": metadata.get("labels"),
        "owners": [(one["kind"], one["name"]) for one in metadata.get("ownerReferences") or ()],
        "finalizers": metadata.get("finalizers"),
        "spec": {
            **obj["spec"],
            "nodeName": bool(obj["spec"].get("nodeName")),
            "volumes": len(obj["spec"].get("volumes") or ()),
            "containers": [{**one, "volumeMounts": None} for one in obj["spec"].get("containers") or ()],
        },
        "conditions": sorted((one["type"], one["status"]) for one in status.get("conditions") or ()),
        "containers": [(one["name"], one["ready"], *one["state"]) for one in status.get("containerStatuses") or ()],
        "counts": {key: value for key, value in status.items() if isinstance(value, int)},
        "phase": status.get("phase"),
    }  # fmt: skip
