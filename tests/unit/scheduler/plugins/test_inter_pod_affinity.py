"""InterPodAffinity: required and preferred, one's own and others', by namespace and domain."""

from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.api.types import core
from pybernetes.scheduler import cluster_events
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.cluster_events import ClusterEvent
from pybernetes.scheduler.framework import CycleState
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.plugins import inter_pod_affinity

ZONE = "topology.kubernetes.io/zone"
NEAR = "node(s) didn't match pod affinity rules"
FAR = "node(s) didn't match pod anti-affinity rules"
OTHERS = "node(s) didn't satisfy existing pods anti-affinity rules"


def term(app: str, key: str = ZONE, **more: Any) -> dict[str, Any]:
    """A term about Pods labelled app=<app>."""
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key, **more}


def near(*terms: Any) -> dict[str, Any]:
    """Required affinity."""
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [*terms]}}


def far(*terms: Any) -> dict[str, Any]:
    """Required anti-affinity."""
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [*terms]}}


def pod(name: str, app: str, node: str = "", affinity: Any = None, **more: Any) -> core.Pod:
    """A labelled Pod."""
    return objects.pod(name, node=node, labels={"app": app}, affinity=affinity, **more)


def zones(*pods: core.Pod) -> Cache:
    """Two nodes in zone a, one in b, one without a zone."""
    nodes = [objects.node(name, labels={ZONE: name[0]}) for name in ("a1", "a2", "b1")]
    return objects.cache_of([*nodes, objects.node("none")], pods)


def plugin(cache: Cache, *known: core.Namespace) -> inter_pod_affinity.InterPodAffinity:
    """The plugin over a cache."""
    return inter_pod_affinity.InterPodAffinity(cache.snapshot, objects.Lists(*known))


def check(cache: Cache, wanted: core.Pod, *known: core.Namespace) -> dict[str, str]:
    """Verdicts in a fixed order."""
    found = objects.verdicts(plugin(cache, *known), cache, PodInfo(wanted))
    return dict(sorted(found.items()))


def test_near() -> None:
    cache = zones(pod("db", "db", "a1"))
    found = check(cache, pod("p", "web", affinity=near(term("db"))))
    assert found == {"a1": "", "a2": "", "b1": NEAR, "none": NEAR}
    found = check(cache, pod("p", "web", affinity=near(term("db"), term("cache"))))
    assert set(found.values()) == {NEAR}


def test_the_first_of_its_kind_may_go_anywhere_with_the_label() -> None:
    found = check(zones(), pod("p", "web", affinity=near(term("web"))))
    assert found == {"a1": "", "a2": "", "b1": "", "none": NEAR}
    assert set(check(zones(), pod("p", "web", affinity=near(term("db")))).values()) == {NEAR}


def test_far() -> None:
    cache = zones(pod("x", "web", "a1"))
    found = check(cache, pod("p", "web", affinity=far(term("web"))))
    assert found == {"a1": FAR, "a2": FAR, "b1": "", "none": ""}
    host = check(cache, pod("p", "web", affinity=far(term("web", "kubernetes.io/hostname"))))
    assert host == {"a1": FAR, "a2": "", "b1": "", "none": ""}


def test_others_mind() -> None:
    cache = zones(pod("x", "db", "a1", far(term("web"))))
    assert check(cache, pod("p", "web")) == {"a1": OTHERS, "a2": OTHERS, "b1": "", "none": ""}
    assert set(check(cache, pod("p", "other")).values()) == {""}


@pytest.mark.parametrize(
    ("where", "blocked"),
    [
        ({}, False),
        ({"namespaces": ["other"]}, True),
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, False),
    ],
)
def test_namespaces(where: Any, blocked: bool) -> None:
    other = objects.namespace("other", team="a")
    cache = zones(pod("x", "web", "a1", namespace="other"))
    found = check(cache, pod("p", "web", affinity=far(term("web", **where))), other)
    assert found["a1"] == (FAR if blocked else "")
    reverse = zones(pod("x", "db", "a1", far(term("web", **where))))
    found = check(reverse, pod("p", "web", namespace="other"), other)
    assert found["a1"] == (OTHERS if blocked else "")


def test_trial_removals() -> None:
    cache = zones(pod("x", "web", "a1"))
    wanted = PodInfo(pod("p", "web", affinity=far(term("web"))))
    one, state = plugin(cache), CycleState()
    objects.verdicts(one, cache, wanted, state)
    node = cache.snapshot.get("a1")
    assert node is not None
    trial = state.clone()
    one.remove_pod(trial, wanted, node.pods["x"], node)
    assert one.filter(trial, wanted, node) is None
    one.add_pod(trial, wanted, node.pods["x"], node)
    assert objects.message(one.filter(trial, wanted, node)) == FAR


def test_preferences_score() -> None:
    def prefer(kind: str, weight: int, app: str) -> dict[str, Any]:
        terms = [{"weight": weight, "podAffinityTerm": term(app)}]
        return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": terms}}

    cache = zones(pod("x", "db", "a1"), pod("y", "noisy", "b1"))
    wanted = PodInfo(pod("p", "web", affinity=prefer("podAffinity", 10, "db") | prefer("podAntiAffinity", 10, "noisy")))
    assert objects.scores(plugin(cache), cache, wanted) == {"a1": 100, "a2": 100, "b1": 0, "none": 50}
    assert objects.scores(plugin(cache), cache, PodInfo(pod("p", "web"))) is None
    cache = zones(pod("x", "db", "a1", near(term("web"))), pod("y", "db", "b1", prefer("podAffinity", 4, "web")))
    found = objects.scores(plugin(cache), cache, PodInfo(pod("p", "web")))
    assert found == {"a1": 25, "a2": 25, "b1": 100, "none": 0}


def test_hints() -> None:
    one = plugin(zones())
    pods = objects.hint_for(one, cluster_events.ASSIGNED_POD_DELETE)
    lonely, social = (
        PodInfo(pod("p", "web", affinity=far(term("db")))),
        PodInfo(pod("p", "web", affinity=near(term("db")))),
    )
    db, other = pod("x", "db", "a1"), pod("x", "other", "a1")
    assert pods(lonely, db, None)
    assert not pods(lonely, other, None)
    assert pods(lonely, pod("y", "other", "a1", far(term("web"))), None)
    assert pods(social, None, db)
    assert not pods(social, None, other)
    assert pods(social, other, db)
    assert not pods(social, db, other)
    assert pods(lonely, db, other)
    assert not pods(social, None, pod("x", "db"))
    nodes = objects.hint_for(one, ClusterEvent(cluster_events.NODE, cluster_events.UPDATE_NODE_LABEL))
    bare, zoned = objects.node("n"), objects.node("n", labels={ZONE: "a"})
    assert nodes(social, None, zoned)
    assert not nodes(social, None, bare)
    assert nodes(social, bare, zoned)
    assert not nodes(social, zoned, bare)
    assert nodes(lonely, zoned, bare)
    assert nodes(lonely, None, bare)
    assert not nodes(lonely, zoned, zoned)
