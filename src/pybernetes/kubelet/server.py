"""The kubelet's own HTTPS server: what `kubectl logs`, `exec` and `port-forward` reach through the API server.

    /containerLogs/NS/POD/CONTAINER   /exec, /attach /NS/POD[/UID]/CONTAINER   /run   /portForward/NS/POD[/UID]
    /pods  /healthz  /metrics  /metrics/resource  /metrics/cadvisor  /stats/summary  /configz

Sessions are the runtime's, which serves them on loopback, in SPDY: a caller that speaks SPDY is connected through byte
by byte, the channels of a WebSocket are translated.

Upstream: pkg/kubelet/server/server.go, apiserver/pkg/util/proxy (streamtranslator.go, streamtunnel.go).
"""

import dataclasses
import datetime
import pathlib
import ssl
from collections.abc import Callable, Coroutine

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps
from pybernetes.crypto import certs
from pybernetes.http import channels, errors, messages, relay, tls, websocket
from pybernetes.http import client as http_client
from pybernetes.http import server as http_server
from pybernetes.kubelet import config as configs
from pybernetes.kubelet import log_source, runtime_status, serving_auth, stats
from pybernetes.kubelet.cri import logs, runtime
from pybernetes.telemetry import metrics

_TEXT = "text/plain; charset=utf-8"


@dataclasses.dataclass(frozen=True, slots=True)
class NodeView:
    """What the server may ask the kubelet."""

    pods: Callable[[], list[core.Pod]]
    find_pod: Callable[[str, str], core.Pod | None]
    api_status: Callable[[str], core.PodStatus | None]
    runtime_status: Callable[[str], runtime_status.PodStatus | None]
    cri: runtime.Runtime
    stats: stats.StatsProvider


