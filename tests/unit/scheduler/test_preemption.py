"""Who has to go, and where."""

import datetime
import random
from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.api.types import core, meta, policy
from pybernetes.scheduler import algorithm, framework, preemption
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.framework import CycleState, NodeToStatus
from pybernetes.scheduler.node_info import PodInfo

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def running(name: str, cpu: str, node: str, priority: int = 0, since: str = "", **more: Any) -> core.Pod:
    """A Pod on a node."""
    status = {"startTime": f"2025-01-01T{since}Z"} if since else {}
    return objects.pod(name, cpu, node=node, priority=priority, status=status, **more)


def evaluate(
    cache: Cache, wanted: core.Pod, *budgets: policy.PodDisruptionBudget
) -> tuple[str, list[str]] | framework.Status:
    """The node and the victims' names, or the refusal."""
    lists = objects.Lists(wanted, *budgets)
    evaluator = preemption.Evaluator(cache.snapshot, lists, random.Random(1), lambda: NOW)
    profile, state, info = objects.default_framework(cache, lists), CycleState(), PodInfo(wanted)
    statuses = NodeToStatus()
    try:
        algorithm.Algorithm(0, random.Random(1)).schedule_pod(profile, state, info, cache.snapshot)
    except framework.FitError as error:
        statuses = error.diagnosis.node_to_status
    candidate, _, status = evaluator.evaluate(profile, state, info, statuses)
    if candidate is None:
        assert status is not None
        return status
    return candidate.node_name, [pod.metadata.name for pod in candidate.victims]


def one_node(*pods: core.Pod) -> Cache:
    """A node of four CPUs with these Pods."""
    return objects.cache_of([objects.node("n")], pods)


WANTED = objects.pod("vip", "2", priority=100)


@pytest.mark.parametrize(
    ("pods", "victims"),
    [
        ([running("a", "4", "n")], ["a"]),
        ([running("a", "2", "n", 1), running("b", "2", "n", 2)], ["a"]),
        ([running("a", "2", "n", 1, "02:00:00"), running("b", "2", "n", 1, "01:00:00")], ["a"]),  # the younger
        ([running("a", "1", "n", 1), running("b", "1", "n", 2), running("c", "2", "n", 3)], ["b", "a"]),
        ([running("a", "1", "n", 1), running("b", "3", "n", 2)], ["b"]),  # a alone would not be enough
        ([running("a", "1", "n", 200), running("b", "3", "n", 1)], ["b"]),
    ],
)
def test_victims(pods: list[core.Pod], victims: list[str]) -> None:
    assert evaluate(one_node(*pods), WANTED) == ("n", victims)


@pytest.mark.parametrize(
    ("pods", "text"),
    [
        (
            [running("a", "4", "n", 100)],
            "0/1 nodes are available: 1 No preemption victims found for incoming pod.",
        ),
        (
            [running("a", "3", "n", 200), running("b", "1", "n", 1)],
            "0/1 nodes are available: 1 Insufficient cpu.",
        ),
    ],
)
def test_refusals(pods: list[core.Pod], text: str) -> None:
    found = evaluate(one_node(*pods), WANTED)
    assert isinstance(found, framework.Status)
    assert found.message == text


def test_hopeless_nodes_are_not_tried() -> None:
    cache = objects.cache_of([objects.node("n", cpu="1")], [running("a", "1", "n")])
    found = evaluate(cache, WANTED)
    assert isinstance(found, framework.Status)
    assert found.message == "0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def budget(allowed: int, **labels: str) -> policy.PodDisruptionBudget:
    """A budget that allows so many disruptions."""
    return policy.PodDisruptionBudget(
        metadata=meta.ObjectMeta(name="b", namespace="default"),
        spec=policy.PodDisruptionBudgetSpec(selector=meta.LabelSelector(matchLabels=labels)),
        status=policy.PodDisruptionBudgetStatus(disruptionsAllowed=allowed),
    )


def test_budgets_are_kept_where_possible() -> None:
    guarded = {"app": "db"}
    cache = one_node(running("a", "2", "n", 1, labels=guarded), running("b", "2", "n", 2))
    assert evaluate(cache, WANTED) == ("n", ["a"])
    assert evaluate(cache, WANTED, budget(1, app="db")) == ("n", ["a"])
    assert evaluate(cache, WANTED, budget(0, app="db")) == ("n", ["b"])
    nodes = [objects.node("n0"), objects.node("n1")]
    cache = objects.cache_of(nodes, [running("a", "4", "n0", 1, labels=guarded), running("b", "4", "n1", 50)])
    assert evaluate(cache, WANTED, budget(0, app="db")) == ("n1", ["b"])


def candidate(name: str, *victims: tuple[int, str], violations: int = 0) -> preemption.Candidate:
    """A node with victims of that priority and start."""
    pods = tuple(running(f"{name}{i}", "1", name, priority, since) for i, (priority, since) in enumerate(victims))
    return preemption.Candidate(name, pods, violations)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (candidate("x", (9, "")), candidate("y", (1, ""), violations=1)),
        (candidate("x", (5, "")), candidate("y", (6, ""))),
        (candidate("x", (5, ""), (1, "")), candidate("y", (5, ""), (2, ""))),
        (candidate("x", (5, "")), candidate("y", (5, ""), (-(2**31), ""))),
        (candidate("x", (5, "02:00:00")), candidate("y", (5, "01:00:00"))),
    ],
)
def test_the_node_where_it_hurts_least(better: preemption.Candidate, worse: preemption.Candidate) -> None:
    evaluator = preemption.Evaluator(objects.cache_of([]).snapshot, objects.Lists(), random.Random(1), lambda: NOW)
    assert evaluator.select_candidate([worse, better]) is better
    assert evaluator.select_candidate([better, worse]) is better


def test_who_may_not() -> None:
    cache = one_node(running("a", "4", "n"))
    polite = objects.pod("vip", "2", priority=100, preemptionPolicy="Never")
    found = evaluate(cache, polite)
    assert isinstance(found, framework.Status)
    assert found.message == "not eligible due to preemptionPolicy=Never."
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    going = objects.pod(
        "a",
        "4",
        node="n",
        metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"},
        status={"conditions": [condition]},
    )
    waiting = objects.pod("vip", "2", priority=100, status={"nominatedNodeName": "n"})
    found = evaluate(one_node(going), waiting)
    assert isinstance(found, framework.Status)
    assert found.message == "not eligible due to a terminating pod on the nominated node."


def test_affinity_to_a_victim_is_seen() -> None:
    labels = {"app": "db"}
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    wanted = objects.pod("vip", "2", priority=100, affinity=affinity)
    found = evaluate(one_node(running("a", "4", "n", labels=labels)), wanted)
    assert isinstance(found, framework.Status)
    assert "node(s) didn't match pod affinity rules" in found.message


@pytest.mark.parametrize(("nodes", "expected"), [(5, 5), (100, 100), (500, 100), (2000, 200)])
def test_num_candidates(nodes: int, expected: int) -> None:
    assert preemption.num_candidates(nodes) == expected
