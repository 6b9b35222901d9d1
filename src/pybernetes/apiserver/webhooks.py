"""Calls webhooks: where a `clientConfig` leads to, whom to trust there, one review as JSON there and back.

Upstream: k8s.io/apiserver/pkg/util/webhook (client.go, serviceresolver.go).
"""

import base64
import contextlib
import ssl
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import errors
from pybernetes.apiserver.registry import strategy
from pybernetes.http import client as http_client
from pybernetes.http import errors as http_errors

Object = dict[str, Any]

DEFAULT_PORT = 443
JSON = "application/json"
USER_AGENT = "kube-apiserver-admission"


class CallFailed(Exception):
    """The webhook could not be asked, or gave no answer that can be read; `code` is for metrics."""

    def __init__(self, message: str, code: int = 503) -> None:
        super().__init__(message)
        self.code = code


class Webhooks:
    """Keeps a client for each name and authority. Pods of simulated nodes have no address: nothing is sent there."""

    def __init__(self, objects: strategy.Objects, clock: clocks.Clock, *, simulated: bool = False) -> None:
        self._objects = objects
        self._clock = clock
        self._simulated = simulated
        self._clients: dict[tuple[str, str], http_client.HttpClient] = {}

    async def call(self, config: Object, review: Object, timeout: float = 30.0) -> Object:
        """The answer to a review. Raises CallFailed."""
        service, asked = config.get("service"), f"?timeout={timeout:g}s"
        if service is None:
            shown = f"{config['url']}{asked}"
        else:
            port = service.get("port") or DEFAULT_PORT
            host = f"{service['name']}.{service['namespace']}.svc:{port}"
            shown = f"https://{host}/{(service.get('path') or '').lstrip('/')}{asked}"
        origin, host, target = http_client.split_url(shown)
        headers = [("Content-Type", JSON), ("Accept", f"{JSON}, */*"), ("User-Agent", USER_AGENT), ("Host", host)]
        try:
            if service is not None:
                host = await self._resolved(service, port)
            client = self._client(origin.host, config.get("caBundle") or "", pods=service is not None)
            body = msgspec.json.encode(review)
            answer = await client.request("POST", f"https://{host}{target}", headers, body, timeout)
        except http_errors.ReadTimeout as failure:
            raise CallFailed(f'Post "{shown}": context deadline exceeded') from failure
        except (http_errors.HttpError, errors.StatusError, OSError, ValueError) as failure:
            raise CallFailed(f'Post "{shown}": {failure}') from failure
        if not 200 <= answer.status <= 206:
            raise CallFailed(_told(answer), answer.status)
        try:
            found: Object = msgspec.json.decode(answer.body, type=dict[str, Any])
        except msgspec.MsgspecError as failure:
            raise CallFailed(str(failure)) from failure
        return found

    async def _resolved(self, service: Object, port: int) -> str:
        """Where a Service leads to; what is missing is told as the resolver of Services tells it."""
        namespace, name = service["namespace"], service["name"]
        found = await self._objects.get("", "services", namespace, name)
        if found is None:
            raise ValueError(f'service "{name}" not found')
        if all(one["port"] != port for one in found["spec"].get("ports") or ()):
            raise ValueError(f'no service port {port} found for service "{name}"')
        return await endpoint(self._objects, namespace, name, str(port))

    def _client(self, name: str, authority: str, *, pods: bool) -> http_client.HttpClient:
        key = (name, authority)
        if key not in self._clients:
            nowhere = http_client.NOWHERE if pods and self._simulated else None
            context = _context(authority)
            self._clients[key] = http_client.HttpClient(context, clock=self._clock, server_name=name, unix_path=nowhere)
        return self._clients[key]

    async def close(self) -> None:
        """Drop all connections."""
        for client in self._clients.values():
            await client.close()


def _told(answer: http_client.ClientResponse) -> str:
    """What an answer of failure says: its Status, or what its code means."""
    text = answer.body.decode(errors="replace").strip()
    with contextlib.suppress(msgspec.MsgspecError):
        status = msgspec.json.decode(text, type=dict[str, Any])
        if status.get("kind") == "Status" and status.get("message"):
            return str(status["message"])
    return errors.from_response(answer.status, text or "unknown").message


def _context(authority: str) -> ssl.SSLContext:
    text = base64.b64decode(authority).decode(errors="replace").strip()
    try:
        return ssl.create_default_context(cadata=text or None)
    except ssl.SSLError as failure:
        text = "unable to load root certificates: unable to parse bytes as PEM block"
        raise CallFailed(text, 500) from failure


async def endpoint(objects: strategy.Objects, namespace: str, name: str, port: str) -> str:
    """`HOST:PORT` of a ready endpoint of a Service's port, given by name or number. Raises a StatusError."""
    service = await objects.get("", "services", namespace, name)
    if service is None:
        raise errors.NotFound("services", name)
    wanted = _port_name(service, port, name)
    for piece in await objects.list("discovery.k8s.io", "endpointslices", namespace):
        if (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != name:
            continue
        number = next((one.get("port") for one in piece.get("ports") or () if (one.get("name") or "") == wanted), None)
        for one in piece.get("endpoints") or ():
            if number and (one.get("conditions") or {}).get("ready", True) and one.get("addresses"):
                address = one["addresses"][0]
                return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"
    raise errors.ServiceUnavailable(f'no endpoints available for service "{name}"')


def _port_name(service: Object, port: str, name: str) -> str:
    """The name of the Service's port that is meant."""
    ports = service["spec"].get("ports") or []
    for one in ports:
        if port in (one.get("name", ""), str(one["port"])) or (not port and len(ports) == 1):
            return str(one.get("name", ""))
    if not port:
        return ""
    raise errors.ServiceUnavailable(f'no service port "{port}" found for service "{name}"')
