"""PodTopologySpread: hard and soft constraints, built-in rules, counts that follow the cluster."""

from typing import Any

import msgspec
import pytest
from tests.unit.scheduler import objects

from pybernetes.api.types import apps, core, meta
from pybernetes.apimachinery import labels
from pybernetes.scheduler import cluster_events, listers
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.cluster_events import ClusterEvent
from pybernetes.scheduler.framework import CycleState
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.plugins import pod_topology_spread

WEB = {"app": "web"}
NO = "node(s) didn't match pod topology spread constraints"
ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def constraint(key: str = ZONE, action: str = "DoNotSchedule", skew: int = 1, **more: Any) -> dict[str, Any]:
    """A constraint on Pods labelled app=web."""
    return {
        "topologyKey": key,
        "whenUnsatisfiable": action,
        "maxSkew": skew,
        "labelSelector": {"matchLabels": WEB},
        **more,
    }


def web(name: str = "p", node: str = "", **more: Any) -> core.Pod:
    """A Pod labelled app=web."""
    return objects.pod(name, node=node, labels=WEB, **more)


def plugin(cache: Cache, *known: meta.Object) -> pod_topology_spread.PodTopologySpread:
    """The plugin over a cache and other objects."""
    lists = objects.Lists(*known)
    return pod_topology_spread.PodTopologySpread(cache.snapshot, lambda pod: listers.default_selector(pod, lists))


def three_zones(*counts: int) -> Cache:
    """A node for each zone with so many matching Pods."""
    nodes = [objects.node(f"n{i}", labels={ZONE: f"z{i}"}) for i in range(len(counts))]
    pods = [web(f"p{i}-{k}", f"n{i}") for i, count in enumerate(counts) for k in range(count)]
    return objects.cache_of(nodes, pods)


@pytest.mark.parametrize(
    ("counts", "spec", "fits"),
    [
        ((1, 0, 0), constraint(), ("n1", "n2")),
        ((1, 1, 1), constraint(), ("n0", "n1", "n2")),
        ((2, 1, 1), constraint(skew=2), ("n0", "n1", "n2")),
        ((3, 1, 1), constraint(skew=2), ("n1", "n2")),
        ((0, 0, 0), constraint(minDomains=4), ("n0", "n1", "n2")),
        ((1, 1, 1), constraint(minDomains=4), ()),
        ((1, 0, 0), constraint(action="ScheduleAnyway"), ("n0", "n1", "n2")),
    ],
)
def test_filter(counts: tuple[int, ...], spec: Any, fits: tuple[str, ...]) -> None:
    cache = three_zones(*counts)
    wanted = PodInfo(web(topologySpreadConstraints=[spec]))
    found = objects.verdicts(plugin(cache), cache, wanted)
    assert found == {f"n{i}": "" if f"n{i}" in fits else NO for i in range(3)}


def test_a_node_without_the_label() -> None:
    cache = objects.cache_of([objects.node("n")])
    wanted = PodInfo(web(topologySpreadConstraints=[constraint()]))
    assert objects.verdicts(plugin(cache), cache, wanted) == {"n": f"{NO} (missing required label)"}


def test_what_counts() -> None:
    nodes = [objects.node(f"n{i}", labels={ZONE: f"z{i}"}) for i in range(2)]
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    pods = [
        web("other-namespace", "n0", namespace="other"),
        web("going", "n0", metadata=going),
        objects.pod("unlabelled", node="n0"),
    ]
    cache = objects.cache_of(nodes, pods)
    wanted = PodInfo(web(topologySpreadConstraints=[constraint()]))
    assert objects.verdicts(plugin(cache), cache, wanted) == {"n0": "", "n1": ""}


def test_policies_for_affinity_and_taints() -> None:
    taint = [{"key": "k", "effect": "NoSchedule"}]
    nodes = [
        objects.node("n0", labels={ZONE: "z0", "pool": "a"}),
        objects.node("n1", labels={ZONE: "z1", "pool": "b"}),
        objects.node("n2", labels={ZONE: "z2", "pool": "a"}, taints=taint),
    ]
    cache = objects.cache_of(nodes, [web("x", "n0")])

    def on_first(spec: Any) -> str:
        wanted = PodInfo(web(topologySpreadConstraints=[spec], nodeSelector={"pool": "a"}))
        return objects.verdicts(plugin(cache), cache, wanted)["n0"]

    assert on_first(constraint()) == NO  # z2 is empty and counts, though its node is tainted
    assert on_first(constraint(nodeTaintsPolicy="Honor")) == ""  # now z0 is alone
    assert on_first(constraint(nodeTaintsPolicy="Honor", nodeAffinityPolicy="Ignore")) == NO  # z1 counts


def test_match_label_keys() -> None:
    cache = three_zones(1, 0, 0)
    spec = constraint(matchLabelKeys=["version"])
    wanted = objects.info(labels={**WEB, "version": "2"}, topologySpreadConstraints=[spec])
    assert set(objects.verdicts(plugin(cache), cache, wanted).values()) == {""}


