"""Objects of built-in kinds in another of their versions: HorizontalPodAutoscaler v1 and v2, Event in both groups.

`convert(obj, kind)` gives a new object. What a version cannot say in fields stands in its annotations, as upstream
does it, so that nothing is lost on the way there and back. Kinds with one version are returned as they are.
Pure.
Upstream: pkg/apis/autoscaling/v1/conversion.go, pkg/apis/events/v1/conversion.go.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pybernetes.api import kinds

Object = dict[str, Any]

PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, BEHAVIOR = f"{PREFIX}metrics", f"{PREFIX}behavior"
CURRENT_METRICS, CONDITIONS = f"{PREFIX}current-metrics", f"{PREFIX}conditions"
ANNOTATIONS = (METRICS, BEHAVIOR, CURRENT_METRICS, CONDITIONS)

_EVENT_FIELDS: Mapping[str, str] = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
"""Core group's name → the name in events.k8s.io."""
_CORE_FIELDS = {theirs: ours for ours, theirs in _EVENT_FIELDS.items()}

_text = msgspec.json.Encoder().encode
_value = msgspec.json.Decoder().decode


def convert(obj: Object, to: kinds.Kind) -> Object:
    """The object as its kind's version `to` says it."""
    change = _CHANGES.get((obj.get("apiVersion", ""), to.kind, to.api_version))
    if change is None:
        return {**obj, "kind": to.kind, "apiVersion": to.api_version}
    new = change(obj)
    return {**new, "kind": to.kind, "apiVersion": to.api_version}


def _to_core_event(obj: Object) -> Object:
    return {_CORE_FIELDS.get(name, name): value for name, value in obj.items()}


def _to_new_event(obj: Object) -> Object:
    new = {_EVENT_FIELDS.get(name, name): value for name, value in obj.items()}
    # What the core group always writes, this one leaves out when it says nothing.
    return {name: value for name, value in new.items() if value not in ("", {}, None, 0) or name == "metadata"}


def _scaler_to_v2(obj: Object) -> Object:
    facts = dict(obj["metadata"])
    notes = dict(facts.get("annotations") or {})
    said = {name: _value(notes.pop(name)) for name in ANNOTATIONS if name in notes}
    _put(facts, "annotations", notes)
    old, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics = _spec_metrics(said.get(METRICS) or [])
    percentage = old.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:
        metrics.insert(0, _cpu("target", {"type": "Utilization", "averageUtilization": percentage}))
    spec = {**old, **({"metrics": metrics} if metrics else {})}
    if said.get(BEHAVIOR):
        spec["behavior"] = said[BEHAVIOR]
    current = said.get(CURRENT_METRICS) or []
    used = status.pop("currentCPUUtilizationPercentage", None)
    if used is not None:
        before: Object = next((one for one in current if _is_cpu(one)), {})
        value = (before.get("resource") or {}).get("currentAverageValue", "0")
        now = {"averageUtilization": used, "averageValue": value}
        current = [_cpu("current", now), *(one for one in current if not _is_cpu(one))]
    if current:
        status["currentMetrics"] = current
    if said.get(CONDITIONS):
        status["conditions"] = said[CONDITIONS]
    return {**obj, "metadata": facts, "spec": spec, "status": status}


def _scaler_to_v1(obj: Object) -> Object:
    facts = dict(obj["metadata"])
    notes = {name: text for name, text in (facts.get("annotations") or {}).items() if name not in ANNOTATIONS}
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    others = []
    for metric in spec.pop("metrics", None) or ():
        percentage = (metric.get("resource") or {}).get("target", {}).get("averageUtilization")
        if _is_cpu(metric) and percentage is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = percentage
        else:
            others.append(metric)
    current = status.pop("currentMetrics", None) or []
    for metric in current:
        used = (metric.get("resource") or {}).get("current", {}).get("averageUtilization")
        if _is_cpu(metric) and used is not None:
            status["currentCPUUtilizationPercentage"] = used
    kept = {
        METRICS: others,
        BEHAVIOR: spec.pop("behavior", None),
        CURRENT_METRICS: current,
        CONDITIONS: status.pop("conditions", None),
    }
    notes |= {name: _text(value).decode() for name, value in kept.items() if value}
    _put(facts, "annotations", notes)
    status.setdefault("currentReplicas", 0)
    status.setdefault("desiredReplicas", 0)
    return {**obj, "metadata": facts, "spec": spec, "status": status}


def _spec_metrics(given: Any) -> list[Object]:
    return [one for one in given if isinstance(one, dict)]


def _is_cpu(metric: Object) -> bool:
    return metric.get("type") == "Resource" and (metric.get("resource") or {}).get("name") == "cpu"


def _cpu(member: str, value: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", member: value}}


def _put(facts: Object, member: str, value: Object) -> None:
    if value:
        facts[member] = value
    else:
        facts.pop(member, None)


_SCALER, _EVENT = "HorizontalPodAutoscaler", "Event"
_CHANGES: Mapping[tuple[str, str, str], Callable[[Object], Object]] = {
    ("autoscaling/v1", _SCALER, "autoscaling/v2"): _scaler_to_v2,
    ("autoscaling/v2", _SCALER, "autoscaling/v1"): _scaler_to_v1,
    ("events.k8s.io/v1", _EVENT, "v1"): _to_core_event,
    ("v1", _EVENT, "events.k8s.io/v1"): _to_new_event,
}
