"""NodeResourcesFit, NodeResourcesBalancedAllocation, ImageLocality."""

from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.scheduler import cluster_events
from pybernetes.scheduler.cluster_events import ClusterEvent
from pybernetes.scheduler.framework import Code, CycleState
from pybernetes.scheduler.plugins import image_locality, node_resources_balanced_allocation, node_resources_fit

GPU = "example.com/gpu"


@pytest.mark.parametrize(
    ("wanted", "expected", "code"),
    [
        ({}, "", None),
        ({"cpu": "2"}, "", None),
        ({"cpu": "2001m"}, "Insufficient cpu", Code.UNSCHEDULABLE),
        ({"cpu": "5"}, "Insufficient cpu", Code.UNSCHEDULABLE_AND_UNRESOLVABLE),
        ({"cpu": "3", "memory_size": "5Gi"}, "Insufficient cpu, Insufficient memory", Code.UNSCHEDULABLE),
        ({"requests": {"ephemeral-storage": "6Gi"}}, "", None),
        ({"requests": {"ephemeral-storage": "11Gi"}}, "Insufficient ephemeral-storage", 3),
        ({"requests": {GPU: "1"}}, "", None),
        ({"requests": {GPU: "2"}}, f"Insufficient {GPU}", Code.UNSCHEDULABLE),
        ({"requests": {"example.com/none": "1"}}, "Insufficient example.com/none", 3),
        ({"requests": {"hugepages-2Mi": "2Mi"}}, "Insufficient hugepages-2Mi", 3),
    ],
)
def test_fit(wanted: Any, expected: str, code: Any) -> None:
    node = objects.node("n", allocatable={"ephemeral-storage": "10Gi", GPU: "2"})
    there = objects.pod("x", "2", node="n", memory_size="4Gi", requests={GPU: "1"})
    cache = objects.cache_of([node], [there])
    plugin = node_resources_fit.NodeResourcesFit(cache.snapshot)
    status = plugin.filter(CycleState(), objects.info(**wanted), cache.snapshot.nodes[0])
    assert (objects.message(status), status and status.code) == (expected, code)


def test_too_many_pods() -> None:
    cache = objects.cache_of([objects.node("n", pods="1")], [objects.pod("x", node="n")])
    plugin = node_resources_fit.NodeResourcesFit(cache.snapshot)
    assert objects.verdicts(plugin, cache, objects.info("y")) == {"n": "Too many pods"}


def test_least_allocated_counts_something_for_pods_that_ask_for_nothing() -> None:
    cache = objects.cache_of(
        [objects.node("empty"), objects.node("half"), objects.node("full")],
        [
            objects.pod("a", "2", node="half", memory_size="4Gi"),
            objects.pod("b", "4", node="full", memory_size="8Gi"),
        ],
    )
    plugin = node_resources_fit.NodeResourcesFit(cache.snapshot)
    assert objects.scores(plugin, cache, objects.info()) == {"empty": 97, "half": 47, "full": 0}
    assert objects.scores(plugin, cache, objects.info("p", "1", memory_size="2Gi")) == {
        "empty": 75,
        "half": 25,
        "full": 0,
    }
    cache.add_pod(objects.pod("c", "2", node="empty", memory_size="4Gi"))  # what is remembered follows
    assert objects.scores(plugin, cache, objects.info()) == {"empty": 47, "half": 47, "full": 0}


def test_balance() -> None:
    cache = objects.cache_of(
        [objects.node("even"), objects.node("cpu-heavy")], [objects.pod("a", "2", node="cpu-heavy")]
    )
    plugin = node_resources_balanced_allocation.NodeResourcesBalancedAllocation(cache.snapshot)
    assert objects.scores(plugin, cache, objects.info()) is None
    memory = objects.info("p", memory_size="4Gi")
    assert objects.scores(plugin, cache, memory) == {"even": 62, "cpu-heavy": 87}
    both = objects.info("p", "2", memory_size="4Gi")
    assert objects.scores(plugin, cache, both) == {"even": 75, "cpu-heavy": 75}


def test_fit_hints() -> None:
    plugin = node_resources_fit.NodeResourcesFit(objects.cache_of([]).snapshot)
    wanted = objects.info("p", "2")
    deleted = objects.hint_for(plugin, cluster_events.ASSIGNED_POD_DELETE)
    assert deleted(wanted, objects.pod("x", node="n"), None)
    assert deleted(wanted, objects.pod("x", status={"nominatedNodeName": "n"}), None)
    assert not deleted(wanted, objects.pod("x"), None)
    grown = objects.hint_for(plugin, ClusterEvent(cluster_events.NODE, cluster_events.UPDATE_NODE_ALLOCATABLE))
    assert grown(wanted, None, objects.node("n"))
    assert not grown(wanted, None, objects.node("n", cpu="1"))
    assert grown(wanted, objects.node("n", cpu="1"), objects.node("n"))
    assert not grown(wanted, objects.node("n", memory_size="1Gi"), objects.node("n"))
    assert grown(wanted, objects.node("n", pods="1"), objects.node("n"))
    shrunk = objects.hint_for(plugin, ClusterEvent(cluster_events.ASSIGNED_POD, cluster_events.UPDATE_POD_SCALE_DOWN))
    assert shrunk(wanted, objects.pod("x", "2", node="n"), objects.pod("x", "1", node="n"))
    assert not shrunk(
        wanted,
        objects.pod("x", "2", node="n", memory_size="2Gi"),
        objects.pod("x", "2", node="n", memory_size="1Gi"),
    )


def test_image_locality() -> None:
    images = [{"names": ["web:1"], "sizeBytes": 500 * 1024 * 1024}]
    nodes = [objects.node("a", status={"images": images}), objects.node("b")]
    cache = objects.cache_of(nodes)
    plugin = image_locality.ImageLocality(cache.snapshot)
    assert objects.scores(plugin, cache, objects.info()) == {"a": 23, "b": 0}
    cache.add_node(objects.node("b", status={"images": images}))
    assert objects.scores(plugin, cache, objects.info()) == {"a": 48, "b": 48}
    cache.remove_node(nodes[0])
    cache.add_node(objects.node("b"))
    cache.update_snapshot()
    assert objects.scores(plugin, cache, objects.info()) == {"b": 0}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("web", "web:latest"), ("web:1", "web:1"), ("host:5000/web", "host:5000/web:latest"), ("h:1/w:2", "h:1/w:2")],
)
def test_image_names(name: str, expected: str) -> None:
    assert image_locality.normalized(name) == expected