def test_trial_additions_and_removals() -> None:
    cache = three_zones(1, 0)
    wanted = PodInfo(web(topologySpreadConstraints=[constraint()]))
    one, state = plugin(cache), CycleState()
    assert objects.verdicts(one, cache, wanted, state) == {"n0": NO, "n1": ""}
    first, second = cache.snapshot.nodes
    trial = state.clone()
    one.remove_pod(trial, wanted, first.pods["p0-0"], first)
    assert one.filter(trial, wanted, first) is None
    one.add_pod(trial, wanted, PodInfo(web("y", "n1")), second)
    assert one.filter(trial, wanted, second) is not None
    assert objects.message(one.filter(state, wanted, first)) == NO  # the original is as it was


def test_soft_constraints_score() -> None:
    cache = three_zones(4, 2, 0)
    wanted = PodInfo(web(topologySpreadConstraints=[constraint(action="ScheduleAnyway")]))
    assert objects.scores(plugin(cache), cache, wanted) == {"n0": 0, "n1": 50, "n2": 100}
    cache.add_node(objects.node("bare"))
    cache.update_snapshot()
    found = objects.scores(plugin(cache), cache, wanted)
    assert found is not None
    assert found["bare"] == 0


def test_built_in_rules_spread_the_pods_of_a_controller() -> None:
    nodes = [objects.node(f"n{i}", labels={ZONE: f"z{i % 2}"}) for i in range(4)]
    cache = objects.cache_of(nodes, [web("a", "n0"), web("b", "n2"), web("c", "n1")])
    owner = apps.ReplicaSet(
        metadata=meta.ObjectMeta(name="web", namespace="default", uid="u"),
        spec=apps.ReplicaSetSpec(selector=meta.LabelSelector(matchLabels=WEB)),
    )
    reference = msgspec.to_builtins(meta.owner_reference(owner))
    wanted = PodInfo(web(metadata={"ownerReferences": [reference]}))
    one = plugin(cache, owner)
    found = objects.scores(one, cache, wanted)
    assert found is not None
    assert found["n3"] == max(found.values())
    assert found["n0"] == found["n2"] == min(found.values())
    for name in ("d", "e"):
        cache.add_pod(web(name, "n3"))
    again = objects.scores(one, cache, wanted)  # counts follow the cluster
    assert again == objects.scores(plugin(cache, owner), cache, wanted)
    assert again is not None
    assert again["n3"] < again["n1"]
    assert objects.scores(one, cache, objects.info("lonely")) is None


def test_default_selector() -> None:
    service = core.Service(
        metadata=meta.ObjectMeta(name="s", namespace="default"), spec=core.ServiceSpec(selector={"app": "web"})
    )
    controller = core.ReplicationController(
        metadata=meta.ObjectMeta(name="rc", namespace="default", uid="u"),
        spec=core.ReplicationControllerSpec(selector={"tier": "front"}),
    )
    reference = msgspec.to_builtins(meta.owner_reference(controller))
    pod = objects.pod(labels={"app": "web", "tier": "front"}, metadata={"ownerReferences": [reference]})
    assert listers.default_selector(pod, objects.Lists()).empty
    assert listers.default_selector(pod, objects.Lists(service)) == labels.parse("app=web")
    both = listers.default_selector(pod, objects.Lists(service, controller))
    assert str(both) == "app=web,tier=front"


def test_hints() -> None:
    cache = three_zones(1, 0)
    one = plugin(cache)
    wanted = PodInfo(web(topologySpreadConstraints=[constraint(nodeTaintsPolicy="Honor")]))
    pods = objects.hint_for(one, cluster_events.ASSIGNED_POD_DELETE)
    assert pods(wanted, web("x", "n0"), None)
    assert pods(wanted, None, web("x", "n0"))
    assert not pods(wanted, objects.pod("x", node="n0"), None)
    assert not pods(wanted, web("x", "n0", namespace="other"), None)
    assert pods(wanted, web("x", "n0"), objects.pod("x", node="n0"))
    assert not pods(wanted, web("x", "n0"), web("x", "n0"))
    nodes = objects.hint_for(one, ClusterEvent(cluster_events.NODE, cluster_events.UPDATE_NODE_LABEL))
    without, in_zone = objects.node("n"), objects.node("n", labels={ZONE: "z9"})
    assert nodes(wanted, None, in_zone)
    assert not nodes(wanted, None, without)
    assert nodes(wanted, without, in_zone)
    assert nodes(wanted, in_zone, objects.node("n", labels={ZONE: "z8"}))
    assert not nodes(wanted, in_zone, in_zone)
    target = objects.hint_for(one, ClusterEvent(cluster_events.TARGET_POD, cluster_events.UPDATE_POD_TOLERATION))
    assert target(wanted, web(), web(tolerations=[{"operator": "Exists"}]))
    assert not target(wanted, web(), web())
