"""Service traffic of three real nodes: from Pods, from the machine, and from a network outside the cluster.

    outside (198.51.100.2) --- machine (198.51.100.1) --- nodes

Load balancers' addresses are from 203.0.113.0/24, for which the machine has no route of its own that leads anywhere.
"""

import collections
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from tests.node import traffic

pytestmark = [pytest.mark.node, pytest.mark.slow]

OUTSIDE, LINK = f"pybt-out-{os.getpid()}", f"pybo{os.getpid()}"
PLACE, CLIENT, BALANCER = f"/run/netns/{OUTSIDE}", "198.51.100.2", "203.0.113.10"


def _ip(*commands: str, options: tuple[str, ...] = ()) -> None:
    subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(commands), text=True, check=True)


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """A network namespace that knows nothing of the cluster but that the machine leads to it."""
    unreachable = [f"unreachable {network} metric 4294000001" for network in ("198.51.100.0/24", "203.0.113.0/24")]
    _ip(
        *(f"route add {route}" for route in unreachable),
        f"netns add {OUTSIDE}",
        f"link add {LINK} type veth peer name eth0 netns {OUTSIDE}",
        f"address add 198.51.100.1/24 dev {LINK}",
        f"link set {LINK} up",
    )
    inner = (f"address add {CLIENT}/24 dev eth0", "link set eth0 up", "route add default via 198.51.100.1")
    _ip(*inner, options=("-n", OUTSIDE))
    yield PLACE
    _ip(f"link del {LINK}", f"netns del {OUTSIDE}", *(f"route del {route}" for route in unreachable))


def _patch(cluster: Any, name: str, change: dict[str, Any], *options: str) -> dict[str, Any]:
    cluster.kubectl("patch", "service", name, "-p", json.dumps(change), *options)
    found: dict[str, Any] = cluster.get("service", name)
    return found["spec"]


def _names(answers: list[str]) -> set[str]:
    return {answer.split()[0] for answer in answers}


def test_a_service_finds_its_pods(three_nodes: Any) -> None:
    """Seed A9: every backend answers, one that is not ready does not, a deleted Service answers no more."""
    three_nodes.apply(traffic.deployment("near", 3), traffic.service("near"))
    three_nodes.kubectl("rollout", "status", "deployment/near", "--timeout=60s")
    ips = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in traffic.pods(three_nodes, "near")}
    address = three_nodes.get("service", "near")["spec"]["clusterIP"]
    first, *_ = ips
    for place in ("", ips[first]):
        traffic.eventually(
            lambda place=place: _names(traffic.who(place, address, 100)), lambda found: found == set(ips)
        )
    traffic.ask("", [f"http://{ips[first]}:8080/cgi-bin/fail"])
    three_nodes.kubectl("wait", "pod", first, "--for=condition=Ready=False", "--timeout=10s")
    traffic.eventually(lambda: _names(traffic.who("", address, 30)), lambda found: found == ips.keys() - {first})
    three_nodes.kubectl("delete", "service", "near")
    traffic.eventually(lambda: traffic.who("", address), lambda found: found[0].startswith("no answer"))
    three_nodes.kubectl("delete", "deployment", "near")


