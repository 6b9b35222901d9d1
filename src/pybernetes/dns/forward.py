"""Names that are not ours are asked of the servers in a resolv.conf, one after another.

Upstream: CoreDNS plugin/forward, plugin/cache.
"""

import asyncio
import dataclasses
import pathlib
import secrets

from pybernetes.aio import clock as clocks
from pybernetes.dns import wire

TIMEOUT = 2.0
CACHED = 30.0
MAX_CACHED = 4096
PORT = 53


def nameservers(resolv_conf: pathlib.Path) -> tuple[str, ...]:
    """The servers that a resolv.conf names; none when the file is missing."""
    if not resolv_conf.exists():
        return ()
    lines = (line.split() for line in resolv_conf.read_text().splitlines())
    return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")


@dataclasses.dataclass(slots=True)
class _Remembered:
    packet: bytes
    until: float


class _Exchange(asyncio.DatagramProtocol):
    """One question to one server; foreign or mismatched packets are ignored."""

    def __init__(self, identifier: int) -> None:
        self._identifier = identifier
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, address: object) -> None:
        if len(data) >= wire.HEADER and int.from_bytes(data[:2], "big") == self._identifier and not self.answer.done():
            self.answer.set_result(data)

    def give_up(self) -> None:
        """Nobody waits any longer."""
        self.answer.cancel()

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Forwarder:
    """Asks `servers` (addresses, or (address, port) in tests) and remembers answers for half a minute."""

    def __init__(self, servers: tuple[tuple[str, int], ...], clock: clocks.Clock) -> None:
        self._servers = servers
        self._clock = clock
        self._remembered: dict[tuple[str, str], _Remembered] = {}

    async def ask(self, question: wire.Question) -> bytes:
        """The answer of the first server that gives one; SERVFAIL when none does, REFUSED when there is none."""
        if not self._servers:
            return wire.failure(question.packet, wire.REFUSED)
        key = (question.name, question.type)
        known = self._remembered.get(key)
        if known is not None and known.until > self._clock.monotonic():
            return wire.with_identifier(known.packet, question.identifier)
        for server in self._servers:
            answer = await self._ask_one(server, question)
            if answer is not None:
                if len(self._remembered) >= MAX_CACHED:
                    self._remembered.clear()
                self._remembered[key] = _Remembered(answer, self._clock.monotonic() + CACHED)
                return wire.with_identifier(answer, question.identifier)
        return wire.failure(question.packet, wire.SERVER_FAILURE)

    async def _ask_one(self, server: tuple[str, int], question: wire.Question) -> bytes | None:
        # an identifier of our own that cannot be guessed: an answer must match it
        identifier = secrets.randbelow(65536)
        loop = asyncio.get_running_loop()
        try:
            transport, exchange = await loop.create_datagram_endpoint(lambda: _Exchange(identifier), remote_addr=server)
        except OSError:
            return None
        timer = self._clock.call_later(TIMEOUT, exchange.give_up)
        try:
            transport.sendto(wire.with_identifier(question.packet, identifier))
            return await exchange.answer
        except OSError:
            return None
        except asyncio.CancelledError:
            if exchange.answer.cancelled():
                return None
            raise
        finally:
            timer.cancel()
            transport.close()
