"""The cache: assumed, confirmed, forgotten; nodes that come late or leave early; its rules under any history."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.scheduler import objects

from pybernetes.scheduler import check
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.node_info import CacheCorrupted


def requested(cache: Cache, node: str) -> int:
    """Milli-CPU taken."""
    return cache.nodes[node].requested.milli_cpu


def test_assume_confirm_remove() -> None:
    cache = objects.cache_of([objects.node("n")])
    cache.assume(objects.info("a", "1", node="n"))
    assert (requested(cache, "n"), cache.assumed) == (1000, {"a"})
    cache.add_pod(objects.pod("a", "1", node="n", labels={"seen": "yes"}))
    assert (requested(cache, "n"), cache.assumed) == (1000, set())
    assert cache.nodes["n"].pods["a"].pod.metadata.labels == {"seen": "yes"}
    cache.update_pod(objects.pod("a", "2", node="n"))
    assert requested(cache, "n") == 2000
    cache.remove_pod(objects.pod("a", node="n"))
    assert requested(cache, "n") == 0
    assert check.check_cache(cache) == []


def test_forget() -> None:
    cache = objects.cache_of([objects.node("n")])
    cache.assume(objects.info("a", "1", node="n"))
    cache.forget(objects.pod("a", node="n"))
    cache.forget(objects.pod("a", node="n"))  # it may have been deleted meanwhile
    assert requested(cache, "n") == 0


def test_confirmed_on_another_node() -> None:
    cache = objects.cache_of([objects.node("n"), objects.node("m")])
    cache.assume(objects.info("a", "1", node="n"))
    cache.add_pod(objects.pod("a", "1", node="m"))
    assert (requested(cache, "n"), requested(cache, "m")) == (0, 1000)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda cache: cache.assume(objects.info("a", node="n")),
        lambda cache: cache.add_pod(objects.pod("a", node="n")),
        lambda cache: cache.forget(objects.pod("a", node="n")),
        lambda cache: cache.update_pod(objects.pod("b", node="n")),
        lambda cache: cache.remove_pod(objects.pod("b", node="n")),
    ],
)
def test_what_cannot_be(wrong: Any) -> None:
    cache = objects.cache_of([objects.node("n")], [objects.pod("a", node="n")])
    with pytest.raises(CacheCorrupted):
        wrong(cache)
    assert check.check_cache(cache) == []


def test_pods_before_and_after_their_node() -> None:
    cache = objects.cache_of([], [objects.pod("a", "1", node="n")])
    assert cache.update_snapshot().nodes == []
    cache.add_node(objects.node("n"))
    assert [one.name for one in cache.update_snapshot().nodes] == ["n"]
    assert requested(cache, "n") == 1000
    cache.remove_node(objects.node("n"))
    assert cache.update_snapshot().nodes == []
    assert check.check_cache(cache) == []
    cache.remove_pod(objects.pod("a", node="n"))
    assert cache.nodes == {}


def test_nodes_of_different_zones_take_turns() -> None:
    zone = "topology.kubernetes.io/zone"
    nodes = [objects.node(name, labels={zone: name[0]}) for name in ("a1", "a2", "a3", "b1", "c1", "c2")]
    cache = objects.cache_of(nodes)
    assert [one.name for one in cache.snapshot.nodes] == ["a1", "b1", "c1", "a2", "c2", "a3"]
    cache.add_node(objects.node("a3", labels={zone: "b"}))
    assert [one.name for one in cache.update_snapshot().nodes] == ["a1", "b1", "c1", "a2", "a3", "c2"]


def test_changes_are_told_latest_first() -> None:
    cache = objects.cache_of([objects.node(name) for name in "abc"])
    before = cache.snapshot.generation
    cache.add_pod(objects.pod("p", node="a"))
    cache.add_pod(objects.pod("q", node="c"))
    assert [one.name for one in cache.snapshot.changed_since(before)] == ["c", "a"]


NODES = st.sampled_from(["n0", "n1", "n2"])
PODS = st.sampled_from([f"p{index}" for index in range(6)])
AFFINITY = {
    "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]}
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add node", "remove node", "assume", "forget", "add", "update", "remove"]),
        NODES,
        PODS,
        st.sampled_from(["100m", "1"]),
        st.booleans(),
    ),
    max_size=60,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_any_history_leaves_it_in_order(steps: list[tuple[str, str, str, str, bool]]) -> None:
    cache = Cache()
    for action, node, name, cpu, social in steps:
        pod = objects.pod(name, cpu, node=node, affinity=AFFINITY if social else None)
        try:
            match action:
                case "add node":
                    cache.add_node(objects.node(node, labels={"topology.kubernetes.io/zone": cpu}))
                case "remove node":
                    cache.remove_node(objects.node(node))
                case "assume":
                    cache.assume(objects.info(name, cpu, node=node))
                case "forget":
                    cache.forget(pod)
                case "add":
                    cache.add_pod(pod)
                case "update":
                    cache.update_pod(pod)
                case "remove":
                    cache.remove_pod(pod)
        except CacheCorrupted:
            pass  # refused, and nothing changed
        assert check.check_cache(cache) == []
