"""NodeAffinity: nodeSelector, required and preferred terms."""

from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.scheduler import cluster_events
from pybernetes.scheduler.cluster_events import ClusterEvent
from pybernetes.scheduler.framework import CycleState
from pybernetes.scheduler.plugins import node_affinity

NO = "node(s) didn't match Pod's node affinity/selector"


def required(*terms: Any) -> dict[str, Any]:
    """Spec with required node affinity."""
    selector = {"nodeSelectorTerms": [*terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}}


def labelled(key: str, operator: str, *values: str) -> dict[str, Any]:
    """A term about a label."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": [*values]}]}


def named(operator: str, *values: str) -> dict[str, Any]:
    """A term about the node's name."""
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": [*values]}]}


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        ({"nodeSelector": {"disk": "ssd", "x": "y"}}, False),
        (required(labelled("disk", "In", "hdd", "ssd")), True),
        (required(labelled("disk", "NotIn", "ssd")), False),
        (required(labelled("none", "NotIn", "ssd")), True),
        (required(labelled("disk", "Exists")), True),
        (required(labelled("disk", "DoesNotExist")), False),
        (required(labelled("cores", "Gt", "4")), True),
        (required(labelled("cores", "Lt", "8")), False),
        (required(labelled("disk", "In", "hdd"), labelled("cores", "Exists")), True),  # terms are alternatives
        (required({}), False),  # an empty term selects nothing
        (required(named("NotIn", "n")), False),
        (required(named("NotIn", "m")), True),
        ({**required(labelled("disk", "Exists")), "nodeSelector": {"disk": "hdd"}}, False),  # both must hold
        (required(labelled("disk", "Bad")), False),
    ],
)
def test_filter(spec: Any, fits: bool) -> None:
    cache = objects.cache_of([objects.node("n", labels={"disk": "ssd", "cores": "8"})])
    found = objects.verdicts(node_affinity.NodeAffinity(), cache, objects.info(**spec))
    assert found == {"n": "" if fits else NO}


def test_names_narrow_the_search() -> None:
    plugin = node_affinity.NodeAffinity()
    cache = objects.cache_of([objects.node("a"), objects.node("b")])

    def narrowed(spec: Any) -> Any:
        answer = plugin.pre_filter(CycleState(), objects.info(**spec), cache.snapshot)
        return getattr(answer, "node_names", answer)

    assert narrowed(required(named("In", "a"), named("In", "b"))) == {"a", "b"}
    assert narrowed(required(named("In", "a"), labelled("x", "Exists"))) is None
    both = {"matchFields": named("In", "a")["matchFields"] + named("In", "b")["matchFields"]}
    assert narrowed(required(both)).message == "pod affinity terms conflict"


def test_score() -> None:
    cache = objects.cache_of([objects.node("a", labels={"x": "1"}), objects.node("b", labels={"x": "1", "y": "1"})])
    terms = [
        {"weight": 10, "preference": labelled("x", "Exists")},
        {"weight": 30, "preference": labelled("y", "Exists")},
        {"weight": 5, "preference": {}},
    ]
    wanted = objects.info(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}})
    plugin = node_affinity.NodeAffinity()
    assert objects.scores(plugin, cache, wanted) == {"a": 25, "b": 100}
    assert objects.scores(plugin, cache, objects.info()) is None


def test_hint() -> None:
    event = ClusterEvent(cluster_events.NODE, cluster_events.UPDATE_NODE_LABEL)
    hint = objects.hint_for(node_affinity.NodeAffinity(), event)
    wanted = objects.info(nodeSelector={"disk": "ssd"})
    without, matching = objects.node("n"), objects.node("n", labels={"disk": "ssd"})
    assert hint(wanted, without, matching)
    assert hint(wanted, None, matching)
    assert not hint(wanted, matching, matching)
    assert not hint(wanted, matching, without)
