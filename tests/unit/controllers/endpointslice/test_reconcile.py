"""Slices from Pods, as tables of values."""

import pytest
from msgspec import structs

from pybernetes.api.types import core, discovery, meta
from pybernetes.controllers.endpointslice import reconcile


def service(**spec):
    ports = spec.pop("ports", (core.ServicePort(name="http", port=80, targetPort=8080, protocol="TCP"),))
    about = meta.ObjectMeta(name="svc", namespace="ns", uid="svc-uid", labels={"a": "b"})
    spec = {"clusterIP": "10.96.0.9", "ipFamilies": ("IPv4",), "selector": {"app": "web"}, **spec}
    return core.Service(metadata=about, spec=core.ServiceSpec(ports=ports, **spec))


def pod(number, *, ready=True, node="n1", deleted=False, ports=(), phase="Running", ip=None, **spec):
    condition = core.PodCondition(type="Ready", status="True" if ready else "False")
    address = ip or f"10.244.{number // 250}.{number % 250 + 1}"
    return core.Pod(
        metadata=meta.ObjectMeta(
            name=f"p{number:04}",
            namespace="ns",
            uid=f"uid-{number}",
            deletionTimestamp="2026-01-01T00:00:00Z" if deleted else None,
        ),
        spec=core.PodSpec(nodeName=node, containers=(core.Container(name="c", ports=ports),), **spec),
        status=core.PodStatus(phase=phase, conditions=(condition,), podIP=address, podIPs=(core.PodIP(ip=address),)),
    )


NODES = {"n1": core.Node(metadata=meta.ObjectMeta(name="n1", labels={reconcile.ZONE: "z1"}))}


def plan(owner, pods, existing=(), limit=100):
    return reconcile.plan(owner, pods, NODES.get, existing, limit)


def stored(slices):
    """As the server would give them back."""
    return [
        structs.replace(one, metadata=structs.replace(one.metadata, name=f"svc-{number}", resourceVersion="1"))
        for number, one in enumerate(slices)
    ]


def test_a_new_slice():
    (made,) = plan(service(), [pod(1)]).create
    assert made.metadata.generateName == "svc-"
    assert made.metadata.labels == {
        "a": "b",
        reconcile.SERVICE_NAME: "svc",
        reconcile.MANAGED_BY: reconcile.CONTROLLER_NAME,
    }
    assert made.metadata.ownerReferences[0].uid == "svc-uid"
    assert made.addressType == "IPv4"
    assert made.ports == (discovery.EndpointPort(name="http", port=8080, protocol="TCP"),)
    (endpoint,) = made.endpoints
    assert endpoint == discovery.Endpoint(
        addresses=("10.244.0.2",),
        conditions=discovery.EndpointConditions(ready=True, serving=True, terminating=False),
        targetRef=core.ObjectReference(kind="Pod", namespace="ns", name="p0001", uid="uid-1"),
        nodeName="n1",
        zone="z1",
    )


@pytest.mark.parametrize(
    ("how", "spec", "expected"),
    [
        ({}, {}, (True, True, False)),
        ({"ready": False}, {}, (False, False, False)),
        ({"deleted": True}, {}, (False, True, True)),
        ({"ready": False, "deleted": True}, {}, (False, False, True)),
        ({"ready": False}, {"publishNotReadyAddresses": True}, (True, False, False)),
        ({"deleted": True}, {"publishNotReadyAddresses": True}, (True, True, True)),
    ],
)
def test_conditions(how, spec, expected):
    (made,) = plan(service(**spec), [pod(1, **how)]).create
    conditions = made.endpoints[0].conditions
    assert (conditions.ready, conditions.serving, conditions.terminating) == expected


def test_nobody_behind_it_makes_one_empty_slice_and_keeps_it():
    nobody = [pod(1, phase="Succeeded"), structs.replace(pod(2), status=core.PodStatus(phase="Pending"))]
    first = plan(service(clusterIP="None"), nobody)
    (placeholder,) = first.create
    assert placeholder.endpoints == placeholder.ports == ()
    assert placeholder.metadata.labels[reconcile.HEADLESS] == ""
    assert plan(service(clusterIP="None"), nobody, stored(first.create)).changes() == 0
    ((before, after),) = plan(service(clusterIP="None"), [pod(1)], stored(first.create)).update
    assert before.metadata.name == after.metadata.name == "svc-0"
    assert len(after.endpoints) == 1


