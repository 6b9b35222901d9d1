"""The server with real sockets: answers, order, limits, time-outs, disconnects, TLS, drain."""

import asyncio
import gzip
import logging
import socket
import ssl
import struct

import pytest

from pybernetes.aio import clock
from pybernetes.http import messages, server, tls

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo(request: messages.Request) -> messages.Response:
    """Answers what it was asked; /wait... after some turns of the loop."""
    if request.path.startswith("/wait"):
        for _ in range(5):
            await asyncio.sleep(0)
    text = f"{request.method} {request.path} {len(request.body)}"
    return messages.Response(200, [("Content-Type", "text/plain")], text.encode())


async def test_keep_alive_and_pipelining_in_order(serve):
    async with serve(echo) as serving, serving.raw() as client:
        client.send(b"".join(GET % (b"wait%d" % n if n % 3 == 0 else b"now%d" % n) for n in range(40)))
        for n in range(40):
            status, headers, body = await client.read_response()
            assert (status, body) == (200, b"GET /wait%d 0" % n if n % 3 == 0 else b"GET /now%d 0" % n)
            assert headers["content-type"] == "text/plain"
            assert "date" in headers
            assert "connection" not in headers


async def test_head_close_and_http_1_0(serve):
    async with serve(echo) as serving:
        async with serving.raw() as client:
            client.send(
                b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert b"Content-Length: 9\r\n" in head
            _, headers, body = await client.read_response()
            assert (headers["connection"], body) == ("close", b"GET /c 0")
            assert await client.at_end()
        async with serving.raw() as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await client.read_response())[0] == 200
            assert await client.at_end()


async def test_expect_continue(serve):
    async with serve(echo) as serving, serving.raw() as client:
        client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.read_response())[0] == 100
        client.send(b"abc")
        assert (await client.read_response())[2] == b"POST /p 3"
        # after a request that is still in work, the invitation has to wait its turn
        client.send(GET % b"wait")
        client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.read_response())[2] == b"GET /wait 0"
        assert (await client.read_response())[0] == 100
        client.send(b"abc")
        assert (await client.read_response())[2] == b"POST /p 3"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 500_000, 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1_100_000, 431),
    ],
)
async def test_refusals_arrive_after_earlier_answers_and_end_the_connection(serve, data, status):
    async with serve(echo) as serving, serving.raw() as client:
        client.send(GET % b"wait" + data)
        assert (await client.read_response())[2] == b"GET /wait 0"
        got, headers, _ = await client.read_response()
        assert (got, headers["connection"]) == (status, "close")
        assert await client.at_end()


async def test_large_bodies_both_ways(serve):
    async def mirror(request):
        return messages.Response(200, [], request.body)

    body = bytes(range(256)) * 8000
    async with serve(mirror) as serving, serving.raw() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.send(body)
        assert (await client.read_response())[2] == body


async def test_pieces_gzip_and_empty(serve):
    async def handler(request):
        if request.path == "/empty":
            return messages.Response(204)
        body = [b"a" * 1000] * 400 if request.path == "/pieces" else [b"a" * 1000] * 5
        return messages.Response(200, [], body, compressible=True, raw_headers=b"X-Raw: 1\r\n")

    async with serve(handler) as serving, serving.raw() as client:
        for path, encoding, packed in [
            (b"pieces", b"gzip", True),
            (b"pieces", b"br", False),
            (b"small", b"gzip", False),
        ]:
            client.send(b"GET /%b HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %b\r\n\r\n" % (path, encoding))
            _, headers, body = await client.read_response()
            assert headers["x-raw"] == "1"
            assert (headers.get("content-encoding") == "gzip") is packed
            assert set(gzip.decompress(body) if packed else body) == {ord("a")}
        client.send(GET % b"empty")
        status, headers, _ = await client.read_response()
        assert status == 204
        assert "content-length" not in headers


async def test_a_failing_handler_costs_only_its_answer(serve, caplog):
    async def handler(request):
        if request.path == "/late":
            await asyncio.sleep(0)
        if request.path == "/header":
            return messages.Response(200, [("A", "b\r\nEvil: 1")])
        raise LookupError(request.path)

    caplog.set_level(logging.CRITICAL)
    async with serve(handler) as serving:
        for path in (b"now", b"late", b"header"):
            async with serving.raw() as client:
                client.send(GET % path)
                status, _, body = await client.read_response()
                assert (status, body) == (500, b"500 Internal Server Error")
                assert await client.at_end()


