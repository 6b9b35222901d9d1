"""Endpoints, and their mirroring into slices, against a real API server."""

import pytest

from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.controllers import endpoint_subsets

SLICE = "discovery.k8s.io/v1/EndpointSlice"


def address(ip, uid=""):
    reference = core.ObjectReference(kind="Pod", uid=uid) if uid else None
    return core.EndpointAddress(ip=ip, targetRef=reference)


def port(number):
    return core.EndpointPort(name=f"p{number}", port=number, protocol="TCP")


def subset(ready, waiting, *ports):
    return core.EndpointSubset(
        addresses=tuple(map(address, ready)), notReadyAddresses=tuple(map(address, waiting)), ports=ports
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ()),
        ([subset("1", "", port(1)), subset("2", "", port(1))], (subset("12", "", port(1)),)),
        ([subset("1", "", port(2)), subset("1", "", port(1))], (subset("1", "", port(1), port(2)),)),
        ([subset("1", "", port(1)), subset("2", "", port(2))], (subset("1", "", port(1)), subset("2", "", port(2)))),
        ([subset("2", "", port(1)), subset("", "1", port(1))], (subset("2", "1", port(1)),)),
        ([subset("1", "", port(1)), subset("", "1", port(1))], (subset("1", "", port(1)),)),
        ([subset("2", ""), subset("1", "")], (subset("12", ""),)),
    ],
)
def test_repack(before, after):
    assert endpoint_subsets.repack(before) == after


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(1000, 0)], [(1000, 0)]),
        ([(1500, 10)], [(1000, 0)]),
        ([(900, 300)], [(900, 100)]),
        ([(600, 0), (600, 0)], [(500, 0), (500, 0)]),
    ],
)
def test_at_most_a_thousand(sizes, expected):
    subsets = tuple(subset(map(str, range(ready)), map(str, range(ready, ready + waiting))) for ready, waiting in sizes)
    found = endpoint_subsets.truncated(subsets)
    assert [(len(one.addresses), len(one.notReadyAddresses)) for one in found] == expected


async def service(cluster, **spec):
    spec = {"ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    await cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})


async def test_follows_pods_and_goes_with_its_service(cluster):
    await cluster.run("endpoints-controller")
    await service(cluster, selector={"app": "web"})
    for number, ready in ((1, True), (2, False)):
        template = cluster.template({"app": "web"}, nodeName="n1")
        about = {**template["metadata"], "name": f"p{number}"}
        await cluster.apply({"apiVersion": "v1", "kind": "Pod", **template, "metadata": about})
        ip = f"10.244.0.{number}"
        await cluster.set_pod(f"p{number}", ready=ready, podIP=ip, podIPs=[{"ip": ip}])
    await cluster.settle()
    found = await cluster.get("Endpoints", "web")
    assert found["metadata"]["labels"] == {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    (only,) = found["subsets"]
    assert [one["ip"] for one in only["addresses"]] == ["10.244.0.1"]
    assert [one["ip"] for one in only["notReadyAddresses"]] == ["10.244.0.2"]
    assert only["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    await cluster.delete("Pod", "p1", grace_period=0)
    await cluster.settle()
    (only,) = (await cluster.get("Endpoints", "web"))["subsets"]
    assert "addresses" not in only
    await cluster.stop_controllers()
    await cluster.delete("Service", "web")
    await cluster.run("endpoints-controller")
    await cluster.settle()
    with pytest.raises(errors.NotFound):
        await cluster.get("Endpoints", "web")


async def test_hand_written_endpoints_are_mirrored(cluster):
    await cluster.run("endpointslice-mirroring-controller", "endpoints-controller", "endpointslice-controller")
    await service(cluster)
    ports = [{"name": "http", "port": 8080}]
    subsets = [{"addresses": [{"ip": "192.0.2.1"}], "notReadyAddresses": [{"ip": "192.0.2.2"}], "ports": ports}]
    about = {"name": "web", "labels": {"a": "b"}}
    await cluster.apply({"apiVersion": "v1", "kind": "Endpoints", "metadata": about, "subsets": subsets})
    await cluster.settle()
    (made,) = await cluster.list_all(SLICE, selector="kubernetes.io/service-name=web")
    assert made["metadata"]["labels"] == {
        "a": "b",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert made["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
    assert {one["addresses"][0]: one["conditions"] for one in made["endpoints"]} == {
        "192.0.2.1": {"ready": True},
        "192.0.2.2": {"ready": False},
    }
    subsets[0]["addresses"] = [{"ip": "192.0.2.9"}]
    await cluster.patch("Endpoints", "web", {"subsets": subsets})
    await cluster.settle()
    (changed,) = await cluster.list_all(SLICE, selector="kubernetes.io/service-name=web")
    assert changed["metadata"]["name"] == made["metadata"]["name"]
    assert changed["endpoints"][0]["addresses"] == ["192.0.2.9"]
    await cluster.patch("Service", "web", {"spec": {"selector": {"app": "web"}}})
    await cluster.settle()
    (own,) = await cluster.list_all(SLICE, selector="kubernetes.io/service-name=web")
    assert own["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