def test_a_hundred_per_slice_and_few_writes():
    owner, pods = service(), [pod(n) for n in range(250)]
    first = plan(owner, pods)
    assert [len(one.endpoints) for one in first.create] == [100, 100, 50]
    slices = stored(first.create)
    assert plan(owner, pods, slices).changes() == 0
    more = plan(owner, [*pods, pod(300)], slices)
    assert [(old.metadata.name, len(new.endpoints)) for old, new in more.update] == [("svc-2", 51)]
    assert not more.create
    # one gone from a full slice, one new: the same write does both
    swapped = plan(owner, [*pods[1:], pod(300)], slices)
    assert [(old.metadata.name, len(new.endpoints)) for old, new in swapped.update] == [("svc-0", 100)]
    fewer = plan(owner, pods[:200], slices)
    assert [one.metadata.name for one in fewer.delete] == ["svc-2"]
    assert fewer.changes() == 1


def test_last_endpoint_gone_leaves_the_slice_empty():
    owner = service()
    slices = stored(plan(owner, [pod(1)]).create)
    todo = plan(owner, [], slices)
    ((_, after),) = todo.update
    assert after.endpoints == after.ports == ()
    assert todo.changes() == 1


def test_readiness_is_an_update():
    owner = service()
    slices = stored(plan(owner, [pod(1), pod(2)]).create)
    ((_, after),) = plan(owner, [pod(1), pod(2, ready=False)], slices).update
    assert [one.conditions.ready for one in after.endpoints] == [True, False]


def test_named_ports_that_differ_make_two_slices():
    owner = service(ports=(core.ServicePort(name="http", port=80, targetPort="web", protocol="TCP"),))
    ports = [(core.ContainerPort(name="web", containerPort=n, protocol="TCP"),) for n in (8080, 8081)]
    todo = plan(owner, [pod(1, ports=ports[0]), pod(2, ports=ports[1]), pod(3)])
    assert sorted([port.port for port in one.ports] for one in todo.create) == [[], [8080], [8081]]


def test_unknown_node_is_left_out_and_told():
    todo = plan(service(), [pod(1, node="gone"), pod(2)])
    assert todo.missing_nodes == [("p0001", "gone")]
    assert [len(one.endpoints) for one in todo.create] == [1]
    assert plan(service(publishNotReadyAddresses=True), [pod(1, node="gone")]).missing_nodes == []


def test_dual_stack_has_slices_of_both_types():
    both = structs.replace(
        pod(1), status=structs.replace(pod(1).status, podIPs=(core.PodIP(ip="10.244.0.9"), core.PodIP(ip="fd00::9")))
    )
    made = plan(service(ipFamilies=("IPv4", "IPv6")), [both]).create
    assert [(one.addressType, one.endpoints[0].addresses) for one in made] == [
        ("IPv4", ("10.244.0.9",)),
        ("IPv6", ("fd00::9",)),
    ]
    stale = stored(made)
    assert [one.addressType for one in plan(service(), [both], stale).delete] == ["IPv6"]


def test_labels_follow_the_service():
    slices = stored(plan(service(), [pod(1)]).create)
    renamed = structs.replace(service(), metadata=structs.replace(service().metadata, labels={"a": "c"}))
    ((_, after),) = plan(renamed, [pod(1)], slices).update
    assert after.metadata.labels["a"] == "c"


@pytest.mark.parametrize(
    ("wish", "zones", "nodes"),
    [
        (None, None, None),
        ("PreferClose", ["z1"], []),
        ("PreferSameZone", ["z1"], []),
        ("PreferSameNode", ["z1"], ["n1"]),
    ],
)
def test_hints(wish, zones, nodes):
    (made,) = plan(service(trafficDistribution=wish), [pod(1)]).create
    hints = made.endpoints[0].hints
    found = (None, None) if hints is None else ([z.name for z in hints.forZones], [n.name for n in hints.forNodes])
    assert found == (zones, nodes)


def test_hostname_only_under_its_own_service():
    (made,) = plan(service(), [pod(1, hostname="db-0", subdomain="svc"), pod(2, hostname="db-1", subdomain="x")]).create
    assert [one.hostname for one in made.endpoints] == ["db-0", None]
