"""The client against our own server and against sockets that misbehave."""

import asyncio
import contextlib

import pytest

from pybernetes.aio import clock
from pybernetes.http import client, errors, messages, server, tls


@pytest.fixture
async def http():
    made = client.HttpClient(clock=clock.RealClock())
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def scripted(*scripts):
    """A server whose n-th connection reads one request and then does what the n-th script says."""
    count = iter(scripts)
    tasks = []

    async def connected(reader, writer):
        tasks.append(asyncio.current_task())
        for answer in next(count, ()):
            if answer is EOF:
                break
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await asyncio.gather(*tasks, return_exceptions=True)


EOF = b"EOF"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def describe(request: messages.Request) -> messages.Response:
    text = f"{request.method} {request.target} {request.headers.get('x-a')} {len(request.body)}"
    return messages.Response(201, [("X-B", "1")], text.encode())


async def test_requests_reuse_one_connection(serve, http):
    async with serve(describe) as serving:
        for method, body in [
            ("GET", b""),
            ("POST", b"abc"),
            ("PUT", b"x" * 1_000_000),
            ("POST", b""),
            ("PATCH", b"{}"),
        ]:
            answer = await http.request(method, serving.url + "/p?q=1", [("X-A", "v")], body)
            assert (answer.status, answer.headers.get("x-b")) == (201, "1")
            assert answer.body == f"{method} /p?q=1 v {len(body)}".encode()
            assert serving.server.connections == 1
        head = await http.request("HEAD", serving.url + "/")
        assert (head.status, head.body) == (201, b"")
        assert (await http.request("GET", serving.url)).body == b"GET / None 0"


async def test_concurrent_requests_use_several_connections_and_keep_them(serve, http):
    async with serve(describe) as serving:
        for _ in range(2):
            answers = await asyncio.gather(*[http.request("GET", f"{serving.url}/{n}") for n in range(10)])
            assert [a.body for a in answers] == [b"GET /%d None 0" % n for n in range(10)]
        assert 1 <= serving.server.connections <= 10


async def test_tls_and_unix(serve, pki, tmp_path):
    async def who(request):
        return messages.Response(200, [], request.connection.peer_certificate or b"nobody")

    contexts = iter([tls.client_context(pki.ca), tls.client_context(pki.ca, pki.client.cert, pki.client.key)])
    async with serve(who, tls=tls.server_context(pki.server.cert, pki.server.key, pki.ca)) as serving:
        url = f"https://127.0.0.1:{serving.server.port}/"
        http = client.HttpClient(lambda: next(contexts), clock=clock.RealClock(), server_name="localhost")
        first, second = await asyncio.gather(http.request("GET", url), http.request("GET", url))
        assert {first.body, second.body} == {b"nobody", pki.client.der}
        await http.close()
        for context, name, error in [
            (tls.client_context(pki.ca), "wrong.example", "certificate"),
            (tls.client_context(), "localhost", "certificate"),
            (None, None, "TLS context"),
        ]:
            http = client.HttpClient(context, clock=clock.RealClock(), server_name=name)
            with pytest.raises(errors.ConnectError, match=error):
                await http.request("GET", url)
            await http.close()
        http = client.HttpClient(tls.client_context(insecure=True), clock=clock.RealClock())
        assert (await http.request("GET", url)).status == 200
        await http.close()


async def test_unix_socket(tmp_path):
    path = str(tmp_path / "s")
    running = await asyncio.get_running_loop().create_unix_server(
        lambda: server.protocol.ServerConnection(service), path
    )
    service = server.protocol.Service(describe, clock.RealClock(), server.Settings())
    http = client.HttpClient(clock=clock.RealClock(), unix_path=path)
    assert (await http.request("GET", "http://runtime/x")).body == b"GET /x None 0"
    await http.close()
    running.close()


async def test_stream_by_chunks_and_lines(serve, http):
    async def handler(request):
        async def run(writer):
            for piece in (b"on", b"e\ntwo\nthr", b"ee\n", b"\nlast"):
                await writer.write(piece)
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        return messages.StreamResponse(200, [], run)

    async with serve(handler) as serving:
        async with await http.stream("GET", serving.url) as answer:
            assert answer.status == 200
            assert [line async for line in answer.lines()] == [b"one", b"two", b"three", b"", b"last"]
        async with await http.stream("GET", serving.url) as answer:
            assert b"".join([chunk async for chunk in answer]) == b"one\ntwo\nthree\n\nlast"
        answer = await http.stream("GET", serving.url)
        assert await answer.read_all() == b"one\ntwo\nthree\n\nlast"
        assert serving.server.connections == 1


async def test_dropping_a_stream_ends_it_at_the_server(serve, http):
    ended = asyncio.Event()

    async def handler(request):
        async def run(writer):
            writer.write_nowait(b"x\n")
            try:
                await writer.closed
            finally:
                ended.set()

        return messages.StreamResponse(200, [], run)

    async with serve(handler) as serving:
        async with await http.stream("GET", serving.url) as answer:
            assert await answer.read_lines() == [b"x"]
        await ended.wait()


