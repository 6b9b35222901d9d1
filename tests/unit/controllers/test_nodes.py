"""Nodes that fall silent, and what becomes of their Pods, against a real API server."""

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.controllers import context, node_taints, node_zones
from pybernetes.telemetry import metrics

LIFECYCLE, EVICTION, GC = "node-lifecycle-controller", "taint-eviction-controller", "pod-garbage-collector-controller"
LEASE = "coordination.k8s.io/v1/Lease"
UNREACHABLE = "node.kubernetes.io/unreachable"


def ready(cluster, status="True"):
    now = timestamps.format_time(cluster.clock.now())
    return {"type": "Ready", "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now}


async def make_node(cluster, name, **spec):
    obj = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}
    await cluster.apply({**obj, "status": {"conditions": [ready(cluster)]}}, "")


async def heartbeat(cluster, name, status="True"):
    await cluster.patch("Node", name, {"status": {"conditions": [ready(cluster, status)]}}, "", subresource="status")


async def renew(cluster, name):
    spec = {"holderIdentity": name, "renewTime": timestamps.format_micro_time(cluster.clock.now())}
    try:
        await cluster.patch(LEASE, name, {"spec": spec}, "kube-node-lease")
    except errors.NotFound:
        obj = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
        await cluster.apply(obj, "kube-node-lease")


async def make_pod(cluster, name, node, **spec):
    template = cluster.template({"app": "web"}, nodeName=node, **spec)
    await cluster.apply({"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": name}})
    await cluster.set_pod(name)


async def node(cluster, name):
    found = await cluster.get("Node", name, "")
    conditions = {
        one["type"]: (one["status"], one["reason"]) for one in found["status"]["conditions"] if "reason" in one
    }
    taints = {(one["key"], one["effect"]) for one in found["spec"].get("taints", ())}
    return conditions, taints


