"""WebSocket: handshake, messages, rules, closing."""

import asyncio

import pytest

from pybernetes.aio import clock
from pybernetes.http import client, errors, frames, messages, stream, websocket

REAL = clock.RealClock()


@pytest.fixture
async def http():
    made = client.HttpClient(clock=REAL)
    yield made
    await made.close()


def pair(limit=1000):
    """A server's and a client's socket over memory."""
    left, right = stream.pipe()
    return websocket.WebSocket(left, clock=REAL, limit=limit), websocket.WebSocket(right, clock=REAL, client=True)


async def echo(socket: websocket.WebSocket) -> None:
    while (message := await socket.receive()) is not None:
        await socket.send(message.data, text=message.text)


async def handler(request):
    return websocket.accept(request, ("v2", "v1"), echo, clock=REAL)


async def test_echo_over_real_sockets(serve, http):
    async with serve(handler) as serving:
        socket = await websocket.connect(http, serving.url, None, ["v0", "v1", "v2"], clock=REAL)
        assert socket.subprotocol == "v1"
        for data in (b"", b"short", b"x" * 200, b"y" * 70_000, bytes(range(256)) * 20_000):
            socket.send_nowait(data)
            assert await socket.receive() == (False, data)
        socket.send_nowait("grüße".encode(), text=True)
        assert await socket.receive() == (True, "grüße".encode())
        await socket.close()
        assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"method": "POST"}, 400),
        ({"Upgrade": "h2c"}, 400),
        ({"Connection": "close"}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Protocol": "v7, v8"}, 403),
        ({"Sec-WebSocket-Protocol": ""}, 403),
    ],
)
async def test_bad_handshakes(change, status):
    fields = {
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": frames.new_key(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "v1",
    }
    fields |= change
    method = fields.pop("method", "GET")
    headers = messages.Headers.of(fields.items())
    request = messages.Request(method, "/", headers, b"", messages.ConnectionInfo())
    assert (await handler(request)).status == status


async def test_client_refuses_a_server_that_does_not_know_the_key(serve, http):
    async def wrong(request):
        async def run(raw):
            await raw.read()

        return messages.UpgradeResponse("websocket", [("Sec-WebSocket-Accept", "x")], run)

    async with serve(wrong) as serving:
        with pytest.raises(errors.ProtocolError):
            await websocket.connect(http, serving.url, clock=REAL)


async def test_fragments_and_pings_between_them():
    server, peer = pair()
    key = b"abcd"
    peer.raw.write_nowait(frames.frame(frames.BINARY, b"one ", key, final=False))
    peer.raw.write_nowait(frames.frame(frames.PING, b"are you there", key))
    peer.raw.write_nowait(frames.frame(frames.CONTINUATION, b"two ", key, final=False))
    peer.raw.write_nowait(frames.frame(frames.CONTINUATION, b"three", key))
    assert await server.receive() == (False, b"one two three")
    assert await peer.raw.read() == frames.frame(frames.PONG, b"are you there", None)
    peer.ping(b"x")
    peer.send_nowait(b"last")
    assert (await server.receive()).data == b"last"


KEY = b"\1\2\3\4"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frames.frame(frames.BINARY, b"unmasked", None), 1002),
        (frames.frame(frames.CONTINUATION, b"x", KEY), 1002),
        (frames.frame(frames.TEXT, b"a", KEY, final=False) + frames.frame(frames.TEXT, b"b", KEY), 1002),
        (frames.frame(frames.PING, b"x" * 126, KEY), 1002),
        (frames.frame(frames.PING, b"x", KEY, final=False), 1002),
        (b"\xc2" + frames.frame(frames.BINARY, b"x", KEY)[1:], 1002),
        (b"\x83" + frames.frame(frames.BINARY, b"x", KEY)[1:], 1002),
        (frames.frame(frames.TEXT, b"\xff", KEY), 1002),
        (frames.frame(frames.CLOSE, b"\0", KEY), 1002),
        (frames.frame(frames.BINARY, b"x" * 1001, KEY), 1009),
        (frames.frame(frames.BINARY, b"x" * 600, KEY, final=False) + frames.frame(0, b"x" * 600, KEY), 1009),
    ],
)
async def test_broken_rules_are_answered_with_a_close(data, code):
    server, peer = pair()
    peer.raw.write_nowait(data)
    with pytest.raises(errors.ProtocolError):
        await server.receive()
    assert await peer.receive() is None
    assert peer.close_code == code


async def test_closing_from_either_side():
    server, peer = pair()
    peer.send_nowait(b"before")
    closing = asyncio.ensure_future(peer.close(4001, "done"))
    assert (await server.receive()).data == b"before"
    assert await server.receive() is None
    assert (server.close_code, server.close_reason) == (4001, "done")
    assert not server.send_nowait(b"after")
    await closing
    assert peer.close_code == 4001

    server, peer = pair()
    peer.raw.close()
    assert await server.receive() is None
    assert server.close_code == 1006


async def test_closing_does_not_wait_for_ever():
    time = clock.VirtualClock()
    left, _ = stream.pipe()
    socket = websocket.WebSocket(left, clock=time)
    closing = asyncio.ensure_future(socket.close())
    await time.advance(1.9)
    assert not closing.done()
    await time.advance(0.2)
    await closing


async def test_message_stream():
    server, peer = pair()
    bytes_in = websocket.MessageStream(server)
    peer.send_nowait(b"abc")
    peer.send_nowait(b"def")
    assert await bytes_in.read_exactly(4) == b"abcd"
    assert await bytes_in.read() == b"ef"
    bytes_in.write_nowait(b"out")
    assert (await peer.receive()).data == b"out"
    await peer.close(wait=False)
    assert await bytes_in.read() == b""
    await bytes_in.closed


@pytest.mark.parametrize(
    ("protocol", "expected"), [("", (False, b"line")), ("base64.binary.k8s.io", (True, b"bGluZQ=="))]
)
async def test_streamed_answers_as_messages(serve, http, protocol, expected):
    cancelled = asyncio.Event()

    async def log(request):
        async def run(writer):
            await writer.write(b"line")
            if request.path == "/follow":
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    cancelled.set()

        return websocket.as_messages(request, messages.StreamResponse(200, [], run), clock=REAL)

    async with serve(log) as serving:
        for path in ("/", "/follow"):
            offered = [protocol] if protocol else []
            socket = await websocket.connect(http, serving.url + path, None, offered, clock=REAL)
            assert await socket.receive() == expected
            if path == "/":
                assert await socket.receive() is None
                assert socket.close_code == 1000
            await socket.close()
        await cancelled.wait()
