"""Over sockets and in process the client sees the same."""

import asyncio
import base64
import os
import pathlib
from collections.abc import AsyncIterator, Callable

import pytest

from pybernetes.aio import clock
from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import credentials, rest, transport
from pybernetes.crypto import certs
from pybernetes.http import errors as http_errors
from pybernetes.http import messages, server, stream, tls

NODES = "/api/v1/nodes"


class Service:
    """Answers, streams, upgrades and fails on command."""

    def __init__(self) -> None:
        self.requests: list[messages.Request] = []
        self.released = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, request: messages.Request) -> messages.AnyResponse:
        self.requests.append(request)
        if request.path == "/stream":
            return messages.StreamResponse(200, [("X-Kind", "stream")], self.count)
        if request.path == "/broken":
            return messages.StreamResponse(200, [], self.break_off)
        if request.path == "/echo":
            return messages.UpgradeResponse("websocket", [("Sec-WebSocket-Protocol", "v5")], self.echo)
        if request.path == "/refused":
            return messages.Response(403, [], errors.Forbidden("pods/exec", "a", "no").message.encode())
        return messages.Response(200, [("X-Path", request.target)], request.body)

    async def count(self, writer: messages.StreamWriter) -> None:
        try:
            await writer.write(b"one\ntw")
            await writer.write(b"o\n")
            await self.released.wait()
            await writer.write(b"three")
        finally:
            self.ended.set()

    async def break_off(self, writer: messages.StreamWriter) -> None:
        await writer.write(b"half a li")
        raise http_errors.ConnectionClosed("the disk is on fire")

    async def echo(self, connection: stream.UpgradedStream) -> None:
        await connection.write((await connection.read()).upper())


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=["socket", "memory"])
async def connected(request: pytest.FixtureRequest, service: Service) -> AsyncIterator[transport.Transport]:
    if request.param == "memory":
        memory = transport.InProcessTransport(service)
        yield memory
        await memory.close()
        return
    listening = server.Server(service, clock=clock.RealClock())
    await listening.start()
    caller = credentials.Credentials(f"http://127.0.0.1:{listening.port}")
    over_http = transport.HttpTransport(caller, clock.RealClock())
    yield over_http
    await over_http.close()
    await listening.stop()


async def test_requests(connected: transport.Transport, service: Service) -> None:
    answer = await connected.request("POST", "/a/b", query=[("x", "1 2"), ("y", "/")], headers={"A": "b"}, body=b"hi")
    assert (answer.status, answer.body) == (200, b"hi")
    assert answer.headers.get("x-path") == "/a/b?x=1+2&y=%2F"
    assert service.requests[0].headers.get("a") == "b"
    assert service.requests[0].query == {"x": ["1 2"], "y": ["/"]}


async def test_streams_come_line_by_line(connected: transport.Transport, service: Service) -> None:
    source = await connected.stream("GET", "/stream")
    assert (source.status, source.headers.get("X-Kind")) == (200, "stream")
    lines = aiter(source)
    assert [await anext(lines), await anext(lines)] == [b"one", b"two"]
    service.released.set()
    assert [line async for line in lines] == [b"three"]
    await source.close()


async def test_closing_a_stream_ends_the_servers_side(connected: transport.Transport, service: Service) -> None:
    source = await connected.stream("GET", "/stream")
    assert await anext(aiter(source)) == b"one"
    await source.close()
    await service.ended.wait()