async def alive(cluster, *names, seconds):
    """Time passes, and only these nodes renew their Leases."""
    for _ in range(int(seconds // 10)):
        for name in names:
            await renew(cluster, name)
        await cluster.settle(10)


async def test_a_silent_node_becomes_unknown_and_loses_its_pods(cluster):
    for name in ("n1", "n2"):
        await make_node(cluster, name)
    await make_pod(cluster, "stays", "n1", tolerations=[{"operator": "Exists"}])
    toleration = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    await make_pod(cluster, "goes", "n1", tolerations=[toleration])
    await cluster.run(LIFECYCLE, EVICTION)
    await alive(cluster, "n1", "n2", seconds=60)
    assert await node(cluster, "n1") == ({}, set())
    await alive(cluster, "n2", seconds=70)
    conditions, taints = await node(cluster, "n1")
    assert conditions["Ready"] == ("Unknown", "NodeStatusUnknown")
    assert conditions["MemoryPressure"] == ("Unknown", "NodeStatusNeverUpdated")
    assert taints == {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")}
    assert (await node(cluster, "n2"))[1] == set()
    pod = await cluster.get("Pod", "goes")
    assert [one["status"] for one in pod["status"]["conditions"] if one["type"] == "Ready"] == ["False"]
    assert ("NodeNotReady", "Node is not ready") in await cluster.events("goes")
    assert ("NodeNotReady", "Node n1 status is now: NodeNotReady") in await cluster.events("n1")
    assert "deletionTimestamp" not in pod["metadata"]
    await alive(cluster, "n2", seconds=60)
    assert [pod.metadata.name for pod in await cluster.live_pods()] == ["stays"]
    assert ("TaintManagerEviction", "Marking for deletion Pod default/goes") in await cluster.events("goes")
    assert "\ntaint_eviction_controller_pod_deletions_total " in metrics.DEFAULT.render().decode()
    gone = await cluster.get("Pod", "goes")
    reasons = {one["type"]: one.get("reason") for one in gone["status"]["conditions"]}
    assert reasons["DisruptionTarget"] == "DeletionByTaintManager"


async def test_a_node_that_comes_back_is_forgiven(cluster):
    for name in ("n1", "n2"):
        await make_node(cluster, name)
    await make_pod(
        cluster,
        "p",
        "n1",
        tolerations=[{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
    )
    await cluster.run(LIFECYCLE, EVICTION)
    await alive(cluster, "n2", seconds=70)
    assert (await node(cluster, "n1"))[1]
    await heartbeat(cluster, "n1")
    await cluster.settle()
    assert (await node(cluster, "n1"))[1] == set()
    assert ("TaintManagerEviction", "Cancelling deletion of Pod default/p") in await cluster.events("p")
    await alive(cluster, "n1", "n2", seconds=400)
    assert len(await cluster.live_pods()) == 1


async def test_nobody_is_evicted_when_all_nodes_are_silent(cluster):
    for name in ("n1", "n2"):
        await make_node(cluster, name)
    await make_pod(cluster, "p", "n1")
    await cluster.run(LIFECYCLE, EVICTION)
    await cluster.settle(200)
    for name in ("n1", "n2"):
        assert (await node(cluster, name))[1] == {(UNREACHABLE, "NoSchedule")}
    assert len(await cluster.live_pods()) == 1


async def test_conditions_and_cordons_become_taints(cluster):
    await make_node(cluster, "n1")
    await make_node(cluster, "n2", unschedulable=True)
    await cluster.run(LIFECYCLE)
    await cluster.settle()
    assert (await node(cluster, "n2"))[1] == {("node.kubernetes.io/unschedulable", "NoSchedule")}
    pressure = {**ready(cluster), "type": "DiskPressure"}
    status = {"conditions": [ready(cluster, "False"), pressure]}
    await cluster.patch("Node", "n1", {"status": status}, "", subresource="status")
    await cluster.settle(6)
    assert (await node(cluster, "n1"))[1] == {
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
    }
    assert ("RegisteredNode", "Node n1 event: Registered Node n1 in Controller") in await cluster.events("n1")
    await cluster.delete("Node", "n1", "")
    await cluster.settle()
    assert ("RemovingNode", "Node n1 event: Removing Node n1 from Controller") in await cluster.events("n1")


async def test_pods_of_a_node_that_is_gone_are_removed(cluster):
    await make_node(cluster, "n1")
    await make_pod(cluster, "p", "n1")
    await make_pod(cluster, "never", "n0")
    await cluster.run(GC)
    await cluster.delete("Node", "n1", "")
    await cluster.settle(35)
    assert len(await cluster.list_all("Pod")) == 2
    await cluster.settle(10)
    assert await cluster.list_all("Pod") == []
    counted = 'pod_gc_collector_force_delete_pods_total{namespace="default",reason="orphaned"}'
    assert counted in metrics.DEFAULT.render().decode()


async def test_ended_pods_beyond_the_threshold_are_removed(cluster):
    await make_node(cluster, "n1")
    for number in range(4):
        await make_pod(cluster, f"p{number}", "n1")
        await cluster.set_pod(f"p{number}", phase="Succeeded")
        await cluster.settle(2)
    await cluster.run(GC, settings=context.Settings(terminated_pod_gc_threshold=2))
    await cluster.settle()
    assert [one["metadata"]["name"] for one in await cluster.list_all("Pod")] == ["p2", "p3"]


async def test_terminating_pods_that_no_kubelet_sees_are_removed(cluster):
    await make_node(cluster, "n1")
    await make_pod(cluster, "p", "n1")
    await cluster.run(GC)
    await cluster.delete("Pod", "p", grace_period=30)
    await cluster.settle()
    assert len(await cluster.list_all("Pod")) == 1
    await heartbeat(cluster, "n1", "Unknown")
    taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
    await cluster.patch("Node", "n1", {"spec": {"taints": [taint]}}, "")
    await cluster.settle()
    assert await cluster.list_all("Pod") == []


def _toleration(seconds=None, **fields):
    return core.Toleration(tolerationSeconds=seconds, **fields)


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ((), 0.0),
        ((_toleration(key="a", operator="Exists"),), None),
        ((_toleration(30, key="a", operator="Exists"),), 30.0),
        ((_toleration(-1, key="a", operator="Exists"),), 0.0),
        ((_toleration(30, key="a", value="other"),), 0.0),
        ((_toleration(30, key="a", value="v"), _toleration(10, operator="Exists")), 30.0),
        ((_toleration(30, operator="Exists", effect="NoSchedule"),), 0.0),
    ],
)
def test_toleration_seconds(tolerations, expected):
    taint = core.Taint(key="a", value="v", effect="NoExecute")
    assert node_taints.toleration_seconds([taint], tolerations) == expected


@pytest.mark.parametrize(
    ("ready_nodes", "not_ready", "state"),
    [(0, 0, "Normal"), (0, 1, "FullDisruption"), (1, 2, "Normal"), (2, 3, "PartialDisruption"), (3, 3, "Normal")],
)
def test_zone_state(ready_nodes, not_ready, state):
    assert node_zones.zone_state(ready_nodes, not_ready, context.Settings()) == state


async def test_zones_slow_down():
    clock = clocks.VirtualClock()
    zones = node_zones.Zones(clock, context.Settings())

    def nodes(good, bad):
        return [
            core.Node(
                metadata=meta.ObjectMeta(name=f"{status}{n}"),
                status=core.NodeStatus(conditions=(core.NodeCondition(type="Ready", status=status),)),
            )
            for status, count in (("True", good), ("Unknown", bad))
            for n in range(count)
        ]

    assert zones.update(nodes(10, 1))
    assert zones.wait("") == 0.0
    assert zones.wait("") == 10.0
    await clock.advance(10)
    assert zones.wait("") == 0.0
    assert zones.update(nodes(4, 6))
    assert zones.wait("") is None
    shown = metrics.DEFAULT.render().decode()
    for line in ('zone_size{zone=""} 10', 'zone_health{zone=""} 40', 'unhealthy_nodes_in_zone{zone=""} 6'):
        assert f"node_collector_{line}" in shown
    assert zones.update(nodes(40, 60)) is False
    assert zones.update(nodes(0, 5))
    assert zones.all_disrupted
