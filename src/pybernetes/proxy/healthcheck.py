"""What load balancers and operators ask of the proxy over HTTP.

`ProxyHealth` says whether changes reach the kernel in time; `StatusServer` serves it at /healthz and /livez, with
/metrics beside them. `ServiceHealthServers` keeps one listener for each Service with a health check node port, which
tells a load balancer whether this node has endpoints of it.

Upstream: pkg/proxy/healthcheck.
"""

import datetime
import socket
from collections.abc import Callable
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.http import messages, server
from pybernetes.proxy.ruleset import FAMILY, Ruleset
from pybernetes.telemetry import logs, metrics

logger = logs.get("proxy.healthcheck")

Failed = Callable[[str, str], None]
"""Is told of a Service whose health check could not be opened: its key, and why."""
HEALTH_TIMEOUT = 60.0
"""Seconds a change may wait before the proxy counts as unhealthy: twice upstream's sync period."""
TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler"
_JSON = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]

_HEALTHZ = metrics.DEFAULT.counter("kubeproxy_proxy_healthz_total", "Cumulative proxy healthz HTTP status", ("code",))
_LIVEZ = metrics.DEFAULT.counter("kubeproxy_proxy_livez_total", "Cumulative proxy livez HTTP status", ("code",))


class ProxyHealth:
    """Healthy as long as no change waits longer than HEALTH_TIMEOUT to be applied."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._oldest_queued: float | None = None
        self._updated = clock.now()

    def queued(self) -> None:
        """A change has come that is not applied yet."""
        if self._oldest_queued is None:
            self._oldest_queued = self._clock.monotonic()

    def updated(self) -> None:
        """Everything known was applied."""
        self._oldest_queued = None
        self._updated = self._clock.now()

    @property
    def healthy(self) -> bool:
        """Whether nothing waits too long."""
        return self._oldest_queued is None or self._clock.monotonic() - self._oldest_queued < HEALTH_TIMEOUT

    def report(self) -> dict[str, Any]:
        """The body of /livez."""
        healthy, now = self.healthy, _stamp(self._clock.now())
        updated = _stamp(self._updated)
        status = {FAMILY: {"lastUpdated": updated, "healthy": healthy}}
        return {
            "lastUpdated": now if healthy else updated,
            "currentTime": now,
            "healthy": healthy,
            "status": status,
        }


def _stamp(moment: datetime.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def node_eligible(node: core.Node | None) -> bool:
    """Whether load balancers may still use this node: it exists and nobody is about to delete it."""
    if node is None or node.metadata.deletionTimestamp is not None:
        return False
    return all(taint.key != TO_BE_DELETED_TAINT for taint in node.spec.taints)


class StatusServer:
    """/healthz, /livez and /metrics."""

    def __init__(self, health: ProxyHealth, node: Callable[[], core.Node | None], clock: clocks.Clock) -> None:
        self._health = health
        self._node = node
        self._clock = clock
        self._server: server.Server | None = None

    async def start(self, address: str, port: int) -> int:
        """Listen; the port. Raises OSError."""
        self._server = server.Server(self.handle, clock=self._clock, host=address, port=port)
        await self._server.start()
        return self._server.port

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            await self._server.stop()

    async def handle(self, request: messages.Request) -> messages.Response:
        """Answer one request."""
        if request.path == "/metrics":
            plain = [("Content-Type", "text/plain; version=0.0.4")]
            return messages.Response(200, plain, metrics.DEFAULT.render(), compressible=True)
        report = self._health.report()
        if request.path == "/healthz":
            eligible = node_eligible(self._node())
            ok = bool(report["healthy"]) and eligible
            return self._answer(_HEALTHZ, ok, {**report, "nodeEligible": eligible})
        if request.path == "/livez":
            return self._answer(_LIVEZ, bool(report["healthy"]), report)
        return messages.Response(404, [("Content-Type", "text/plain; charset=utf-8")], b"404 page not found\n")

    @staticmethod
    def _answer(counter: metrics.Family[metrics.Value], ok: bool, report: dict[str, Any]) -> messages.Response:
        status = 200 if ok else 503
        counter.labels(str(status)).inc()
        return messages.Response(status, [*_JSON], msgspec.json.encode(report))


class _Listener:
    """The health check of one Service."""

    def __init__(self, key: str, port: int, health: ProxyHealth, clock: clocks.Clock) -> None:
        self.port = port
        self.endpoints = 0
        self._namespace, _, self._name = key.partition("/")
        self._health = health
        self._server = server.Server(self.handle, clock=clock)

    async def start(self, addresses: tuple[str, ...]) -> None:
        """Listen on every address, or on none. Raises OSError."""
        opened: list[socket.socket] = []
        try:
            for address in addresses:
                opened.append(one := socket.socket(socket.AF_INET, socket.SOCK_STREAM))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((address, self.port))
            await self._server.start(opened)
        except OSError:
            for one in opened:
                one.close()
            raise

    async def stop(self) -> None:
        await self._server.stop()

    async def handle(self, _: messages.Request) -> messages.Response:
        healthy = self._health.healthy
        body = {
            "service": {"namespace": self._namespace, "name": self._name},
            "localEndpoints": self.endpoints,
            "serviceProxyHealthy": healthy,
        }
        headers = [*_JSON, ("X-Load-Balancing-Endpoint-Weight", str(self.endpoints))]
        status = 200 if self.endpoints and healthy else 503
        return messages.Response(status, headers, msgspec.json.format(msgspec.json.encode(body), indent=4))


class ServiceHealthServers:
    """One listener for each Service that has a health check node port."""

    def __init__(
        self,
        node_name: str,
        addresses: tuple[str, ...],
        health: ProxyHealth,
        clock: clocks.Clock,
        failed: Failed,
    ) -> None:
        self._node_name = node_name
        self._addresses = addresses
        self._health = health
        self._clock = clock
        self._failed = failed
        self._listeners: dict[str, _Listener] = {}

    async def sync(self, rules: Ruleset) -> None:
        """Open and close listeners to match the rules, and bring their counts up to date."""
        wanted = {key: one for key, one in rules.items() if one.health_check_port}
        for key, listener in [*self._listeners.items()]:
            if key not in wanted or wanted[key].health_check_port != listener.port:
                del self._listeners[key]
                await listener.stop()
        for key, one in wanted.items():
            if key not in self._listeners:
                await self._open(key, one.health_check_port)
            if key in self._listeners:
                self._listeners[key].endpoints = one.local_endpoints

    async def _open(self, key: str, port: int) -> None:
        listener = _Listener(key, port, self._health, self._clock)
        try:
            await listener.start(self._addresses)
        except OSError as error:
            message = f'node {self._node_name} failed to start healthcheck "{key}" on port {port}: {error}'
            logger.error("Failed to start healthcheck", extra=logs.kv(service=key, port=port, err=error))
            self._failed(key, message)
        else:
            self._listeners[key] = listener

    async def stop(self) -> None:
        """Close all."""
        await self.sync({})
