"""Remote commands and port forwarding over every wire."""

import asyncio
import base64
import json

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.http import channels, client, errors, messages, port_forward, relay, spdy, stream, websocket

REAL = clock.RealClock()
SUCCESS = {"status": "Success"}


@pytest.fixture
async def http():
    made = client.HttpClient(clock=REAL)
    yield made
    await made.close()


async def shout(streams: channels.Channels) -> None:
    """A command: stdin to stdout in capitals, its length to stderr, each resize to stdout."""
    count = 0
    if streams.stdin is not None:
        while data := await streams.stdin.read():
            count += len(data)
            await streams.stdout.write(data.upper())
    if streams.resize is not None:
        sizes = streams.sizes()
        await streams.stdout.write(b"%dx%d" % await anext(sizes))
    if streams.stderr is not None:
        await streams.stderr.write(b"%d bytes" % count)
    await streams.finish(SUCCESS)


def handler_for(options, command=shout):
    async def handler(request):
        return channels.serve(request, options, command, clock=REAL)

    return handler


FULL = channels.Options(stdin=True, stdout=True, stderr=True)
TTY = channels.Options(stdin=True, stdout=True, stderr=True, tty=True)


async def read_all(source: stream.UpgradedStream) -> bytes:
    data = b""
    while piece := await source.read():
        data += piece
    return data


async def test_command_over_spdy(serve, http):
    async with serve(handler_for(FULL)) as serving, channels.connect(http, serving.url, FULL, clock=REAL) as command:
        assert command.version == 4
        large = b"abc" * 100_000
        writing = asyncio.ensure_future(command.stdin.write(large))
        assert await command.stdout.read_exactly(len(large)) == large.upper()
        await writing
        command.stdin.write_eof()
        assert await read_all(command.stderr) == b"300000 bytes"
        assert await command.outcome() == SUCCESS
        assert await read_all(command.stdout) == b""


async def test_terminal_over_spdy(serve, http):
    async with serve(handler_for(TTY)) as serving, channels.connect(http, serving.url, TTY, clock=REAL) as command:
        assert command.stderr is None
        command.stdin.write_eof()
        command.resize.write_nowait(b'{"Width":80,"Hei')
        command.resize.write_nowait(b'ght":24}\n')
        assert await command.stdout.read_exactly(5) == b"80x24"
        assert await command.outcome() == SUCCESS


@pytest.mark.parametrize(
    ("protocol", "encoded", "ends_stdin", "has_status"),
    [
        ("v5.channel.k8s.io", False, True, True),
        ("v4.channel.k8s.io", False, False, True),
        ("v4.base64.channel.k8s.io", True, False, True),
        ("channel.k8s.io", False, False, False),
        ("base64.channel.k8s.io", True, False, False),
    ],
)
async def test_command_over_websocket(serve, http, protocol, encoded, ends_stdin, has_status):
    async def command(streams):
        await streams.stdout.write((await streams.stdin.read_exactly(5)).upper())
        if ends_stdin:
            assert await streams.stdin.read() == b""
        await streams.finish(SUCCESS)

    def encode(number, data):
        return b"%d" % number + base64.b64encode(data) if encoded else bytes((number,)) + data

    async with serve(handler_for(FULL, command)) as serving:
        socket = await websocket.connect(http, serving.url, None, [protocol], clock=REAL)
        assert (await socket.receive()).data == encode(1, b"")
        socket.send_nowait(encode(0, b"hel"), text=encoded)
        socket.send_nowait(encode(9, b"no such channel"), text=encoded)
        socket.send_nowait(encode(0, b"lo"), text=encoded)
        if ends_stdin:
            socket.send_nowait(b"\xff\0")
        assert (await socket.receive()).data == encode(1, b"HELLO")
        if has_status:
            assert (await socket.receive()).data == encode(3, json.dumps(SUCCESS, separators=(",", ":")).encode())
        assert await socket.receive() is None
        assert socket.close_code == 1000
        await socket.close()


async def test_the_first_version_tells_failures_as_text(serve, http):
    async def command(streams):
        await streams.finish({"status": "Failure", "message": "it broke"})

    async with serve(handler_for(FULL, command)) as serving:
        socket = await websocket.connect(http, serving.url, None, ["channel.k8s.io"], clock=REAL)
        assert [(await socket.receive()).data for _ in range(2)] == [b"\1", b"\3it broke"]
        await socket.close()


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ([], 400, b"missing upgrade headers"),
        ([("Upgrade", "SPDY/3.1")], 400, b"header X-Stream-Protocol-Version does not exist in request with 1 headers"),
        (
            [("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", "v9, v8")],
            403,
            b"unable to upgrade: unable to negotiate protocol: client supports [v9 v8], server accepts [v4.channel",
        ),
    ],
)
def test_refusals(headers, status, text):
    request = messages.Request("POST", "/", messages.Headers.of(headers), b"", messages.ConnectionInfo())
    answer = channels.serve(request, FULL, shout, clock=REAL)
    assert answer.status == status
    assert text in answer.body


async def test_client_that_goes_away_ends_the_command(serve, http):
    ended = asyncio.Event()

    async def command(streams):
        assert await streams.stdin.read() == b""
        await streams.closed
        with pytest.raises(errors.ConnectionClosed):
            await streams.stdout.write(b"too late")
        ended.set()

    async with serve(handler_for(FULL, command)) as serving:
        async with channels.connect(http, serving.url, FULL, clock=REAL):
            pass
        await asyncio.wait_for(ended.wait(), 5)
        ended.clear()
        socket = await websocket.connect(http, serving.url, None, ["v5.channel.k8s.io"], clock=REAL)
        await socket.receive()
        await socket.close()
        await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.parametrize("how", ["translated", "passed on"])
