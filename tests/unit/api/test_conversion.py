"""Objects survive the way to another version and back."""

from typing import Any

import pytest

from pybernetes.api import conversion, kinds


def kind(group: str, version: str, name: str) -> kinds.Kind:
    found = kinds.TABLE.by_gvk(group, version, name)
    assert found is not None
    return found


V1 = kind("autoscaling", "v1", "HorizontalPodAutoscaler")
V2 = kind("autoscaling", "v2", "HorizontalPodAutoscaler")
CORE, EVENTS = kind("", "v1", "Event"), kind("events.k8s.io", "v1", "Event")


def cpu(**target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


SCALERS: list[dict[str, Any]] = [
    {"spec": {"maxReplicas": 3, "metrics": [cpu(type="Utilization", averageUtilization=50)]}},
    {"spec": {"maxReplicas": 3, "metrics": [cpu(type="AverageValue", averageValue="1")]}},
    {"spec": {"maxReplicas": 3, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 5}}}},
    {"metadata": {"name": "h", "annotations": {"a": "b"}}, "spec": {"maxReplicas": 1}},
]


@pytest.mark.parametrize("members", SCALERS)
def test_scalers_come_back_as_they_went(members: dict[str, Any]) -> None:
    status = {"currentReplicas": 1, "desiredReplicas": 2, "conditions": [{"type": "AbleToScale", "status": "True"}]}
    obj = {"kind": V2.kind, "apiVersion": V2.api_version, "metadata": {"name": "h"}, "status": status, **members}
    old = conversion.convert(obj, V1)
    assert old["apiVersion"] == "autoscaling/v1"
    assert not {"metrics", "behavior"} & set(old["spec"])
    assert conversion.convert(old, V2) == obj


def test_a_percentage_becomes_a_metric() -> None:
    old = {"kind": V1.kind, "apiVersion": V1.api_version, "metadata": {"name": "h"}}
    old["spec"] = {"maxReplicas": 3, "targetCPUUtilizationPercentage": 80}
    new = conversion.convert(old, V2)
    assert new["spec"] == {"maxReplicas": 3, "metrics": [cpu(type="Utilization", averageUtilization=80)]}


def test_events_have_other_names_in_their_own_group() -> None:
    new = {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "name": "p"},
        "note": "text",
        "reportingController": "c",
        "type": "Normal",
    }
    core = conversion.convert(new, CORE)
    assert (core["involvedObject"], core["message"], core["reportingComponent"]) == (new["regarding"], "text", "c")
    assert conversion.convert({**core, "source": {}, "firstTimestamp": None}, EVENTS) == new


def test_kinds_with_one_version_stay() -> None:
    pod = kind("", "v1", "Pod")
    obj = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}}
    assert conversion.convert(obj, pod) == obj
