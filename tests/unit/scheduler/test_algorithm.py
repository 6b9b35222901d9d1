"""Which nodes are looked at, and which one is taken."""

import random

import pytest
from tests.unit.scheduler import objects

from pybernetes.scheduler import algorithm, framework
from pybernetes.scheduler.framework import CycleState


@pytest.mark.parametrize(
    ("nodes", "percentage", "expected"),
    [
        (10, 0, 10),
        (99, 0, 99),
        (100, 0, 100),
        (500, 0, 230),
        (1000, 0, 420),
        (5000, 0, 500),
        (6000, 0, 300),
        (1000, 40, 400),
        (1000, 5, 100),
        (1000, 100, 1000),
    ],
)
def test_how_many_are_enough(nodes: int, percentage: int, expected: int) -> None:
    finder = algorithm.Algorithm(percentage, random.Random(1))
    assert finder.num_feasible_nodes_to_find(None, nodes) == expected
    assert algorithm.Algorithm(7, random.Random(1)).num_feasible_nodes_to_find(percentage or 0, nodes) == expected


def test_the_search_goes_on_where_the_last_one_ended() -> None:
    cache = objects.cache_of([objects.node(f"n{index:03}") for index in range(200)])
    finder = algorithm.Algorithm(0, random.Random(1))
    profile = objects.default_framework(cache)
    seen = []
    for index in range(4):
        result = finder.schedule_pod(profile, CycleState(), objects.info(f"p{index}"), cache.snapshot)
        assert (result.feasible_nodes, result.evaluated_nodes) == (100, 100)
        seen.append(finder.next_start_node_index)
    assert seen == [100, 0, 100, 0]


def test_ties_are_broken_at_random_but_repeatably() -> None:
    cache = objects.cache_of([objects.node(f"n{index}") for index in range(5)])
    profile = objects.default_framework(cache)

    def pick(seed: int) -> list[str]:
        finder = algorithm.Algorithm(0, random.Random(seed))
        return [
            finder.schedule_pod(profile, CycleState(), objects.info(), cache.snapshot).suggested_host for _ in range(20)
        ]

    assert pick(1) == pick(1)
    assert set(pick(1)) == {f"n{index}" for index in range(5)}


def test_no_nodes_and_no_fit() -> None:
    finder = algorithm.Algorithm(0, random.Random(1))
    empty = objects.cache_of([])
    with pytest.raises(framework.NoNodesAvailable, match="no nodes available to schedule pods"):
        finder.schedule_pod(objects.default_framework(empty), CycleState(), objects.info(), empty.snapshot)
    cache = objects.cache_of([objects.node("a", cpu="1"), objects.node("b", cpu="1")])
    profile = objects.default_framework(cache)
    with pytest.raises(framework.FitError) as caught:
        finder.schedule_pod(profile, CycleState(), objects.info("p", "2"), cache.snapshot)
    assert str(caught.value) == "0/2 nodes are available: 2 Insufficient cpu."
    assert caught.value.diagnosis.unschedulable_plugins == {"NodeResourcesFit"}


def test_named_nodes_that_do_not_exist() -> None:
    cache = objects.cache_of([objects.node("a")])
    field = {"key": "metadata.name", "operator": "In", "values": ["ghost"]}
    selector = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}
    finder = algorithm.Algorithm(0, random.Random(1))
    with pytest.raises(framework.FitError) as caught:
        finder.schedule_pod(
            objects.default_framework(cache), CycleState(), objects.info(affinity=affinity), cache.snapshot
        )
    assert str(caught.value) == "0/1 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity]."


def test_the_nominated_node_is_tried_first() -> None:
    cache = objects.cache_of([objects.node(f"n{index}") for index in range(5)])
    wanted = objects.info(status={"nominatedNodeName": "n3"})
    finder = algorithm.Algorithm(0, random.Random(1))
    result = finder.schedule_pod(objects.default_framework(cache), CycleState(), wanted, cache.snapshot)
    assert (result.suggested_host, result.feasible_nodes) == ("n3", 1)