async def test_stream_is_chunked_and_the_connection_goes_on(serve):
    async def handler(request):
        async def run(writer):
            writer.write_nowait(b"one,")
            writer.write_nowait(b"two,")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await writer.write(b"three")

        return messages.StreamResponse(200, [("Content-Type", "text/plain")], run)

    async with serve(handler) as serving:
        async with serving.raw() as client:
            for _ in range(2):
                client.send(GET % b"")
                _, headers, body = await client.read_response()
                assert (headers["transfer-encoding"], body) == ("chunked", b"one,two,three")
            client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + GET % b"")
            assert b"chunked" in await client.reader.readuntil(b"\r\n\r\n")
            assert (await client.read_response())[2] == b"one,two,three"
        async with serving.raw() as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await client.reader.read()).endswith(b"\r\n\r\none,two,three")


async def test_stream_sees_backpressure_and_the_end_of_its_reader(serve):
    seen = asyncio.get_running_loop().create_future()
    stalled = asyncio.Event()

    async def handler(request):
        async def run(writer):
            try:
                full = 0
                while writer.write_nowait(b"x" * 65536):
                    full += 1
                    await asyncio.sleep(0)
                stalled.set()
                await writer.drain()
            except asyncio.CancelledError:
                seen.set_result((full, writer.closed.done()))
                raise

        return messages.StreamResponse(200, [], run)

    async with serve(handler) as serving:
        async with serving.raw() as client:
            client.send(GET % b"")
            await client.reader.readuntil(b"\r\n\r\n")
            client.writer.transport.pause_reading()
            await stalled.wait()
        full, closed = await seen
        assert full > 4
        assert closed


@pytest.mark.parametrize("reset", [True, False])
async def test_handler_is_cancelled_when_the_client_goes_away(serve, reset):
    started, gone = asyncio.Event(), asyncio.Event()

    async def handler(request):
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            gone.set()

    async with serve(handler, virtual=not reset) as serving:
        async with serving.raw() as client:
            client.send(GET % b"")
            await started.wait()
            if reset:
                linger = struct.pack("ii", 1, 0)
                client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.writer.transport.abort()
        if not reset:  # an end of input may be a half-close: there is a moment of grace
            await serving.clock.advance(1.9)
            assert not gone.is_set()
            await serving.clock.advance(0.2)
        await gone.wait()


async def test_half_closed_client_still_gets_its_answers(serve):
    async with serve(echo) as serving, serving.raw() as client:
        client.send(GET % b"wait1" + GET % b"wait2")
        client.writer.write_eof()
        assert (await client.read_response())[2] == b"GET /wait1 0"
        assert (await client.read_response())[2] == b"GET /wait2 0"
        assert await client.at_end()


@pytest.mark.parametrize(
    ("data", "alive", "dead"),
    [
        (b"", 30, 10),  # connected, silent: head time-out
        (GET % b"", 110, 40),  # idle after a request
        (b"GET / HT", 30, 10),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", 55, 15),
    ],
)
async def test_slow_clients_are_cut(serve, data, alive, dead):
    async with serve(echo, virtual=True) as serving, serving.raw() as client:
        client.send(data)
        if data == GET % b"":
            await client.read_response()
        await serving.clock.advance(alive)
        assert serving.server.connections == 1
        await serving.clock.advance(dead)
        assert await client.at_end()


async def test_a_client_that_never_reads_its_answer_is_cut(serve):
    async def handler(request):
        return messages.Response(200, [], b"x" * 50_000_000)

    async with serve(handler, virtual=True) as serving, serving.raw() as client:
        client.writer.transport.pause_reading()
        client.send(GET % b"")
        await serving.clock.advance(100)
        assert serving.server.connections == 1
        await serving.clock.advance(50)
        assert serving.server.connections == 0


