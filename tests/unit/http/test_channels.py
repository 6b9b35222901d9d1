"""Remote commands over every wire."""

import asyncio
import base64
import json

import pytest

from pybernetes.aio import clock, tasks
from pybernetes.http import channels, client, errors, messages, relay, spdy, stream, websocket

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
        await streams.stdout.write(await streams.resize.read_exactly(25))
    if streams.stderr is not None:
        await streams.stderr.write(b"%d bytes" % count)
    await streams.finish(SUCCESS)


def handler_for(options, command=shout):
    async def handler(request):
        return channels.serve(request, options, command, clock=REAL)

    return handler


def spdy_handler_for(options):
    """What a container runtime does: the command behind SPDY."""
    names = options.names(4)

    async def run(raw):
        streams, complete = {}, asyncio.Event()

        def on_stream(opened):
            streams[opened.headers["streamtype"]] = opened
            if len(streams) == len(names):
                complete.set()
            return True

        session = spdy.Session(raw, clock=REAL, on_stream=on_stream)
        async with tasks.TaskGroup("spdy") as group:
            group.start(channels.until_gone(session.run), "read")
            await complete.wait()
            try:
                await shout(channels.Channels.of(4, streams, streams["error"].closed))
            except errors.HttpError:
                raw.close()  # the client is gone
            await session.close()

    async def handler(request):
        return messages.UpgradeResponse("SPDY/3.1", [(relay.VERSION_HEADER, "v4.channel.k8s.io")], run)

    return handler


FULL = channels.Options(stdin=True, stdout=True, stderr=True)
TTY = channels.Options(stdin=True, stdout=True, stderr=True, tty=True)


async def read_all(source: stream.UpgradedStream) -> bytes:
    data = b""
    while piece := await source.read():
        data += piece
    return data


async def test_command_over_spdy(serve, http):
    async with (
        serve(spdy_handler_for(FULL)) as serving,
        channels.connect(http, serving.url, FULL, clock=REAL) as command,
    ):
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
    async with serve(spdy_handler_for(TTY)) as serving, channels.connect(http, serving.url, TTY, clock=REAL) as command:
        assert command.stderr is None
        command.stdin.write_eof()
        command.resize.write_nowait(b'{"Width":80,"Hei')
        command.resize.write_nowait(b'ght":24}\n')
        assert await command.stdout.read_exactly(25) == b'{"Width":80,"Height":24}\n'
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


async def test_client_that_goes_away_ends_the_command(serve, http):
    ended = asyncio.Event()

    async def command(streams):
        assert await streams.stdin.read() == b""
        await streams.closed
        with pytest.raises(errors.ConnectionClosed):
            await streams.stdout.write(b"too late")
        ended.set()

    async with serve(handler_for(FULL, command)) as serving:
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

    back_handler = handler_for if how == "passed on" else spdy_handler_for
    async with serve(back_handler(FULL)) as back, serve(front) as serving:
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


async def test_what_a_websocket_tunnels_reaches_a_server_that_speaks_spdy(serve, http):
    async def echo(raw):
        while data := await raw.read():
            await raw.write(data.upper())

    async def back(request):
        version = request.headers.get(relay.VERSION_HEADER)
        return messages.UpgradeResponse("SPDY/3.1", [(relay.VERSION_HEADER, version)], echo)

    async def front(request):
        return await relay.proxy_tunnel(http, request, behind.url, [], clock=REAL)

    async with serve(back) as behind, serve(front) as serving:
        socket = await websocket.connect(http, serving.url, None, ["SPDY/3.1+portforward.k8s.io"], clock=REAL)
        assert socket.subprotocol == "SPDY/3.1+portforward.k8s.io"
        tunnel = websocket.MessageStream(socket)
        tunnel.write_nowait(b"frames")
        assert await tunnel.read_exactly(6) == b"FRAMES"
        await socket.close()
