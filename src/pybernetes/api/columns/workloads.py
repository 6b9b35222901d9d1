"""Rows of apps, batch, autoscaling and policy.

Pure.
Upstream: pkg/printers/internalversion.
"""

from typing import Any

from pybernetes.api.columns import table
from pybernetes.api.columns.table import AGE, NAME, NONE, Column, Object, column, dig, path
from pybernetes.apimachinery import timestamps

HAS_CONTAINERS = table.pod_template_columns()
SELECTOR = column("Selector", lambda obj: table.label_selector(dig(obj, ("spec", "selector"))), wide=True)


def _count(dotted: str, name: str) -> Column:
    return path(name, dotted, "integer", missing=0)


def _ready_of(wanted: str, ready: str) -> Any:
    def cell(obj: Object) -> str:
        return f"{dig(obj, ready.split('.'), 0)}/{dig(obj, wanted.split('.'), 0)}"

    return cell


REPLICAS = (
    NAME,
    _count("spec.replicas", "Desired"),
    _count("status.replicas", "Current"),
    _count("status.readyReplicas", "Ready"),
    AGE,
    *HAS_CONTAINERS,
)


def _job_condition(job: Object, kind: str) -> bool:
    conditions = dig(job, ("status", "conditions"), ())
    return any(one["type"] == kind and one.get("status") == "True" for one in conditions)


def _job_status(job: Object) -> str:
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if _job_condition(job, kind):
            return shown
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if _job_condition(job, "Suspended"):
        return "Suspended"
    if _job_condition(job, "FailureTarget"):
        return "FailureTarget"
    if _job_condition(job, "SuccessCriteriaMet"):
        return "SuccessCriteriaMet"
    return "Running"


def _completions(job: Object) -> str:
    succeeded = dig(job, ("status", "succeeded"), 0)
    wanted = dig(job, ("spec", "completions"))
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallel = dig(job, ("spec", "parallelism"), 0)
    return f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"


def _job_duration(job: Object) -> table.Ago | str:
    start, end = dig(job, ("status", "startTime")), dig(job, ("status", "completionTime"))
    if start is None:
        return ""
    began = timestamps.parse(start)
    if not end:
        return table.Ago(began)
    return timestamps.human_duration((timestamps.parse(end) - began).total_seconds())


def _last_schedule(job: Object) -> table.Ago | str:
    last = dig(job, ("status", "lastScheduleTime"))
    return table.since(last) if last else NONE


def _controller(revision: Object) -> str:
    owner = next((one for one in revision["metadata"].get("ownerReferences") or () if one.get("controller")), None)
    if owner is None:
        return NONE
    group = owner["apiVersion"].partition("/")[0] if "/" in owner["apiVersion"] else ""
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


def _reference(obj: Object) -> str:
    target = obj["spec"]["scaleTargetRef"]
    return f"{target['kind']}/{target['name']}"


def _targets(obj: Object) -> str:
    specs = dig(obj, ("spec", "metrics"), ())
    if not specs:
        return _targets_v1(obj)
    statuses = dig(obj, ("status", "currentMetrics"), ())
    shown = [_target(one, statuses[index] if index < len(statuses) else {}) for index, one in enumerate(specs)]
    text = ", ".join(shown[:2])
    return f"{text} + {len(shown) - 2} more..." if len(shown) > 2 else text


def _targets_v1(obj: Object) -> str:
    wanted = dig(obj, ("spec", "targetCPUUtilizationPercentage"))
    if wanted is None:
        return NONE
    current = dig(obj, ("status", "currentCPUUtilizationPercentage"))
    return f"cpu: {table.UNKNOWN if current is None else f'{current}%'}/{wanted}%"


SOURCES = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


