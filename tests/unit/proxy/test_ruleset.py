"""Which endpoints a node chooses for a Service."""

from typing import Any

import msgspec
import pytest

from pybernetes.api.types import core, discovery
from pybernetes.proxy import ruleset

HERE = ruleset.Vantage("here", ("192.0.2.1",), "east")
READY = {"ready": True, "serving": True, "terminating": False}
LEAVING = {"ready": False, "serving": True, "terminating": True}
UNREADY = {"ready": False, "serving": False, "terminating": False}
GONE = {"ready": False, "serving": False, "terminating": True}


def endpoint(number: int, conditions: dict[str, bool], node: str = "away", **more: Any) -> dict[str, Any]:
    return {"addresses": [f"10.244.0.{number}"], "conditions": conditions, "nodeName": node, **more}


def rules(spec: dict[str, Any], *endpoints: dict[str, Any], **more: Any) -> ruleset.ServiceRules:
    """Rules of a Service with one port `http`."""
    base = {"clusterIP": "10.96.0.1", "type": "ClusterIP", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    described = {"metadata": {"name": "web", "namespace": "default"}, "spec": {**base, **spec}, **more}
    service = msgspec.convert({"apiVersion": "v1", "kind": "Service", **described}, core.Service)
    piece = {
        "metadata": {"name": "web-1", "namespace": "default"},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [*endpoints],
    }
    return ruleset.service_rules(service, [msgspec.convert(piece, discovery.EndpointSlice)], HERE)


def numbers(targets: tuple[ruleset.Target, ...]) -> list[int]:
    return [int(one.address.rpartition(".")[2]) for one in targets]


LOCAL = {"type": "NodePort", "externalTrafficPolicy": "Local"}


@pytest.mark.parametrize(
    ("spec", "endpoints", "cluster", "local", "has_endpoints"),
    [
        ({}, [], [], [], False),
        ({}, [endpoint(1, READY), endpoint(2, UNREADY), endpoint(3, LEAVING)], [1], [], True),
        ({}, [endpoint(1, UNREADY), endpoint(2, LEAVING), endpoint(3, GONE)], [2], [], True),
        ({}, [endpoint(1, UNREADY)], [], [], False),
        ({}, [{"addresses": ["10.244.0.1"]}], [1], [], True),
        ({"internalTrafficPolicy": "Local"}, [endpoint(1, READY), endpoint(2, READY, "here")], [], [2], True),
        ({"internalTrafficPolicy": "Local"}, [endpoint(1, READY)], [], [], True),
        (LOCAL, [endpoint(1, READY), endpoint(2, LEAVING, "here")], [1], [2], True),
        (LOCAL, [endpoint(1, READY), endpoint(2, LEAVING, "here"), endpoint(3, READY, "here")], [1, 3], [3], True),
        # the policy means nothing where nothing comes from outside
        ({"externalTrafficPolicy": "Local"}, [endpoint(1, READY)], [1], [], True),
        ({}, [endpoint(1, READY), endpoint(1, LEAVING)], [1], [], True),
        ({}, [endpoint(1, LEAVING), endpoint(1, READY)], [1], [], True),
    ],
)
def test_choice(
    spec: dict[str, Any], endpoints: list[dict[str, Any]], cluster: list[int], local: list[int], has_endpoints: bool
) -> None:
    spec = {**spec}
    if spec.get("type") == "NodePort":
        spec["ports"] = [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30000}]
    (port,) = rules(spec, *endpoints).ports
    assert (numbers(port.cluster), numbers(port.local), port.has_endpoints) == (cluster, local, has_endpoints)


def zone(name: str) -> dict[str, Any]:
    return {"forZones": [{"name": name}]}


def node(name: str) -> dict[str, Any]:
    return {"forNodes": [{"name": name}]}


@pytest.mark.parametrize(
    ("hints", "chosen"),
    [
        ([zone("east"), zone("west")], [1]),
        ([zone("west"), zone("west")], [1, 2]),
        ([zone("east"), None], [1, 2]),
        ([{**zone("west"), **node("here")}, {**zone("east"), **node("away")}], [1]),
        ([{**zone("west"), **node("away")}, {**zone("east"), **node("away")}], [2]),
    ],
)
def test_hints(hints: list[dict[str, Any] | None], chosen: list[int]) -> None:
    endpoints = [endpoint(one, READY, hints=hint) for one, hint in enumerate(hints, 1)]
    (port,) = rules({}, *endpoints).ports
    assert numbers(port.cluster) == chosen


def test_health_check_counts_ready_endpoints_of_this_node() -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000}
    found = rules(spec, endpoint(1, READY, "here"), endpoint(2, LEAVING, "here"), endpoint(3, READY))
    assert (found.health_check_port, found.local_endpoints) == (32000, 1)
    assert rules({**spec, "externalTrafficPolicy": "Cluster"}).health_check_port == 0


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"clusterIP": ""}, {"type": "ExternalName"}])
def test_not_proxied(spec: dict[str, Any]) -> None:
    assert rules(spec, endpoint(1, READY)) == ruleset.NOTHING
    assert ruleset.service_rules(None, [], HERE) == ruleset.NOTHING


def test_addresses_of_the_other_family_are_left_out() -> None:
    (port,) = rules({"clusterIPs": ["fd00::1", "10.96.0.9"], "externalIPs": ["fd00::2", "198.51.100.1"]}).ports
    assert (port.cluster_address, port.external_addresses) == ("10.96.0.9", ("198.51.100.1",))


def test_what_could_not_be_written_as_rules_is_left_out() -> None:
    """The server validates all of it; the proxy must not depend on that."""
    bad = {"addresses": ["1.1.1.1; flush ruleset"], "conditions": READY}
    spec = {
        "externalIPs": ["198.51.100.1 }", "198.51.100.2"],
        "ports": [
            {"name": "http", "port": 80, "protocol": "TCP"},
            {"name": "a b", "port": 81, "protocol": "TCP"},
            {"name": "x", "port": 82, "protocol": "ICMP"},
        ],
    }
    (port,) = rules(spec, bad, endpoint(1, READY)).ports
    assert (port.name, numbers(port.cluster), port.external_addresses) == ("http", [1], ("198.51.100.2",))


def test_source_ranges() -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}

    def ranges(*given: str) -> tuple[str, ...]:
        (port,) = rules({"type": "LoadBalancer", "loadBalancerSourceRanges": [*given]}, status=status).ports
        return port.source_ranges

    assert ranges("10.0.0.0/8", "10.1.0.0/16", " 172.16.0.0/12", "fd00::/8") == ("10.0.0.0/8", "172.16.0.0/12")
    assert ranges("10.0.0.0/8", "0.0.0.0/0") == ()
    # this node is among them: what it sends to the balancer's address may come from that address
    assert ranges("192.0.2.0/24") == ("192.0.2.0/24", "203.0.113.1/32")