async def test_websocket_client_of_a_server_that_speaks_spdy(serve, http, how):
    """What the kubelet does in front of a runtime, and the API server in front of the kubelet."""

    async def front(request):
        if how == "passed on":
            return await relay.proxy_upgrade(http, request, back.url, relay.forwardable(request.headers.items()))

        async def join(streams):
            async with channels.connect(http, back.url, FULL, clock=REAL) as command:
                await channels.bridge(streams, command)

        return channels.serve(request, FULL, join, clock=REAL)

    async with serve(handler_for(FULL)) as back, serve(front) as serving:
        socket = await websocket.connect(http, serving.url, None, ["v5.channel.k8s.io"], clock=REAL)
        socket.send_nowait(b"\0hello")
        socket.send_nowait(b"\xff\0")
        seen = {1: b"", 2: b"", 3: b""}
        while (message := await socket.receive()) is not None:
            seen[message.data[0]] += message.data[1:]
        assert seen == {1: b"HELLO", 2: b"5 bytes", 3: b'{"status":"Success"}'}
        assert socket.close_code == 1000
        await socket.close()


async def test_refusal_passes_through_a_proxy(serve, http):
    async def refuse(request):
        return messages.Response(404, [("Content-Type", "text/plain")], b"no such pod")

    async def front(request):
        return await relay.proxy_upgrade(http, request, back.url + "/x", relay.forwardable(request.headers.items()))

    async with serve(refuse) as back, serve(front) as serving:
        with pytest.raises(errors.UpgradeRefused, match="no such pod") as refused:
            async with channels.connect(http, serving.url, FULL, clock=REAL):
                pass
        assert refused.value.status == 404


# port forwarding


async def answer(forward: port_forward.Forward) -> None:
    """Port 80 echoes, the others refuse."""
    if forward.port != 80:
        raise ConnectionRefusedError(f"nobody listens on {forward.port}")
    while data := await forward.data.read():
        await forward.data.write(data.upper())


async def forwarding(request):
    return port_forward.serve(request, lambda forwards: forwards.serve(answer), clock=REAL)


async def test_port_forward_over_spdy(serve, http):
    async with serve(forwarding) as serving, port_forward.connect(http, serving.url, clock=REAL) as forwarder:
        first, second = await forwarder.open(80), await forwarder.open(80)
        refused = await forwarder.open(81)
        first.data.write_nowait(b"one")
        second.data.write_nowait(b"x" * 100_000)
        assert await first.data.read_exactly(3) == b"ONE"
        assert await second.data.read_exactly(100_000) == b"X" * 100_000
        assert await read_all(refused.error) == b"nobody listens on 81"
        first.data.write_eof()
        assert await first.data.read() == b""
        assert await first.error.read() == b""
        with pytest.raises(errors.ConnectionClosed):
            await forwarder.open(0)


@pytest.mark.parametrize("how", ["ours", "through a proxy to SPDY"])
async def test_port_forward_tunnelled_through_a_websocket(serve, http, how):
    async def front(request):
        if how == "ours":
            return await forwarding(request)
        return await relay.proxy_tunnel(http, request, back.url, [], clock=REAL)

    async with serve(forwarding) as back, serve(front) as serving:
        socket = await websocket.connect(http, serving.url, None, ["SPDY/3.1+portforward.k8s.io"], clock=REAL)
        assert socket.subprotocol == "SPDY/3.1+portforward.k8s.io"
        session = spdy.Session(websocket.MessageStream(socket), clock=REAL)
        async with tasks.TaskGroup("test") as group:
            group.start(session.run(), "read")
            forward = await port_forward.Forwarder(session, REAL).open(80)
            forward.data.write_nowait(b"hello")
            assert await forward.data.read_exactly(5) == b"HELLO"
            await session.close()


async def test_port_forward_over_old_websocket_channels(serve, http):
    async with serve(forwarding) as serving:
        url = serving.url + "/?ports=80&ports=81"
        socket = await websocket.connect(http, url, None, ["v4.channel.k8s.io"], clock=REAL)
        first = [(await socket.receive()).data for _ in range(4)]
        assert first == [b"\0\x50\0", b"\1\x50\0", b"\2\x51\0", b"\3\x51\0"]
        assert (await socket.receive()).data == b"\3nobody listens on 81"
        socket.send_nowait(b"\0hi")
        assert (await socket.receive()).data == b"\0HI"
        await socket.close()
        with pytest.raises(errors.UpgradeRefused, match="port"):
            await websocket.connect(http, serving.url + "/?ports=x", None, ["v4.channel.k8s.io"], clock=REAL)


async def test_half_a_pair_is_given_up():
    time = clock.VirtualClock()
    left, right = stream.pipe()
    forwards_seen = []

    async def run(forwards):
        async for forward in forwards:
            forwards_seen.append(forward)

    async with tasks.TaskGroup("test") as group:
        group.start(port_forward._serve_spdy(left, run, time), "server")
        session = spdy.Session(right, clock=time)
        group.start(session.run(), "client")
        opened = session.open({"streamtype": "error", "port": "80", "requestid": "1"})
        await opened.accepted
        await time.advance(31)
        assert await opened.read() == b""
        await opened.closed
        assert not forwards_seen
        right.close()