def _target(spec: Object, status: Object) -> str:
    source = SOURCES[spec["type"]]
    target, current = spec[source].get("target") or {}, dig(status, (source, "current"), {})
    prefix = f"{spec[source]['name']}: " if source in ("resource", "containerResource") else ""
    if target.get("averageUtilization") is not None:
        shown = f"{current['averageUtilization']}%" if current.get("averageUtilization") is not None else table.UNKNOWN
        return f"{prefix}{shown}/{target['averageUtilization']}%"
    if target.get("averageValue") is not None:
        suffix = "" if source in ("resource", "containerResource", "pods") else " (avg)"
        return f"{prefix}{current.get('averageValue', table.UNKNOWN)}/{target['averageValue']}{suffix}"
    return f"{prefix}{current.get('value', table.UNKNOWN)}/{target.get('value', table.UNKNOWN)}"


AUTOSCALERS: tuple[Column, ...] = (
    NAME,
    column("Reference", _reference),
    column("Targets", _targets),
    column("MinPods", lambda obj: str(dig(obj, ("spec", "minReplicas"), table.UNSET))),
    column("MaxPods", lambda obj: str(obj["spec"]["maxReplicas"])),
    column("Replicas", lambda obj: str(dig(obj, ("status", "currentReplicas"), 0))),
    AGE,
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "replicationcontrollers": (
        *REPLICAS,
        column("Selector", lambda obj: table.labels(obj["spec"].get("selector")), wide=True),
    ),
    "replicasets": (*REPLICAS, SELECTOR),
    "deployments": (
        NAME,
        column("Ready", _ready_of("spec.replicas", "status.readyReplicas")),
        column("Up-to-date", lambda obj: str(dig(obj, ("status", "updatedReplicas"), 0))),
        column("Available", lambda obj: str(dig(obj, ("status", "availableReplicas"), 0))),
        AGE,
        *HAS_CONTAINERS,
        SELECTOR,
    ),
    "statefulsets": (NAME, column("Ready", _ready_of("spec.replicas", "status.readyReplicas")), AGE, *HAS_CONTAINERS),
    "daemonsets": (
        NAME,
        _count("status.desiredNumberScheduled", "Desired"),
        _count("status.currentNumberScheduled", "Current"),
        _count("status.numberReady", "Ready"),
        _count("status.updatedNumberScheduled", "Up-to-date"),
        _count("status.numberAvailable", "Available"),
        column("Node Selector", lambda obj: table.labels(dig(obj, ("spec", "template", "spec", "nodeSelector")))),
        AGE,
        *HAS_CONTAINERS,
        SELECTOR,
    ),
    "controllerrevisions": (NAME, column("Controller", _controller), path("Revision", "revision", missing=0), AGE),
    "jobs": (
        NAME,
        column("Status", _job_status),
        column("Completions", _completions),
        Column("Duration", _job_duration),
        AGE,
        *HAS_CONTAINERS,
        SELECTOR,
    ),
    "cronjobs": (
        NAME,
        path("Schedule", "spec.schedule"),
        path("Timezone", "spec.timeZone", missing=NONE),
        column("Suspend", lambda obj: str(dig(obj, ("spec", "suspend"), False)), "boolean"),
        column("Active", lambda obj: len(dig(obj, ("status", "active"), ())), "integer"),
        Column("Last Schedule", _last_schedule),
        AGE,
        *table.pod_template_columns("spec.jobTemplate.spec.template.spec.containers"),
        column(
            "Selector",
            lambda obj: table.label_selector(dig(obj, ("spec", "jobTemplate", "spec", "selector"))),
            wide=True,
        ),
    ),
    "horizontalpodautoscalers": AUTOSCALERS,
    "poddisruptionbudgets": (
        NAME,
        column("Min Available", lambda obj: str(dig(obj, ("spec", "minAvailable"), "N/A"))),
        column("Max Unavailable", lambda obj: str(dig(obj, ("spec", "maxUnavailable"), "N/A"))),
        _count("status.disruptionsAllowed", "Allowed Disruptions"),
        AGE,
    ),
}
