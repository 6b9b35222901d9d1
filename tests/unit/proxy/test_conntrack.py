"""Flows that lead to endpoints which are gone are found."""

import socket
import struct

import pytest

from pybernetes.proxy import conntrack, ruleset

PORT = ruleset.ServicePort(
    namespace="kube-system",
    service="dns",
    name="dns",
    protocol="udp",
    cluster_address="10.96.0.10",
    port=53,
    node_port=30053,
    external_addresses=("198.51.100.1",),
    serving=frozenset({("10.244.1.2", 5353)}),
)
RULES = {"kube-system/dns": ruleset.ServiceRules((PORT,))}


@pytest.mark.parametrize(
    ("destination", "answered_by", "stale"),
    [
        (("10.96.0.10", 53), ("10.244.1.2", 5353), False),
        (("10.96.0.10", 53), ("10.244.1.9", 5353), True),
        (("10.96.0.10", 53), ("10.96.0.10", 53), True),
        (("198.51.100.1", 53), ("10.244.1.9", 5353), True),
        (("192.0.2.1", 30053), ("10.244.1.9", 5353), True),
        (("192.0.2.1", 30053), ("10.244.1.2", 5353), False),
        (("10.96.0.10", 54), ("10.244.1.9", 5353), False),
        (("192.0.2.1", 53), ("192.0.2.1", 53), False),
    ],
)
def test_stale_flows(destination: tuple[str, int], answered_by: tuple[str, int], stale: bool) -> None:
    flow = conntrack.Flow(destination, answered_by, b"")
    assert (conntrack.stale_flows([flow], RULES) == [flow]) is stale


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def direction(kind: int, source: tuple[str, int], destination: tuple[str, int], protocol: int) -> bytes:
    addresses = attribute(1, socket.inet_aton(source[0])) + attribute(2, socket.inet_aton(destination[0]))
    ports = attribute(2, struct.pack("!H", source[1])) + attribute(3, struct.pack("!H", destination[1]))
    inside = attribute(0x8001, addresses) + attribute(0x8002, attribute(1, bytes((protocol,))) + ports)
    return attribute(0x8000 | kind, inside)


def test_parse() -> None:
    client, service, pod = ("192.0.2.9", 4000), ("10.96.0.10", 53), ("10.244.1.2", 5353)
    original = direction(1, client, service, socket.IPPROTO_UDP)
    flow = conntrack.parse(original + direction(2, pod, client, socket.IPPROTO_UDP) + attribute(3, b"\0" * 4))
    assert flow == conntrack.Flow(service, pod, original)
    assert conntrack.parse(direction(1, client, service, socket.IPPROTO_TCP)) is None
    assert conntrack.parse(original) is None
    assert conntrack.parse(b"") is None