def test_from_outside_the_cluster(three_nodes: Any, outside: str) -> None:
    """Seed A12: NodePort and LoadBalancer answer; with the policy Local the source is kept."""
    nodes = {node["metadata"]["name"]: node["status"]["addresses"][0]["address"] for node in three_nodes.get("nodes")}
    first, second, third = sorted(nodes)
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [third]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    even = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "edge"}},
    }
    edge = traffic.deployment("edge", 4, affinity=affinity, topologySpreadConstraints=[even])
    three_nodes.apply(edge, traffic.service("edge", type="LoadBalancer"))
    three_nodes.kubectl("rollout", "status", "deployment/edge", "--timeout=60s")
    found = traffic.pods(three_nodes, "edge")
    on = collections.defaultdict(set)
    for pod in found:
        on[pod["spec"]["nodeName"]].add(pod["metadata"]["name"])
    assert {name: len(some) for name, some in on.items()} == {first: 2, second: 2}
    assert three_nodes.get("service", "edge")["status"]["loadBalancer"] == {}
    status = {"status": {"loadBalancer": {"ingress": [{"ip": BALANCER}]}}}
    port = _patch(three_nodes, "edge", status, "--subresource=status")["ports"][0]["nodePort"]

    for address in (BALANCER, *(f"{node}:{port}" for node in nodes.values())):
        answers = traffic.eventually(
            lambda address=address: traffic.who(outside, address, 24),
            lambda answers: _names(answers) == on[first] | on[second],
        )
        # the answer must come back through the node that was asked: it asks in its own name
        assert CLIENT not in {answer.split()[1] for answer in answers}

    check = _patch(three_nodes, "edge", {"spec": {"externalTrafficPolicy": "Local"}})["healthCheckNodePort"]
    for address, expected in (
        (BALANCER, first),
        (f"{nodes[first]}:{port}", first),
        (f"{nodes[second]}:{port}", second),
    ):
        seen = {f"{name} {CLIENT}" for name in on[expected]}
        traffic.eventually(
            lambda address=address: set(traffic.who(outside, address, 16)), lambda answers, seen=seen: answers == seen
        )
    assert traffic.who(outside, f"{nodes[third]}:{port}") == ["no answer TimeoutError"]
    healths = {name: traffic.ask(outside, [f"http://{node}:{check}/healthz"]) for name, node in nodes.items()}
    assert {name: "".join(lines) == "503" for name, lines in healths.items()} == {
        first: False,
        second: False,
        third: True,
    }
    # Pods keep their address, except towards themselves
    asker = next(pod["status"]["podIP"] for pod in found if pod["spec"]["nodeName"] == second)
    assert {answer.split()[1] for answer in traffic.who(asker, BALANCER, 8)} <= {asker, asker.rpartition(".")[0] + ".1"}
    three_nodes.kubectl("delete", "deployment,service", "edge")


def test_traffic_policies_and_affinity(three_nodes: Any, outside: str) -> None:
    three_nodes.apply(traffic.deployment("policy", 6), traffic.service("policy", type="NodePort"))
    three_nodes.kubectl("rollout", "status", "deployment/policy", "--timeout=60s")
    found = traffic.pods(three_nodes, "policy")
    asker = next(pod for pod in found if pod["spec"]["nodeName"].endswith("-2"))
    here = {pod["metadata"]["name"] for pod in found if pod["spec"]["nodeName"] == asker["spec"]["nodeName"]}
    ip, host = asker["status"]["podIP"], asker["status"]["hostIP"]
    spec = _patch(three_nodes, "policy", {"spec": {"internalTrafficPolicy": "Local"}})
    address, port = spec["clusterIP"], spec["ports"][0]["nodePort"]
    traffic.eventually(lambda: _names(traffic.who(ip, address, 16)), lambda names: names == here)
    three_nodes.kubectl("scale", "deployment/policy", "--replicas=0")
    # nobody anywhere is refused at once
    traffic.eventually(
        lambda: traffic.who(outside, f"{host}:{port}"), lambda answers: answers == ["no answer ConnectionRefusedError"]
    )
    three_nodes.kubectl("scale", "deployment/policy", "--replicas=6")
    sticky = {"internalTrafficPolicy": "Cluster", "sessionAffinity": "ClientIP"}
    _patch(three_nodes, "policy", {"spec": sticky})
    three_nodes.kubectl("rollout", "status", "deployment/policy", "--timeout=60s")
    for place, there in ((outside, f"{host}:{port}"), ("", address)):
        traffic.eventually(
            lambda place=place, there=there: _names(traffic.who(place, there, 20)),
            lambda names: len(names) == 1 and "no" not in names,
        )
    three_nodes.kubectl("delete", "deployment,service", "policy")
