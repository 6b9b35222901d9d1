"""The plugins that look at the node alone: NodeName, NodeUnschedulable, TaintToleration, NodePorts, SchedulingGates."""

from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.scheduler import cluster_events
from pybernetes.scheduler.cluster_events import ClusterEvent
from pybernetes.scheduler.framework import Code, CycleState
from pybernetes.scheduler.plugins import (
    node_name,
    node_ports,
    node_unschedulable,
    priority_sort,
    scheduling_gates,
    taint_toleration,
)

TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
NODE_TAINT = ClusterEvent(cluster_events.NODE, cluster_events.UPDATE_NODE_TAINT)
NOT_TOLERATED = "node(s) had untolerated taint(s)"


def test_node_name() -> None:
    cache = objects.cache_of([objects.node("a"), objects.node("b")])
    wanted = objects.info(node="b")
    no = "node(s) didn't match the requested node name"
    plugin, state = node_name.NodeName(), CycleState()
    found = {one.name: objects.message(plugin.filter(state, wanted, one)) for one in cache.snapshot.nodes}
    assert found == {"a": no, "b": ""}


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], "node(s) were unschedulable"),
        ([{"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}], ""),
        ([{"operator": "Exists"}], ""),
        ([{"key": "other", "operator": "Exists"}], "node(s) were unschedulable"),
    ],
)
def test_node_unschedulable(tolerations: Any, expected: str) -> None:
    cache = objects.cache_of([objects.node("n", unschedulable=True)])
    wanted = objects.info(tolerations=tolerations)
    assert objects.verdicts(node_unschedulable.NodeUnschedulable(), cache, wanted) == {"n": expected}


def test_node_unschedulable_hint() -> None:
    hint = objects.hint_for(node_unschedulable.NodeUnschedulable(), NODE_TAINT)
    off, on = objects.node("n", unschedulable=True), objects.node("n")
    wanted = objects.info()
    assert hint(wanted, off, on)
    assert hint(wanted, None, on)
    assert not hint(wanted, None, off)
    assert not hint(wanted, on, on)


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        (None, NOT_TOLERATED),
        ({"key": "k", "value": "v"}, ""),
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, ""),
        ({"key": "k", "value": "w"}, NOT_TOLERATED),
        ({"key": "k", "operator": "Exists"}, ""),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, NOT_TOLERATED),
        ({"operator": "Exists"}, ""),
    ],
)
def test_taints(toleration: Any, expected: str) -> None:
    cache = objects.cache_of([objects.node("n", taints=[TAINT])])
    wanted = objects.info(tolerations=[toleration] if toleration else [])
    assert objects.verdicts(taint_toleration.TaintToleration(), cache, wanted) == {"n": expected}


def test_prefer_no_schedule_does_not_filter_but_costs_points() -> None:
    soft = {"key": "s", "effect": "PreferNoSchedule"}
    other = {"key": "t", "effect": "PreferNoSchedule"}
    cache = objects.cache_of(
        [objects.node("none"), objects.node("one", taints=[soft]), objects.node("two", taints=[soft, other])]
    )
    plugin = taint_toleration.TaintToleration()
    assert set(objects.verdicts(plugin, cache, objects.info()).values()) == {""}
    assert objects.scores(plugin, cache, objects.info()) == {"none": 100, "one": 50, "two": 0}
    tolerant = objects.info(tolerations=[{"key": "s", "operator": "Exists"}])
    assert objects.scores(plugin, cache, tolerant) == {"none": 100, "one": 100, "two": 0}


def test_taint_hint() -> None:
    hint = objects.hint_for(taint_toleration.TaintToleration(), NODE_TAINT)
    bad, good = objects.node("n", taints=[TAINT]), objects.node("n")
    assert hint(objects.info(), bad, good)
    assert hint(objects.info(), None, good)
    assert not hint(objects.info(), good, good)
    assert not hint(objects.info(), None, bad)


def port(number: int, ip: str = "", protocol: str = "TCP") -> dict[str, Any]:
    """A Pod's containers with one host port."""
    ports = [{"containerPort": 80, "hostPort": number, "hostIP": ip, "protocol": protocol}]
    return {"containers": [{"name": "c", "image": "i", "ports": ports}]}


@pytest.mark.parametrize(
    ("taken", "wanted", "free"),
    [
        (port(80), port(80), False),
        (port(80), port(81), True),
        (port(80), port(80, protocol="UDP"), True),
        (port(80, "10.0.0.1"), port(80, "10.0.0.2"), True),
        (port(80, "10.0.0.1"), port(80), False),
        (port(80), port(80, "10.0.0.1"), False),
        (port(80), {}, True),
    ],
)
def test_host_ports(taken: Any, wanted: Any, free: bool) -> None:
    cache = objects.cache_of([objects.node("n")], [objects.pod("x", node="n", **taken)])
    found = objects.verdicts(node_ports.NodePorts(), cache, objects.info(**wanted))
    assert found == {"n": "" if free else "node(s) didn't have free ports for the requested pod ports"}


def test_host_port_hint() -> None:
    hint = objects.hint_for(node_ports.NodePorts(), cluster_events.ASSIGNED_POD_DELETE)
    wanted = objects.info(**port(80))
    assert hint(wanted, objects.pod("x", node="n", **port(80)), None)
    assert not hint(wanted, objects.pod("x", node="n", **port(81)), None)
    assert not hint(wanted, objects.pod("x", **port(80)), None)


def test_gates() -> None:
    plugin = scheduling_gates.SchedulingGates()
    assert plugin.pre_enqueue(objects.info()) is None
    status = plugin.pre_enqueue(objects.info(schedulingGates=[{"name": "a"}, {"name": "b"}]))
    assert status is not None
    assert (status.code, status.message) == (
        Code.UNSCHEDULABLE_AND_UNRESOLVABLE,
        "waiting for scheduling gates: [a b]",
    )


def test_priority_sort() -> None:
    class Queued:
        def __init__(self, priority: int, timestamp: float) -> None:
            self.priority = priority
            self.timestamp = timestamp

    pods = [Queued(1, 1.0), Queued(5, 9.0), Queued(5, 2.0)]
    ordered = sorted(pods, key=priority_sort.PrioritySort().sort_key)
    assert [(one.priority, one.timestamp) for one in ordered] == [(5, 2.0), (5, 9.0), (1, 1.0)]