class Refusal(Exception):
    """An answer that ends the handling of a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Handler = Callable[[messages.Request, list[str]], Coroutine[None, None, messages.AnyResponse]]


class KubeletServer:
    """Routes requests to handlers after the guard has let them pass."""

    def __init__(
        self,
        view: NodeView,
        config: configs.KubeletConfig,
        clock: clocks.Clock,
        guard: serving_auth.Guard,
        http: http_client.HttpClient,
    ) -> None:
        self._view = view
        self._config = config
        self._clock = clock
        self._guard = guard
        self._http = http
        self._server: http_server.Server | None = None
        self._routes: dict[str, Handler] = {
            "containerLogs": self._container_logs,
            "exec": self._exec,
            "attach": self._attach,
            "run": self._run,
            "portForward": self._port_forward,
            "pods": self._pods,
            "healthz": self._healthz,
            "metrics": self._metrics,
            "stats": self._stats,
            "configz": self._configz,
        }

    async def start(self) -> None:
        """Listen."""
        config = self._config
        self._server = http_server.Server(
            self.handle,
            clock=self._clock,
            tls=serving_context(config, self._clock),
            host=config.address or "0.0.0.0",  # as upstream: the API server reaches it at the node's address
            port=config.port,
        )
        await self._server.start()

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            await self._server.stop()

    async def handle(self, request: messages.Request) -> messages.AnyResponse:
        """Answer one request."""
        refused = await self._guard.check(request)
        if refused is not None:
            return refused
        head, *rest = request.path.strip("/").split("/")
        handler = self._routes.get(head)
        if handler is None:
            return _text(404, "404 page not found\n")
        try:
            return await handler(request, rest)
        except Refusal as refusal:
            return _text(refusal.status, f"{refusal}\n")
        except runtime.NotFoundError as failure:
            return _text(404, f"{failure}\n")
        except (runtime.CriError, errors.HttpError) as failure:
            return _text(500, f"{failure}\n")

    # -- which pod and container -------------------------------------------------------------------------------------

    def _pod(self, namespace: str, name: str, uid: str = "") -> core.Pod:
        pod = self._view.find_pod(namespace, name)
        if pod is None or (uid and pod.metadata.uid != uid):
            raise Refusal(404, "pod does not exist")
        return pod

    def _target(self, parts: list[str]) -> tuple[core.Pod, str]:
        """NS/POD/CONTAINER or NS/POD/UID/CONTAINER: the pod, and the id of its running container."""
        if len(parts) not in (3, 4):
            raise Refusal(404, "404 page not found")
        pod = self._pod(parts[0], parts[1], parts[2] if len(parts) == 4 else "")
        name = parts[-1]
        seen = self._view.runtime_status(pod.metadata.uid)
        found = seen.find(name) if seen is not None else None
        if found is None:
            raise Refusal(404, f'container not found ("{name}")')
        return pod, found.id

    # -- logs --------------------------------------------------------------------------------------------------------

    async def _container_logs(self, request: messages.Request, parts: list[str]) -> messages.AnyResponse:
        if len(parts) != 3:
            raise Refusal(404, "404 page not found")
        pod, name = self._pod(parts[0], parts[1]), parts[2]
        if runtime_status.find_container(pod.spec, name) is None:
            raise Refusal(404, f'container "{name}" not found in pod "{parts[1]}"')
        options = self._log_options(request)
        status = self._view.api_status(pod.metadata.uid) or pod.status
        try:
            container = log_source.container_id(pod, status, name, previous=_flag(request, "previous"))
        except log_source.NoLogError as failure:
            raise Refusal(400, str(failure)) from failure
        path = (await self._view.cri.container_status(container)).log_path
        if not path or not pathlib.Path(path).exists():
            raise Refusal(500, f"failed to try resolving symlinks in path {path!r}: no such file or directory")
        uid = pod.metadata.uid

        def is_running() -> bool:
            seen = self._view.runtime_status(uid)
            return seen is not None and any(
                one.id == container and one.state is runtime.ContainerState.RUNNING for one in seen.containers
            )

        async def run(writer: messages.StreamWriter) -> None:
            async for piece in logs.read(pathlib.Path(path), options, is_running, self._clock):
                await writer.write(piece)

        return messages.StreamResponse(200, [("Content-Type", _TEXT)], run)

    def _log_options(self, request: messages.Request) -> logs.LogOptions:
        since = None
        try:
            if seconds := _first(request, "sinceSeconds"):
                since = self._clock.now() - datetime.timedelta(seconds=int(seconds))
            elif moment := _first(request, "sinceTime"):
                since = timestamps.parse(moment)
            tail, limit = _first(request, "tailLines"), _first(request, "limitBytes")
            return logs.LogOptions(
                follow=_flag(request, "follow"),
                tail_lines=int(tail) if tail else None,
                since=since,
                limit_bytes=int(limit) if limit else None,
                timestamps=_flag(request, "timestamps"),
                stream=_first(request, "stream") or "All",
            )
        except ValueError as failure:
            raise Refusal(422, f"invalid log options: {failure}") from failure

    # -- sessions ----------------------------------------------------------------------------------------------------

    def _stream_options(self, request: messages.Request) -> runtime.StreamOptions:
        tty = _flag(request, "tty")
        options = runtime.StreamOptions(
            stdin=_flag(request, "input") or _flag(request, "stdin"),
            stdout=_flag(request, "output") or _flag(request, "stdout"),
            stderr=(_flag(request, "error") or _flag(request, "stderr")) and not tty,
            tty=tty,
        )
        if not (options.stdin or options.stdout or options.stderr):
            raise Refusal(400, "you must specify at least 1 of stdin, stdout, stderr")
        return options

    async def _exec(self, request: messages.Request, parts: list[str]) -> messages.AnyResponse:
        _, container = self._target(parts)
        options = self._stream_options(request)
        url = await self._view.cri.exec_url(container, request.query.get("command", []), options)
        return await self._command(request, url, options)

    async def _attach(self, request: messages.Request, parts: list[str]) -> messages.AnyResponse:
        pod, container = self._target(parts)
        options = self._stream_options(request)
        spec = runtime_status.find_container(pod.spec, parts[-1])
        if spec is not None and spec.tty:
            options = dataclasses.replace(options, tty=True, stderr=False)
        url = await self._view.cri.attach_url(container, options)
        return await self._command(request, url, options)

    async def _command(
        self, request: messages.Request, url: str, options: runtime.StreamOptions
    ) -> messages.AnyResponse:
        if not websocket.is_upgrade(request):
            return await relay.proxy_upgrade(self._http, request, url, _session_headers(request))
        wanted = channels.Options(options.stdin, options.stdout, options.stderr, options.tty)

        async def run(caller: channels.Channels) -> None:
            async with channels.connect(self._http, url, wanted, clock=self._clock) as command:
                await channels.bridge(caller, command)

        return channels.serve(request, wanted, run, clock=self._clock)

    async def _run(self, request: messages.Request, parts: list[str]) -> messages.AnyResponse:
        _, container = self._target(parts)
        command = (_first(request, "cmd") or "").split()
        result = await self._view.cri.exec_sync(container, command, 0)
        return _text(200, (result.stdout + result.stderr).decode("utf-8", "replace"))

    async def _port_forward(self, request: messages.Request, parts: list[str]) -> messages.AnyResponse:
        if len(parts) not in (2, 3):
            raise Refusal(404, "404 page not found")
        pod = self._pod(parts[0], parts[1], parts[2] if len(parts) == 3 else "")
        seen = self._view.runtime_status(pod.metadata.uid)
        sandbox = seen.ready_sandbox if seen is not None else None
        if sandbox is None:
            raise Refusal(404, f"failed to find sandboxID for pod {parts[1]}_{parts[0]}")
        ports = [int(text) for text in request.query.get("port", []) if text.isdigit()]
        url = await self._view.cri.port_forward_url(sandbox.id, ports)
        if any(name.startswith(relay.TUNNEL_PREFIX) for name in websocket.requested(request)):
            return await relay.proxy_tunnel(self._http, request, url, [], clock=self._clock)
        return await relay.proxy_upgrade(self._http, request, url, _session_headers(request))

    # -- the node ----------------------------------------------------------------------------------------------------

    async def _pods(self, _: messages.Request, __: list[str]) -> messages.AnyResponse:
        items = []
        for pod in self._view.pods():
            status = self._view.api_status(pod.metadata.uid) or pod.status
            items.append(msgspec.structs.replace(pod, status=status))
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _healthz(self, _: messages.Request, __: list[str]) -> messages.AnyResponse:
        return _text(200, "ok")

    async def _metrics(self, _: messages.Request, parts: list[str]) -> messages.AnyResponse:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        if parts == ["resource"]:
            return messages.Response(200, [("Content-Type", kind)], await self._view.stats.resource_metrics())
        if parts == ["cadvisor"]:
            return messages.Response(200, [("Content-Type", kind)], await self._view.stats.cadvisor_metrics())
        if parts:
            return _text(404, "404 page not found\n")
        return messages.Response(200, [("Content-Type", kind)], metrics.DEFAULT.render(), compressible=True)

    async def _stats(self, _: messages.Request, parts: list[str]) -> messages.AnyResponse:
        if parts != ["summary"]:
            return _text(404, "404 page not found\n")
        return _json(await self._view.stats.summary())

    async def _configz(self, _: messages.Request, __: list[str]) -> messages.AnyResponse:
        config = self._config
        return _json(
            {
                "kubeletconfig": {
                    "port": config.port,
                    "address": config.address,
                    "clusterDomain": config.cluster_domain,
                    "clusterDNS": config.cluster_dns,
                    "maxPods": config.max_pods,
                    "cgroupDriver": config.cgroup_driver,
                    "staticPodPath": config.static_pod_path,
                    "kind": "KubeletConfiguration",
                    "apiVersion": "kubelet.config.k8s.io/v1beta1",
                }
            }
        )


def serving_context(config: configs.KubeletConfig, clock: clocks.Clock) -> ssl.SSLContext:
    """The configured certificate, or one signed by ourselves as upstream makes it; clients' CA where one is given."""
    ca = pathlib.Path(config.client_ca_file).read_bytes() if config.client_ca_file else None
    if config.tls_cert_file:
        cert = pathlib.Path(config.tls_cert_file).read_bytes()
        return tls.server_context(cert, pathlib.Path(config.tls_private_key_file).read_bytes(), ca)
    now = clock.now()
    authority = certs.new_authority(f"{config.node_name}-ca@{int(now.timestamp())}", now=now)
    names = (config.node_name,)
    addresses = (config.node_ip,) if config.node_ip else ()
    request = certs.Request(config.node_name, dns_names=names, addresses=addresses, client=False, server=True)
    pair = certs.issue(authority, request, now=now)
    return tls.server_context(pair.certificate, pair.key, ca)


def _session_headers(request: messages.Request) -> list[tuple[str, str]]:
    """What the runtime must know of a request: the protocols it offers, and nothing of who asks."""
    wanted = ("sec-websocket-", relay.VERSION_HEADER.lower())
    return [(name, text) for name, text in request.headers.items() if name.lower().startswith(wanted)]


def _first(request: messages.Request, name: str) -> str:
    return next(iter(request.query.get(name, [])), "")


def _flag(request: messages.Request, name: str) -> bool:
    return _first(request, name).lower() in ("1", "true", "t")


def _text(status: int, text: str) -> messages.Response:
    return messages.Response(status, [("Content-Type", _TEXT)], text.encode())


def _json(value: object) -> messages.Response:
    headers = [("Content-Type", "application/json")]
    return messages.Response(200, headers, msgspec.json.encode(value), compressible=True)
