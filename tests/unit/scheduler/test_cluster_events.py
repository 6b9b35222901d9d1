"""How updates become events, and which registrations cover them."""

from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.scheduler import cluster_events
from pybernetes.scheduler.cluster_events import ClusterEvent

LABEL = ClusterEvent("TargetPod", cluster_events.UPDATE_POD_LABEL)
ANY_UPDATE = ClusterEvent("TargetPod", cluster_events.UPDATE)
GATES = [{"name": "g"}, {"name": "h"}]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"labels": {"a": "b"}}, ["TargetPodUpdatePodLabel"]),
        ({"cpu": "2"}, {"cpu": "1"}, ["TargetPodUpdatePodScaleDown"]),
        ({"cpu": "1"}, {"cpu": "2"}, ["TargetPodUpdatePodScaleUp"]),
        ({"schedulingGates": [{"name": "g"}]}, {}, ["TargetPodUpdatePodSchedulingGatesEliminated"]),
        (
            {"schedulingGates": [{"name": "g"}, {"name": "h"}]},
            {"schedulingGates": [{"name": "g"}]},
            ["TargetPodUpdate"],
        ),
        ({}, {"tolerations": [{"operator": "Exists"}]}, ["TargetPodUpdatePodToleration"]),
        ({}, {}, ["TargetPodUpdate"]),
    ],
)
def test_pod_changes(old: Any, new: Any, expected: list[str]) -> None:
    found = cluster_events.pod_changes(objects.pod(**new), objects.pod(**old), target=True)
    assert [event.label for event in found] == expected


def test_whose_change_it_is() -> None:
    bound, unbound = objects.pod(node="n"), objects.pod()
    assert cluster_events.pod_changes(bound, bound, target=True)[0].resource == "AssignedPod"
    assert cluster_events.pod_changes(unbound, unbound, target=False)[0].resource == "UnscheduledPod"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, []),
        ({}, {"cpu": "8"}, ["NodeUpdateNodeAllocatable"]),
        ({}, {"labels": {"a": "b"}}, ["NodeUpdateNodeLabel"]),
        ({}, {"taints": [{"key": "k", "effect": "NoSchedule"}]}, ["NodeUpdateNodeTaint"]),
        ({"unschedulable": True}, {}, ["NodeUpdateNodeTaint"]),
        ({}, {"unschedulable": True}, []),
        ({}, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, ["NodeUpdateNodeCondition"]),
    ],
)
def test_node_changes(old: Any, new: Any, expected: list[str]) -> None:
    found = cluster_events.node_changes(objects.node("n", **new), objects.node("n", **old))
    assert [event.label for event in found] == expected


def test_a_heartbeat_is_no_event() -> None:
    def beat(moment: str) -> Any:
        condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": moment}
        return objects.node("n", status={"conditions": [condition]})

    assert cluster_events.node_changes(beat("2026-01-01T00:00:00Z"), beat("2026-01-01T00:00:10Z")) == []


@pytest.mark.parametrize(
    ("registered", "happened", "covered"),
    [
        (ClusterEvent("Node", cluster_events.ADD | cluster_events.DELETE), cluster_events.NODE_ADD, True),
        (ClusterEvent("Node", cluster_events.DELETE), cluster_events.NODE_ADD, False),
        (ClusterEvent("Pod", cluster_events.ADD), cluster_events.ASSIGNED_POD_ADD, True),
        (ClusterEvent("AssignedPod", cluster_events.ADD), cluster_events.UNSCHEDULED_POD_ADD, False),
        (
            ClusterEvent("TargetPod", cluster_events.UPDATE_POD_LABEL),
            ClusterEvent("TargetPod", cluster_events.UPDATE),
            False,
        ),
        (
            ClusterEvent("TargetPod", cluster_events.UPDATE),
            ClusterEvent("TargetPod", cluster_events.UPDATE_POD_LABEL),
            True,
        ),
        (ClusterEvent("*", cluster_events.ALL), cluster_events.NODE_ADD, True),
    ],
)
def test_matches(registered: ClusterEvent, happened: ClusterEvent, covered: bool) -> None:
    assert cluster_events.matches(registered, happened) is covered
