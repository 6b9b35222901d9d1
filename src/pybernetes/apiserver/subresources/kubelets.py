"""How the server reaches kubelets: where a node's kubelet listens, and requests with the server's own certificate.

Upstream: pkg/kubelet/client/kubelet_client.go.
"""

import ssl
from collections.abc import Callable
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import errors
from pybernetes.apiserver.registry import stores
from pybernetes.http import client as http_client
from pybernetes.http import tls as transport_security

Object = dict[str, Any]

PREFERRED = ("InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS")
DEFAULT_PORT = 10250


class Kubelets:
    """Finds kubelets and keeps connections to them (and to what is proxied behind them).

    Where all nodes are `simulated` the addresses of nodes and Pods are nobody's: no connection is tried.
    """

    def __init__(
        self,
        objects: stores.Stores,
        clock: clocks.Clock,
        tls: Callable[[], ssl.SSLContext] | ssl.SSLContext | None = None,
        *,
        simulated: bool = False,
    ) -> None:
        self._objects = objects
        nowhere = http_client.NOWHERE if simulated else None
        self.client = http_client.HttpClient(tls, clock=clock, unix_path=nowhere)
        self.applications = http_client.HttpClient(
            lambda: transport_security.client_context(insecure=True), clock=clock, unix_path=nowhere
        )
        """For what runs in Pods: its certificates are its own affair, and it is not shown ours."""

    async def url(self, node_name: str) -> str:
        """`https://ADDRESS:PORT` of a node's kubelet. Raises NotFound, or a StatusError for a node without address."""
        node = await self._objects.get("", "nodes", "", node_name)
        if node is None:
            raise errors.NotFound("nodes", node_name)
        status = node.get("status") or {}
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or DEFAULT_PORT
        return f"https://{_bracketed(address(status))}:{port}"

    async def close(self) -> None:
        """Drop all connections."""
        await self.client.close()
        await self.applications.close()


def address(status: Object) -> str:
    """The address at which a node is reached."""
    known = status.get("addresses") or []
    for kind in PREFERRED:
        for one in known:
            if one.get("type") == kind and one.get("address"):
                return str(one["address"])
    listed = " ".join(f"{{{one.get('type', '')} {one.get('address', '')}}}" for one in known)
    raise errors.StatusError(f"no preferred addresses found; known addresses: [{listed}]", reason="")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