async def test_stream_backpressure_reaches_the_server(serve, http):
    stalled = asyncio.Event()

    async def handler(request):
        async def run(writer):
            for _ in range(400):
                if not writer.write_nowait(b"x" * 65536):
                    stalled.set()
                    await writer.drain()

        return messages.StreamResponse(200, [], run)

    async with serve(handler) as serving:
        answer = await http.stream("GET", serving.url)
        await stalled.wait()
        assert len(await answer.read_all()) == 400 * 65536


async def test_upgrade_and_refused_upgrade(serve, http):
    async def handler(request):
        async def run(stream):
            stream.write_nowait(b"welcome")
            await stream.write((await stream.read()).upper())

        if request.path == "/no":
            return messages.Response(403, [("X-Why", "tired")], b"not today")
        return messages.UpgradeResponse(request.headers.get("upgrade"), [("X-A", "b")], run)

    async with serve(handler) as serving:
        upgraded = await http.upgrade("POST", serving.url + "/exec", [], "shout")
        assert upgraded.headers.get("x-a") == "b"
        assert await upgraded.stream.read_exactly(7) == b"welcome"
        upgraded.stream.write_nowait(b"hello")
        assert await upgraded.stream.read() == b"HELLO"
        assert await upgraded.stream.read() == b""
        with pytest.raises(errors.UpgradeRefused, match=r"403.*not today") as refused:
            await http.upgrade("GET", serving.url + "/no")
        assert ("X-Why", "tired") in refused.value.headers


async def test_stale_pooled_connection_is_replaced_for_idempotent_requests(http):
    async with scripted([OK, EOF], [OK]) as url:
        assert (await http.request("GET", url)).body == b"ok"
        assert (await http.request("GET", url)).body == b"ok"
    async with scripted([OK, b""], [OK]) as url:  # the second request is read, then the connection ends
        assert (await http.request("GET", url)).body == b"ok"
        with pytest.raises(errors.ConnectionClosed):
            await http.request("POST", url)
        assert (await http.request("GET", url)).body == b"ok"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", errors.ConnectionClosed),
        (b"SSH-2.0-dropbear\r\n", errors.ProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", errors.ConnectionClosed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", errors.ConnectionClosed),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 1_100_000, errors.ProtocolError),
    ],
)
async def test_broken_answers(http, answer, error):
    async with scripted([answer]) as url:
        with pytest.raises(error):
            await http.request("GET", url)


async def test_interim_answers_and_bodies_without_length(http):
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK
    endless = b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end"
    for answer, body in [(interim, b"ok"), (endless, b"until the end"), (b"HTTP/1.1 204 No Content\r\n\r\n", b"")]:
        async with scripted([answer]) as url:
            assert (await http.request("GET", url)).body == body


async def test_timeouts_run_on_the_injected_clock():
    time = clock.VirtualClock()
    http = client.HttpClient(clock=time)
    async with scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"] * 2) as url:
        asking = asyncio.ensure_future(http.request("GET", url, timeout=10.0))
        await time.advance(9.9)
        assert not asking.done()
        await time.advance(0.2)
        with pytest.raises(errors.ReadTimeout, match="10 s"):
            await asking
        await http.close()


async def test_connect_refused_and_closed_client(http):
    listening = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    with pytest.raises(errors.ConnectError, match=f"127.0.0.1:{port}"):
        await http.request("GET", f"http://127.0.0.1:{port}/")
    await http.close()
    with pytest.raises(errors.ConnectError, match="closed"):
        await http.request("GET", f"http://127.0.0.1:{port}/")


async def test_idle_connections_are_closed_after_a_while(serve):
    time = clock.VirtualClock()
    http = client.HttpClient(clock=time)
    async with serve(describe) as serving:
        await http.request("GET", serving.url)
        await time.advance(60)
        assert serving.server.connections == 1
        await time.advance(90)
        assert serving.server.connections == 0
    await http.close()


@pytest.mark.parametrize(
    ("url", "origin", "authority", "target"),
    [
        ("http://h", client.Origin(False, "h", 80), "h", "/"),
        ("https://h:6443/a/b?c=d#frag", client.Origin(True, "h", 6443), "h:6443", "/a/b?c=d"),
        ("https://[::1]:8443/x", client.Origin(True, "::1", 8443), "[::1]:8443", "/x"),
        ("https://[fe80::1]?q", client.Origin(True, "fe80::1", 443), "[fe80::1]", "/?q"),
    ],
)
def test_split_url(url, origin, authority, target):
    assert client.split_url(url) == (origin, authority, target)


@pytest.mark.parametrize(
    "url", ["ftp://x", "/path", "http://", "http://h:port/", "http://h/a b", "http://h/\r\nX: y", "http://h/é"]
)
def test_malformed_urls(url):
    with pytest.raises(ValueError, match="URL"):
        client.split_url(url)


async def test_line_breaks_in_request_headers_are_refused(http):
    with pytest.raises(ValueError, match="line break"):
        await http.request("GET", "http://127.0.0.1:1/", [("A", "b\r\nC: d")])
