"""Forgets UDP flows that lead to endpoints which are gone.

The kernel redirects the first packet of a flow and from then on repeats that decision. A TCP connection to a dead Pod
ends by itself; a UDP client that keeps its source port would be sent to the old address for ever. So after changes,
every known UDP flow towards a Service that is not answered by one of its serving endpoints is deleted.

Upstream: pkg/proxy/conntrack (cleanup.go). Talks netlink (nfnetlink_conntrack) itself; no tool is needed.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from pybernetes.proxy.ruleset import Ruleset

_NETLINK_NETFILTER = 12
_CT_GET = 1 << 8 | 1
_CT_DELETE = 1 << 8 | 2
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IP_SOURCE, _IP_DESTINATION = 1, 2
_PROTO_NUMBER, _PROTO_SOURCE_PORT, _PROTO_DESTINATION_PORT = 1, 2, 3
_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_FAMILY_HEADER = struct.pack("=BBH", socket.AF_INET, 0, 0)
_BUFFER = 1 << 18
_TIMEOUT = 5.0

Endpoint = tuple[str, int]


class Flow(NamedTuple):
    """A UDP flow: where its first packet was sent, who answers; `key` names it to the kernel."""

    destination: Endpoint
    answered_by: Endpoint
    key: bytes


class Conntrack(Protocol):
    """The kernel's table of flows."""

    async def udp_flows(self) -> list[Flow]:
        """All UDP flows. Raises OSError."""

    async def delete(self, flows: list[Flow]) -> int:
        """Forget these; how many there still were. Raises OSError."""


def stale_flows(flows: Iterable[Flow], rules: Ruleset) -> list[Flow]:
    """Flows towards a UDP port of some Service that none of its serving endpoints answers. Pure."""
    frontends: dict[Endpoint, frozenset[Endpoint]] = {}
    node_ports: dict[int, frozenset[Endpoint]] = {}
    for service in rules.values():
        for port in service.ports:
            if port.protocol != "udp":
                continue
            for address in (port.cluster_address, *port.external_addresses, *port.balancer_addresses):
                frontends[address, port.port] = port.serving
            # A node port is known by its number alone: without endpoints it would match flows of strangers.
            if port.node_port and port.serving:
                node_ports[port.node_port] = port.serving
    found = []
    for flow in flows:
        serving = frontends.get(flow.destination)
        if serving is None:
            serving = node_ports.get(flow.destination[1])
        if serving is not None and flow.answered_by not in serving:
            found.append(flow)
    return found


class NetlinkConntrack:
    """The real one, in this process's network namespace."""

    async def udp_flows(self) -> list[Flow]:
        """All UDP flows over IPv4."""
        return await asyncio.to_thread(_dump)

    async def delete(self, flows: list[Flow]) -> int:
        """Forget these; how many there still were."""
        return await asyncio.to_thread(_delete, flows) if flows else 0


def _open() -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    opened.settimeout(_TIMEOUT)
    return opened


def _message(kind: int, flags: int, payload: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(payload), kind, flags | _REQUEST, 1, 0) + payload


def _dump() -> list[Flow]:
    flows: list[Flow] = []
    with _open() as link:
        link.send(_message(_CT_GET, _DUMP, _FAMILY_HEADER))
        while True:
            for kind, payload in _messages(link.recv(_BUFFER)):
                if kind == _DONE:
                    return flows
                if kind == _ERROR:
                    raise _failure(payload)
                flow = parse(payload[len(_FAMILY_HEADER) :])
                if flow is not None:
                    flows.append(flow)


def _delete(flows: list[Flow]) -> int:
    deleted = 0
    with _open() as link:
        for flow in flows:
            # The attribute goes back as it came: it is the whole original tuple.
            link.send(_message(_CT_DELETE, _ACK, _FAMILY_HEADER + flow.key))
            for kind, payload in _messages(link.recv(_BUFFER)):
                if kind == _ERROR:
                    failure = _failure(payload)
                    if failure.errno not in (0, errno.ENOENT):
                        raise failure
                    deleted += failure.errno == 0
    return deleted


def _failure(payload: bytes) -> OSError:
    number = -struct.unpack_from("=i", payload)[0]
    return OSError(number, "conntrack netlink request failed")


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    """The attributes of one level by type, without their headers."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def parse(data: bytes) -> Flow | None:
    """One flow from the attributes of a dump message; None for what is not UDP. Pure."""
    attributes = _attributes(data)
    original = attributes.get(_TUPLE_ORIG, b"")
    first, reply = _attributes(original), _attributes(attributes.get(_TUPLE_REPLY, b""))
    protocol = _attributes(first.get(_TUPLE_PROTO, b""))
    if protocol.get(_PROTO_NUMBER) != bytes((socket.IPPROTO_UDP,)):
        return None
    answering = _attributes(reply.get(_TUPLE_PROTO, b""))
    try:
        destination = _attributes(first[_TUPLE_IP])[_IP_DESTINATION]
        source = _attributes(reply[_TUPLE_IP])[_IP_SOURCE]
        ports = struct.unpack("!HH", protocol[_PROTO_DESTINATION_PORT] + answering[_PROTO_SOURCE_PORT])
        key = struct.pack("=HH", 4 + len(original), _TUPLE_ORIG | 0x8000) + original
        return Flow((socket.inet_ntoa(destination), ports[0]), (socket.inet_ntoa(source), ports[1]), key)
    except (KeyError, struct.error, OSError):
        return None
