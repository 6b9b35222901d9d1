"""Asking a container whether it is well: HTTP, TCP, a command, gRPC.

A probe answers with success or failure and a text; an error in the asking itself is `ProbeError`.

Upstream: pkg/probe (http, tcp, exec, grpc), pkg/kubelet/prober/prober.go.
"""

import asyncio
import contextlib
import dataclasses
import enum
import struct
import urllib.parse
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import deadline
from pybernetes.api.types import core
from pybernetes.http import client as http_client
from pybernetes.http import errors as http_errors
from pybernetes.kubelet import runtime_status
from pybernetes.kubelet.cri import runtime

_USER_AGENT = "kube-probe/1.37"
_MAX_OUTPUT = 10 * 1024
_MAX_REDIRECTS = 10
_CONNECTION_FAILURES = {111: "connection refused", 113: "no route to host", 101: "network is unreachable"}


class ProbeError(Exception):
    """The probe could not be carried out."""


class Outcome(enum.Enum):
    """What a probe found."""

    SUCCESS = "success"
    WARNING = "warning"
    """succeeded, with something to say"""
    FAILURE = "failure"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The outcome and what goes into the event."""

    outcome: Outcome
    output: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class HttpRequest:
    """A GET to send."""

    url: str
    headers: list[tuple[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask."""

    container: runtime_status.AnyContainer
    container_id: str
    ip: str
    started_at: float = 0.0


def port_number(port: int | str, container: runtime_status.AnyContainer) -> int:
    """A port by number, by name, or by a number in a text."""
    if isinstance(port, int):
        number = port
    else:
        named = next((one.containerPort for one in container.ports if one.name == port), 0)
        number = named or (int(port) if port.isdigit() else 0)
        if not number:
            raise ProbeError(f'couldn\'t find port: "{port}" in container: {container.name}')
    if not 0 < number < 65536:
        raise ProbeError(f"invalid port number: {number}")
    return number


