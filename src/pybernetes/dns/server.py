"""The DNS server: UDP and TCP on one address, answers from the zone, the rest forwarded.

Finished answers are kept until the zone changes: the same question then costs a dictionary look-up and two bytes.
Upstream: CoreDNS core/dnsserver.
"""

import asyncio
import struct
from typing import cast

from pybernetes.aio import tasks
from pybernetes.dns import answers, forward, wire
from pybernetes.telemetry import logs, metrics

logger = logs.get("dns")

MAX_CACHED = 10_000
MAX_TCP_CLIENTS = 100
MAX_FORWARDS = 1000

_REQUESTS = metrics.DEFAULT.counter("coredns_dns_requests_total", "Counter of DNS requests.", ("proto", "type"))


class Resolver:
    """Packets in, packets out; `forwarder` is asked what the zone does not own."""

    def __init__(self, zone: answers.Zone, forwarder: forward.Forwarder) -> None:
        self._zone = zone
        self._forwarder = forwarder
        self._finished: dict[tuple[bytes, int], bytes] = {}
        self._generation = -1

    def remembered(self, packet: bytes, size: int) -> bytes | None:
        """The finished answer to the same question, with this packet's identifier."""
        if self._generation != self._zone.generation:
            self._finished.clear()
            self._generation = self._zone.generation
            return None
        known = self._finished.get((packet[2:], size))
        return packet[:2] + known if known is not None else None

    def resolve(self, question: wire.Question, size: int) -> bytes | None:
        """The answer from the zone, cut to `size`; None when somebody else must be asked."""
        if not self._zone.owns(question.name):
            return None
        answer = self._zone.answer(question.name, question.type)
        packet = wire.truncate(wire.respond(question, answer, self._zone.soa()), size)
        if len(self._finished) >= MAX_CACHED:
            self._finished.clear()
        self._finished[(question.packet[2:], size)] = packet[2:]
        return packet

    async def forward(self, question: wire.Question) -> bytes:
        """The answer of the servers outside; one for an alias of ours is asked for the same way."""
        return await self._forwarder.ask(question)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver, group: tasks.TaskGroup) -> None:
        self._resolver = resolver
        self._group = group
        self._transport: asyncio.DatagramTransport | None = None
        self._forwards = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # an asyncio.DatagramTransport by contract; neither loop's class derives from it
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        assert self._transport is not None
        known = self._resolver.remembered(data, 0)
        if known is not None:
            self._transport.sendto(known, address)
            return
        try:
            question = wire.parse(data)
        except wire.MalformedPacket:
            if len(data) >= wire.HEADER:
                self._transport.sendto(wire.failure(data, wire.FORMAT_ERROR), address)
            return
        _REQUESTS.labels("udp", question.type).inc()
        answer = self._resolver.resolve(question, question.udp_size)
        if answer is not None:
            self._transport.sendto(answer, address)
        elif self._forwards >= MAX_FORWARDS:
            self._transport.sendto(wire.failure(data, wire.SERVER_FAILURE), address)
        else:
            self._forwards += 1
            self._group.start(self._forward(question, address), "forward")

    async def _forward(self, question: wire.Question, address: tuple[str, int]) -> None:
        try:
            answer = await self._resolver.forward(question)
            if self._transport is not None:
                self._transport.sendto(wire.truncate(answer, question.udp_size), address)
        finally:
            self._forwards -= 1


class Server:
    """Listens until `stop`."""

    def __init__(self, resolver: Resolver, group: tasks.TaskGroup) -> None:
        self._resolver = resolver
        self._group = group
        self._transport: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._clients = 0

    async def start(self, address: str, port: int) -> int:
        """Listen there for UDP and TCP (port 0: any that is free for both); returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve, address, port)
        bound: int = self._tcp.sockets[0].getsockname()[1]
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._resolver, self._group), local_addr=(address, bound)
        )
        logger.info("serving DNS", extra=logs.kv(address=address, port=bound))
        return bound

    async def stop(self) -> None:
        """Close both sockets."""
        if self._transport is not None:
            self._transport.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            while self._clients <= MAX_TCP_CLIENTS:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                packet = await reader.readexactly(length)
                answer = await self._answer(packet)
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, packet: bytes) -> bytes:
        try:
            question = wire.parse(packet)
        except wire.MalformedPacket:
            return wire.failure(packet, wire.FORMAT_ERROR)
        _REQUESTS.labels("tcp", question.type).inc()
        answer = self._resolver.resolve(question, 65535)
        return answer if answer is not None else await self._resolver.forward(question)
