"""How many requests a core serves: `python tests/bench/http_core.py [asyncio] [seconds]`.

A server process on one core, a load process on the other, both over loopback. The load is its own loop on raw sockets:
16 connections, each with one request in flight. Reported: requests per second of server CPU, and the CPU of one; then
pieces of a stream: 100 readers, one piece each per round.
"""

import asyncio
import multiprocessing
import os
import resource
import ssl
import sys
import time

import uvloop

from pybernetes.aio import clock
from pybernetes.http import messages, server, tls

CONNECTIONS = 16
READERS = 100
ROUNDS = 300
BODY = b'{"kind":"Pod","apiVersion":"v1"' + b" " * 3600 + b"}"
HEAD = (
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:6443\r\nUser-Agent: kubectl/v1.37.2 (linux/amd64) kubernetes/abcdef0\r\n"
    b"Accept: application/json, */*\r\nAuthorization: Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
    b"Accept-Encoding: gzip\r\n\r\n"
)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def make_certificate() -> tuple[bytes, bytes]:
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "unit", "http"))
    import conftest  # the tests' throw-away PKI

    pki = conftest.make_pki()
    return pki.server.cert, pki.server.key


async def handler(request: messages.Request) -> messages.AnyResponse:
    if request.path == "/cpu":
        return messages.Response(200, [], b"%f" % cpu())
    if request.path == "/wait":
        await asyncio.sleep(0)
    if request.path == "/watch":
        return messages.StreamResponse(200, [("Content-Type", "application/json")], watch)
    if request.path == "/publish":
        for _ in range(ROUNDS):
            for writer in WRITERS:
                writer.write_nowait(BODY)
            await asyncio.sleep(0)
        return messages.Response(200, [], b"")
    return messages.Response(
        200,
        [
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-cache, private"),
            ("Audit-Id", "0123456789abcdef"),
        ],
        BODY,
    )


WRITERS: list[messages.StreamWriter] = []


async def watch(writer: messages.StreamWriter) -> None:
    WRITERS.append(writer)
    await writer.closed


def serve(connection, certificate, factory) -> None:
    os.sched_setaffinity(0, {0})

    async def main() -> None:
        context = tls.server_context(*certificate) if certificate else None
        running = server.Server(handler, clock=clock.RealClock(), tls=context)
        await running.start()
        connection.send(running.port)
        await asyncio.get_running_loop().create_future()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


class Load(asyncio.Protocol):
    """Sends the request again as soon as an answer of the known size is here."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.count = 0
        self.size = 0
        self.missing = 0

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self.size:
            self.size = self.missing = data.index(b"\r\n\r\n") + 4 + len(BODY)
        self.missing -= len(data)
        if self.missing <= 0:
            self.count += 1
            self.missing = self.size
            self.transport.write(self.request)


class Reader(asyncio.Protocol):
    """Counts bytes of a stream."""

    total = 0
    complete: asyncio.Event

    def connection_made(self, transport) -> None:
        transport.write(HEAD % b"/watch")

    def data_received(self, data: bytes) -> None:
        Reader.total += len(data)
        if Reader.total >= READERS * ROUNDS * len(BODY):
            Reader.complete.set()


async def ask(port: int, context: ssl.SSLContext | None, path: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write((HEAD % path).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    data = await reader.read()
    writer.close()
    return data.partition(b"\r\n\r\n")[2]


async def load(name: str, port: int, context: ssl.SSLContext | None, path: bytes, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    made = []
    for _ in range(CONNECTIONS):
        made.append((await loop.create_connection(lambda: Load(HEAD % path), "127.0.0.1", port, ssl=context))[1])
    await asyncio.sleep(0.3)
    before, start, count = float(await ask(port, context, b"/cpu")), time.monotonic(), sum(c.count for c in made)
    await asyncio.sleep(seconds)
    used = float(await ask(port, context, b"/cpu")) - before
    count = sum(c.count for c in made) - count
    took = time.monotonic() - start
    print(
        f"{name:24} {count / used:9.0f} req per CPU second {used / count * 1e6:6.1f} us/req {count / took:9.0f} req/s"
    )
    for client in made:
        client.transport.abort()


async def fan_out(name: str, port: int, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    transports = [(await loop.create_connection(Reader, "127.0.0.1", port, ssl=context))[0] for _ in range(READERS)]
    await asyncio.sleep(0.2)
    Reader.complete = asyncio.Event()
    before, Reader.total = float(await ask(port, context, b"/cpu")), 0
    await ask(port, context, b"/publish")
    await Reader.complete.wait()
    used = float(await ask(port, context, b"/cpu")) - before
    print(f"{name:24} {used / READERS / ROUNDS * 1e6:6.1f} us per piece of {len(BODY)} bytes to {READERS} readers")
    for transport in transports:
        transport.abort()


def main() -> None:
    factory = asyncio.new_event_loop if "asyncio" in sys.argv else uvloop.new_event_loop
    seconds = next((float(word) for word in sys.argv[1:] if word.replace(".", "").isdigit()), 2.0)
    trusting = tls.client_context(insecure=True)
    for label, certificate, context in [("plain", None, None), ("TLS", make_certificate(), trusting)]:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=serve, args=(theirs, certificate, factory), daemon=True)
        process.start()
        port = ours.recv()
        os.sched_setaffinity(0, {1})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(load(f"{label} GET 3.6 KB", port, context, b"/", seconds))
            runner.run(load(f"{label} GET, waits once", port, context, b"/wait", seconds))
            runner.run(fan_out(f"{label} watch", port, context))
        process.terminate()


if __name__ == "__main__":
    main()
