"""Real packets over real sockets on loopback: UDP, TCP, truncation, forwarding to a server of the test's own."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.dns import answers, forward, server, wire

MANY = tuple(answers.Endpoint(f"10.244.1.{index}", "", ()) for index in range(1, 101))


class _Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: object) -> None:
        self.answers.put_nowait(data)


async def _ask(port: int, packet: bytes) -> bytes:
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        _Client, remote_addr=("127.0.0.1", port)
    )
    try:
        transport.sendto(packet)
        return await asyncio.wait_for(client.answers.get(), 5)
    finally:
        transport.close()


async def _start(group: tasks.TaskGroup, domain: str, *forwards: tuple[str, int]) -> tuple[server.Server, int]:
    zone = answers.Zone(domain, ["default"])
    zone.put(answers.Service("default", "web", ("10.96.0.20",), ()))
    zone.put(answers.Service("default", "many", (), (), endpoints=MANY))
    resolver = server.Resolver(zone, forward.Forwarder(forwards, clocks.RealClock()))
    listening = server.Server(resolver, group)
    return listening, await listening.start("127.0.0.1", 0)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with tasks.TaskGroup("test") as group:
        outside, outside_port = await _start(group, "outside.test")
        inside, inside_port = await _start(group, "cluster.local", ("127.0.0.1", outside_port))
        yield inside_port
        await inside.stop()
        await outside.stop()


async def test_answers_with_the_identifier_of_each_question(port: int) -> None:
    for identifier in (1, 65535):
        answer = await _ask(port, wire.pack_question("web.default.svc.cluster.local", "A", identifier))
        assert answer[:2] == identifier.to_bytes(2, "big")
        assert wire.records(answer) == (0, [("web.default.svc.cluster.local", "A", "10.96.0.20")])


async def test_a_name_that_does_not_exist(port: int) -> None:
    answer = await _ask(port, wire.pack_question("nope.default.svc.cluster.local", "A", 7))
    assert wire.records(answer) == (wire.NAME_ERROR, [])


async def test_the_rest_is_forwarded(port: int) -> None:
    answer = await _ask(port, wire.pack_question("web.default.svc.outside.test", "A", 9))
    assert wire.records(answer) == (0, [("web.default.svc.outside.test", "A", "10.96.0.20")])


async def test_long_answers_are_cut_over_udp_and_whole_over_tcp(port: int) -> None:
    question = wire.pack_question("many.default.svc.cluster.local", "A", 11)
    cut = await _ask(port, question)
    assert len(cut) <= wire.PLAIN_UDP
    assert cut[2] & 0x02, "the TC bit tells the client to use TCP"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(struct.pack("!H", len(question)) + question)
    (length,) = struct.unpack("!H", await reader.readexactly(2))
    code, records = wire.records(await reader.readexactly(length))
    writer.close()
    await writer.wait_closed()
    assert (code, len(records)) == (0, len(MANY))


@pytest.mark.parametrize("packet", [b"", b"\x00\x01", b"\x12\x34" + b"\xff" * 40])
async def test_garbage_does_not_stop_it(port: int, packet: bytes) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Client, remote_addr=("127.0.0.1", port))
    transport.sendto(packet)
    transport.close()
    answer = await _ask(port, wire.pack_question("web.default.svc.cluster.local", "A", 3))
    assert wire.records(answer)[0] == 0
