"""What is handed on to Pods and kubelets, and what comes back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.apiserver.subresources import links
from pybernetes.http import messages, server, stream

PODS = "/api/v1/namespaces/ns/pods"
MERGE = "application/merge-patch+json"


async def _echo(request: messages.Request) -> messages.AnyResponse:
    """A small application in a Pod."""
    if (request.headers.get("upgrade") or "") == "echo":

        async def run(there: stream.UpgradedStream) -> None:
            while data := await there.read():
                await there.write(data.upper())
            there.write_eof()

        return messages.UpgradeResponse("echo", [("X-Greeting", "hello")], run)
    if request.path == "/page":
        return messages.Response(200, [("Content-Type", "text/html; charset=utf-8")], b'<a href="/there">x</a>')
    if request.path == "/moved":
        return messages.Response(302, [("Location", "/there/?a=b")])
    said = f"{request.method} {request.target} {request.headers.get('authorization')} {request.body.decode()}"
    return messages.Response(203, [("Content-Type", "text/x-said"), ("X-Own", "1")], said.encode())


@pytest.fixture
async def application() -> AsyncIterator[int]:
    listening = server.Server(_echo, clock=clocks.RealClock())
    await listening.start()
    yield listening.port
    await listening.stop()


async def _running_pod(api: Any) -> None:
    spec = {"containers": [{"name": "m", "image": "i"}], "nodeName": "n"}
    await api.create(PODS, {"metadata": {"name": "proxy"}, "spec": spec})
    status = {"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
    assert (await api.send("PATCH", f"{PODS}/proxy/status", status, content=MERGE)).status == 200


async def test_requests_reach_the_pod_without_credentials(api: Any, application: int) -> None:
    await _running_pod(api)
    target = f"{PODS}/proxy:{application}/proxy/a%20b/c?x=1"
    response = await api.raw("POST", target, b"body", [("Content-Type", "text/plain")])
    assert isinstance(response, messages.StreamResponse)
    assert (response.status, dict(response.headers)["X-Own"]) == (203, "1")

    class Sink(messages.StreamWriter):
        text = b""

        async def write(self, data: bytes) -> None:
            self.text += data

    sink = Sink()
    await response.run(sink)
    assert sink.text == b"POST /a%20b/c?x=1 None body"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH"])
async def test_any_method_is_for_the_application(api: Any, application: int, method: str) -> None:
    await _running_pod(api)
    response = await api.raw(method, f"{PODS}/proxy:{application}/proxy/")
    assert response.status == 203


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("HEAD", 301), ("PUT", 203)])
async def test_readers_are_sent_to_the_root_of_the_application(
    api: Any, application: int, method: str, status: int
) -> None:
    await _running_pod(api)
    target = f"{PODS}/proxy:{application}/proxy"
    response = await api.raw(method, f"{target}?x=1")
    assert response.status == status
    assert ("Location", f"{target}/?x=1") in response.headers or status == 203


async def test_upgraded_connections_are_joined(api: Any, application: int) -> None:
    await _running_pod(api)
    headers = [("Connection", "Upgrade"), ("Upgrade", "echo")]
    response = await api.raw("GET", f"{PODS}/proxy:{application}/proxy/", headers=headers)
    assert isinstance(response, messages.UpgradeResponse)
    assert (response.protocol, dict(response.headers)["X-Greeting"]) == ("echo", "hello")
    client, ours = stream.pipe()
    api.group.start(response.run(ours), "relay")
    await client.write(b"hello")
    assert await client.read_exactly(5) == b"HELLO"
    client.write_eof()
    assert await client.read() == b""


async def test_nobody_listens(api: Any) -> None:
    await _running_pod(api)
    answer = await api.send("GET", f"{PODS}/proxy:1/proxy/")
    assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")
    assert (await api.send("GET", f"{PODS}/proxy/log")).status >= 400


async def test_links_lead_through_the_proxy(api: Any, application: int) -> None:
    await _running_pod(api)
    base = f"{PODS}/proxy:{application}/proxy"
    assert (await api.send("GET", f"{base}/page")).text == f'<a href="{base}/there">x</a>'
    assert (await api.send("GET", f"{base}/moved")).header("Location") == [f"{base}/there/?a=b"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("<A class=x HREF='/a?b=1&amp;c'>&lt;</A>", '<A class=x HREF="/p/a?b=1&amp;c">&lt;</a>'),
        ('<img alt="/x" src=/a/><!-- <a href="/x"> -->', '<img alt="/x" src="/p/a/"><!-- <a href="/x"> -->'),
        ('<!DOCTYPE html><a href="b"><br/>', '<!DOCTYPE html><a href="b"><br/>'),
        ('<a href="http://here:80/a#f">', '<a href="/p/a#f">'),
        ('<a href="http://there/a">', '<a href="http://there/a">'),
        ('<a href="/p/a">', '<a href="/p/a">'),
        ("<script>'<a href=\"/x\">'</script>", "<script>'<a href=\"/x\">'</script>"),
    ],
)
def test_pages(given: str, made: str) -> None:
    known = links.Links("/p", ("here:80",))
    whole, bit_by_bit = links.Page(known), links.Page(known)
    assert whole.through(given.encode(), last=True).decode() == made
    bits = [bit_by_bit.through(bytes([one])) for one in given.encode()]
    assert b"".join([*bits, bit_by_bit.through(b"", last=True)]).decode() == made


def test_a_page_that_never_ends_is_handed_on() -> None:
    page = links.Page(links.Links("/p", ("here:80",)))
    told = page.through(b"<a href='\xff/x'>") + page.through(b"<a " * (links.LONGEST // 2))
    assert told.startswith(b'<a href="\xff/x">')
    assert len(told) > links.LONGEST