async def test_upgrade(serve):
    async def handler(request):
        async def run(stream):
            while data := await stream.read():
                await stream.write(data.upper())

        if request.path == "/decline":
            return messages.Response(403, [], b"no")
        return messages.UpgradeResponse("shout", [("X-A", "b")], run)

    ask = b"GET /%b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"
    async with serve(handler) as serving:
        async with serving.raw() as client:
            client.send(ask % b"decline" + ask % b"" + b"early")
            assert (await client.read_response())[0] == 403
            status, headers, _ = await client.read_response()
            assert (status, headers["upgrade"], headers["connection"], headers["x-a"]) == (101, "shout", "Upgrade", "b")
            assert await client.reader.readexactly(5) == b"EARLY"
            client.send(b"z" * 1_000_000)
            assert await client.reader.readexactly(1_000_000) == b"Z" * 1_000_000
            client.writer.write_eof()
            assert await client.at_end()
        async with serving.raw() as client:
            client.send(GET % b"")  # did not ask: a mistake of the handler
            assert (await client.read_response())[0] == 500


async def test_tls_with_and_without_peer_certificate(serve, pki):
    async def handler(request):
        assert request.connection.tls
        return messages.Response(200, [], request.connection.peer_certificate or b"none")

    context = tls.server_context(pki.server.cert, pki.server.key, pki.ca)
    async with serve(handler, tls=context) as serving:
        for pair, expected in [(None, b"none"), (pki.client, pki.client.der)]:
            client_tls = tls.client_context(pki.ca, pair and pair.cert, pair and pair.key)
            async with serving.raw(ssl=client_tls, server_hostname="localhost") as client:
                assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
                for _ in range(2):
                    client.send(GET % b"")
                    assert (await client.read_response())[2] == expected
        with pytest.raises(ssl.SSLError):
            async with serving.raw(ssl=tls.client_context(pki.ca), server_hostname="other.example"):
                pass


async def test_renewed_certificate_is_used_for_new_connections(serve, pki):
    context = tls.server_context(pki.server.cert, pki.server.key)
    async with serve(echo, tls=context) as serving:
        for pair in (pki.server, pki.client):
            tls.load_key_pair(context, pair.cert, pair.key)
            async with serving.raw(ssl=tls.client_context(pki.ca), server_hostname="localhost") as client:
                assert client.writer.get_extra_info("ssl_object").getpeercert(True) == pair.der


async def test_stop_finishes_requests_ends_streams_closes_idle():
    release, waiting = asyncio.Event(), asyncio.Event()

    async def handler(request):
        async def run(writer):
            writer.write_nowait(b"event")
            await writer.closed

        if request.path == "/watch":
            return messages.StreamResponse(200, [], run)
        if request.path == "/slow":
            waiting.set()
            await release.wait()
        return messages.Response(200, [], b"done")

    running = server.Server(handler, clock=clock.RealClock())
    await running.start()
    connections = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(3)]
    for (_, writer), path in zip(connections, (b"idle", b"watch", b"slow"), strict=True):
        writer.write(GET % path)
    idle, watch, slow = (reader for reader, _ in connections)
    await idle.readuntil(b"done")
    await watch.readuntil(b"event")
    await waiting.wait()
    stopping = asyncio.ensure_future(running.stop())
    assert await idle.read() == b""
    assert (await watch.read()).endswith(b"0\r\n\r\n")
    release.set()
    answer = await slow.read()
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"done")
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", running.port)
    for _, writer in connections:
        writer.close()


async def test_stop_cuts_what_does_not_end_in_time(serve):
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request):
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    async with serve(handler, drain_timeout=0.05) as serving, serving.raw() as client:
        client.send(GET % b"")
        await started.wait()
        await serving.server.stop()
        assert await client.at_end()
        await cancelled.wait()


async def test_given_sockets_tcp_and_unix(tmp_path):
    tcp = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "s"))
    running = server.Server(echo, clock=clock.RealClock())
    await running.start([tcp, unix])
    assert running.addresses == [tcp.getsockname(), (str(tmp_path / "s"), 0)]
    for opened in (
        asyncio.open_connection("127.0.0.1", running.port),
        asyncio.open_unix_connection(str(tmp_path / "s")),
    ):
        reader, writer = await opened
        writer.write(GET % b"x")
        await reader.readuntil(b"GET /x 0")
        writer.close()
        await writer.wait_closed()
    await running.stop()