async def test_a_stream_that_breaks_off_is_an_error(
    connected: transport.Transport, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(transport.TransportError):
        await (await connected.stream("GET", "/broken")).read()


async def test_a_finished_answer_can_be_read_as_a_stream(connected: transport.Transport) -> None:
    source = await connected.stream("GET", "/whole")
    assert await source.read() == b""
    await source.close()


async def test_upgrades(connected: transport.Transport, service: Service) -> None:
    upgraded = await connected.upgrade("/echo", subprotocols=("v5", "v4"))
    assert upgraded.headers.get("Sec-WebSocket-Protocol") == "v5"
    await upgraded.stream.write(b"hello")
    assert await upgraded.stream.read() == b"HELLO"
    upgraded.stream.close()
    headers = service.requests[0].headers
    assert headers.get("Sec-WebSocket-Protocol") == "v5, v4"
    assert len(base64.b64decode(headers.get("Sec-WebSocket-Key") or "")) == 16


async def test_a_refused_upgrade_is_the_servers_error(connected: transport.Transport) -> None:
    with pytest.raises(errors.Forbidden):
        await rest.Client(connected).upgrade("/refused")


async def test_nobody_listens() -> None:
    caller = credentials.Credentials("http://127.0.0.1:1")
    refused = transport.HttpTransport(caller, clock.RealClock())
    with pytest.raises(transport.TransportError, match=r'^Get "http://127\.0\.0\.1:1/api/v1/nodes/a": '):
        await rest.Client(refused).resource(core.Node).get("a")
    await refused.close()


def _headers(caller: credentials.Credentials) -> Callable[[], dict[str, str]]:
    return credentials.Identity(caller, clock.VirtualClock()).headers


def test_identities_become_headers() -> None:
    assert _headers(credentials.Credentials("http://x", token="t"))() == {"Authorization": "Bearer t"}
    basic = credentials.Credentials("http://x", username="u", password="p")
    assert _headers(basic)() == {"Authorization": "Basic dTpw"}
    acting = credentials.Credentials("http://x").impersonating("jane", ("dev", "ops"))
    assert _headers(acting)() == {"Impersonate-User": "jane"}
    assert acting.impersonate_groups == ("dev", "ops")
    assert "secret" not in repr(credentials.Credentials("http://x", token="secret", key_data=b"secret"))


async def test_token_files_are_read_again(tmp_path: pathlib.Path, virtual: clock.VirtualClock) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    token = credentials.TokenFile(str(file), virtual)
    assert token() == "one"
    file.write_text("two\n")
    assert token() == "one"
    token.expire()
    assert token() == "two"
    file.unlink()
    await virtual.advance(61.0)
    assert token() == "two"


def test_in_cluster(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(credentials.NotInCluster):
        credentials.in_cluster()
    for name, value in (("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "443")):
        monkeypatch.setenv(name, value)
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("shop\n")
    found = credentials.in_cluster()
    assert (found.server, found.namespace) == ("https://[fd00::1]:443", "shop")
    assert found.token_file == os.fspath(tmp_path / "token")


async def test_client_certificates_and_their_renewal(tmp_path: pathlib.Path) -> None:
    now = clock.RealClock().now()
    authority = certs.new_authority("ca", now=now)
    serving = certs.issue(authority, certs.Request("x", addresses=("127.0.0.1",), server=True), now=now)
    context = tls.server_context(serving.certificate, serving.key, authority.certificate)

    async def who(request: messages.Request) -> messages.Response:
        shown = certs.identity(request.connection.peer_certificate or b"")
        return messages.Response(200, [], shown.common_name.encode())

    def renew(name: str) -> None:
        pair = certs.issue(authority, certs.Request(name), now=now)
        (tmp_path / "cert").write_bytes(pair.certificate)
        (tmp_path / "key").write_bytes(pair.key)

    async with server.Server(who, clock=clock.RealClock(), tls=context) as listening:
        for name in ("jane", "john"):
            renew(name)
            caller = credentials.Credentials(
                f"https://127.0.0.1:{listening.port}",
                ca_data=authority.certificate,
                cert_file=str(tmp_path / "cert"),
                key_file=str(tmp_path / "key"),
            )
            connected = transport.HttpTransport(caller, clock.RealClock())
            assert (await connected.request("GET", "/")).body == name.encode()
            await connected.close()
        identity = credentials.Identity(caller, clock.RealClock())
        before = identity.context()
        assert identity.context() is before
        renew("jack")
        assert identity.context() is not before
        stranger = transport.HttpTransport(credentials.Credentials(caller.server), clock.RealClock())
        with pytest.raises(transport.TransportError, match="signed by unknown authority"):
            await stranger.request("GET", "/")
        await stranger.close()
