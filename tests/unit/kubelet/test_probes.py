"""Probes against servers on loopback."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc.aio
import msgspec
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.http import client as http_client
from pybernetes.http import messages
from pybernetes.http import server as http_server
from pybernetes.kubelet import probes
from pybernetes.kubelet.cri import runtime, simulated

CLOCK = clocks.RealClock()
Outcome = probes.Outcome


@pytest.fixture
async def asker() -> AsyncIterator[probes.Probes]:
    http = http_client.HttpClient(clock=CLOCK)
    yield probes.Probes(simulated.FakeRuntime(CLOCK), http, CLOCK)
    await http.close()


@pytest.fixture
async def web() -> AsyncIterator[int]:
    async def handler(request: messages.Request) -> messages.AnyResponse:
        if request.path == "/away":
            return messages.Response(302, [("Location", "http://elsewhere.invalid/")], b"moved")
        if request.path == "/near":
            return messages.Response(302, [("Location", "/ok")])
        return messages.Response(200 if request.path == "/ok" else 500, [], b"body")

    async with http_server.Server(handler, clock=CLOCK) as server:
        yield server.port


def target(port: int) -> probes.Target:
    container = core.Container(name="c", ports=(core.ContainerPort(name="web", containerPort=port),))
    return probes.Target(container, "id", "127.0.0.1")


def probe(**fields: Any) -> core.Probe:
    return msgspec.convert({"timeoutSeconds": 1, **fields}, core.Probe)


def closed_port() -> int:
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("path", "outcome", "output"),
    [
        ("/ok", Outcome.SUCCESS, "body"),
        ("/near", Outcome.SUCCESS, "body"),
        ("/bad", Outcome.FAILURE, "HTTP probe failed with statuscode: 500"),
        ("/away", Outcome.WARNING, "Probe terminated redirects, Response body: moved"),
    ],
)
async def test_http(asker: probes.Probes, web: int, path: str, outcome: Outcome, output: str) -> None:
    answer = await asker.run(probe(httpGet={"port": "web", "path": path}), target(web))
    assert answer == probes.Answer(outcome, output)


async def test_nobody_listens(asker: probes.Probes) -> None:
    port = closed_port()
    answer = await asker.run(probe(httpGet={"port": port, "path": "/"}), target(port))
    text = f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert answer == probes.Answer(Outcome.FAILURE, text)
    answer = await asker.run(probe(tcpSocket={"port": port}), target(port))
    assert answer == probes.Answer(Outcome.FAILURE, f"dial tcp 127.0.0.1:{port}: connect: connection refused")


async def test_tcp(asker: probes.Probes, web: int) -> None:
    assert await asker.run(probe(tcpSocket={"port": web}), target(web)) == probes.Answer(Outcome.SUCCESS)


class Health(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers health checks: service "bad" is not serving, all others are."""

    def service(self, details: Any) -> Any:
        if details.method != "/grpc.health.v1.Health/Check":
            return None

        async def check(request: bytes, _: Any) -> bytes:
            return b"\x08\x02" if request[2:] == b"bad" else b"\x08\x01"

        return grpc.unary_unary_rpc_method_handler(check)


@pytest.mark.parametrize(
    ("service", "outcome", "output"),
    [
        (None, Outcome.SUCCESS, "service healthy"),
        ("good", Outcome.SUCCESS, "service healthy"),
        ("bad", Outcome.FAILURE, 'service unhealthy (responded with "NOT_SERVING")'),
    ],
)
async def test_grpc(asker: probes.Probes, service: str | None, outcome: Outcome, output: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Health(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    answer = await asker.run(probe(grpc={"port": port, "service": service}), target(port))
    await server.stop(0)
    assert answer == probes.Answer(outcome, output)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(0, Outcome.SUCCESS), (1, Outcome.FAILURE)],
)
async def test_commands(code: int, outcome: Outcome) -> None:
    cri = simulated.FakeRuntime(CLOCK)
    sandbox_config: dict[str, Any] = {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "attempt": 0},
        "linux": {"security_context": {"namespace_options": {}}},
    }
    sandbox = await cri.run_pod_sandbox(sandbox_config)
    config = {"metadata": {"name": "c", "attempt": 0}, "image": {"image": "img"}}
    container = await cri.create_container(sandbox, config, sandbox_config)
    await cri.start_container(container)
    seen: list[Sequence[str]] = []

    def run(_: str, command: Sequence[str]) -> runtime.ExecResult:
        seen.append(tuple(command))
        return runtime.ExecResult(code, b"out", b"err")

    cri.exec_results: Callable[[str, Sequence[str]], runtime.ExecResult] = run  # type: ignore[misc]
    asked = probes.Target(core.Container(name="c"), container, "")
    http = http_client.HttpClient(clock=CLOCK)
    answer = await probes.Probes(cri, http, CLOCK).run(probe(exec={"command": ["test", "-e", "x"]}), asked)
    await http.close()
    assert answer == probes.Answer(outcome, "outerr")
    assert seen == [("test", "-e", "x")]