def http_request(
    action: core.HTTPGetAction, container: runtime_status.AnyContainer, ip: str, agent: str = _USER_AGENT
) -> HttpRequest:
    """The request of an httpGet action."""
    host = action.host or ip
    host = f"[{host}]" if ":" in host else host
    scheme = (action.scheme or "HTTP").lower()
    path, question, query = action.path.partition("?")
    path = urllib.parse.quote("/" + path.lstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    url = f"{scheme}://{host}:{port_number(action.port, container)}{path}{question}{query}"
    headers = [(one.name, one.value) for one in action.httpHeaders]
    given = {name.lower() for name, _ in headers}
    defaults = (("User-Agent", agent), ("Accept", "*/*"), ("Connection", "close"))
    return HttpRequest(url, headers + [(name, text) for name, text in defaults if name.lower() not in given])


class Probes:
    """Carries out one probe at a time for whoever asks."""

    def __init__(self, cri: runtime.Runtime, http: http_client.HttpClient, clock: clocks.Clock) -> None:
        self._cri = cri
        self._http = http
        self._clock = clock

    async def run(self, probe: core.Probe, target: Target) -> Answer:
        """Ask once."""
        timeout = float(probe.timeoutSeconds or 1)
        if probe.exec is not None:
            return await self._exec(probe.exec, target, timeout)
        if probe.httpGet is not None:
            return await self._http_get(probe.httpGet, target, timeout)
        if probe.tcpSocket is not None:
            host = probe.tcpSocket.host or target.ip
            return await _tcp(host, port_number(probe.tcpSocket.port, target.container), timeout, self._clock)
        if probe.grpc is not None:
            return await _grpc(target.ip, probe.grpc.port, probe.grpc.service or "", timeout)
        raise ProbeError(f"missing probe handler for {target.container.name}")

    async def _exec(self, action: core.ExecAction, target: Target, timeout: float) -> Answer:
        try:
            result = await self._cri.exec_sync(target.container_id, action.command, timeout)
        except runtime.ExecTimeoutError as failure:
            return Answer(
                Outcome.FAILURE,
                f'command timed out: "{" ".join(action.command)}" timed out after {timeout:g}s ({failure.message})',
            )
        except runtime.CriError as failure:
            raise ProbeError(str(failure)) from failure
        output = (result.stdout + result.stderr)[:_MAX_OUTPUT].decode("utf-8", "replace")
        return Answer(Outcome.SUCCESS if result.exit_code == 0 else Outcome.FAILURE, output)

    async def _http_get(self, action: core.HTTPGetAction, target: Target, timeout: float) -> Answer:
        request = http_request(action, target.container, target.ip)
        url = request.url
        for _ in range(_MAX_REDIRECTS):
            try:
                response = await self._http.request("GET", url, headers=request.headers, timeout=timeout)
            except http_errors.ReadTimeout:
                return Answer(
                    Outcome.FAILURE,
                    f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
                )
            except (http_errors.HttpError, ValueError) as failure:
                return Answer(Outcome.FAILURE, f'Get "{url}": {_go_text(failure, url)}')
            location = response.headers.get("location")
            if not (300 <= response.status < 400 and location):
                break
            following = urllib.parse.urljoin(url, location)
            if urllib.parse.urlsplit(following).hostname != urllib.parse.urlsplit(url).hostname:
                body = response.body[:_MAX_OUTPUT].decode("utf-8", "replace")
                return Answer(Outcome.WARNING, f"Probe terminated redirects, Response body: {body}")
            url = following
        else:
            return Answer(Outcome.FAILURE, f'Get "{url}": stopped after 10 redirects')
        if 200 <= response.status < 400:
            return Answer(Outcome.SUCCESS, response.body[:_MAX_OUTPUT].decode("utf-8", "replace"))
        return Answer(Outcome.FAILURE, f"HTTP probe failed with statuscode: {response.status}")


def _go_text(failure: Exception, url: str) -> str:
    """The failure of a connection as Go's net package words it."""
    parts = urllib.parse.urlsplit(url)
    cause = failure.__cause__
    if isinstance(cause, OSError) and cause.errno in _CONNECTION_FAILURES:
        return f"dial tcp {parts.hostname}:{parts.port}: connect: {_CONNECTION_FAILURES[cause.errno]}"
    if isinstance(failure, http_errors.ConnectionClosed):
        return "EOF"
    return str(failure)


async def _tcp(host: str, port: int, timeout: float, clock: clocks.Clock) -> Answer:
    try:
        async with deadline.Deadline(clock, timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Answer(Outcome.FAILURE, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as failure:
        text = _CONNECTION_FAILURES.get(failure.errno or 0, str(failure))
        return Answer(Outcome.FAILURE, f"dial tcp {host}:{port}: connect: {text}")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Answer(Outcome.SUCCESS)


_SERVING = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


async def _grpc(host: str, port: int, service: str, timeout: float) -> Answer:
    """`grpc.health.v1.Health/Check`: a request of one string, an answer of one enum."""
    import grpc.aio  # slow to import, and few probes need it

    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = service.encode()
    request = b"\x0a" + struct.pack("B", len(name)) + name if name else b""
    options = [("grpc.enable_http_proxy", 0), ("grpc.primary_user_agent", _USER_AGENT)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer: bytes = await call(request, timeout=timeout)
        except grpc.aio.AioRpcError as failure:
            return Answer(Outcome.FAILURE, _grpc_failure(failure, address, timeout))
    status = _SERVING.get(answer[1] if len(answer) > 1 else 0, "UNKNOWN")
    if status == "SERVING":
        return Answer(Outcome.SUCCESS, "service healthy")
    return Answer(Outcome.FAILURE, f'service unhealthy (responded with "{status}")')


def _grpc_failure(failure: Any, address: str, timeout: float) -> str:
    match failure.code().name:
        case "UNIMPLEMENTED":
            return "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + (
                failure.details() or ""
            )
        case "DEADLINE_EXCEEDED":
            return f"timeout: health rpc did not complete within {timeout:g}s"
        case "UNAVAILABLE":
            return f'error: failed to connect service "{address}" within {timeout:g}s: {failure.details()}'
    return f"error: health rpc probe failed: {failure.details()}"
