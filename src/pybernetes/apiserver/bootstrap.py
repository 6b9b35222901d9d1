"""The first objects of a cluster, made by post-start hooks that /readyz names.

Upstream: pkg/controlplane/controller/{systemnamespaces,kubernetesservice,defaultservicecidr},
pkg/registry/{rbac,scheduling}/rest.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pybernetes.api import kinds
from pybernetes.apimachinery import errors, meta
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import default_roles
from pybernetes.apiserver.registry import operation, stores

Object = dict[str, Any]
Hook = tuple[str, Callable[[], Awaitable[None]]]

NAMESPACES = (
    meta.NAMESPACE_SYSTEM,
    meta.NAMESPACE_PUBLIC,
    meta.NAMESPACE_NODE_LEASE,
    meta.NAMESPACE_DEFAULT,
)
USER = users.UserInfo("system:apiserver", (users.SYSTEM_MASTERS, users.AUTHENTICATED))
CRITICAL = (
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
)


class Config(Protocol):
    """What of a server's configuration shows up in objects."""

    @property
    def advertise_address(self) -> str:
        """The address of the `kubernetes` endpoint."""

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def service_range(self) -> str:
        """Where Services get their addresses."""


class Server(Protocol):
    """What bootstrapping needs of a server."""

    served: kinds.KindTable
    stores: stores.Stores

    @property
    def config(self) -> Config:
        """The server's configuration."""


def hooks(server: Server) -> tuple[Hook, ...]:
    """The hooks in the order in which they run."""
    maker = Maker(server)
    return (
        ("start-system-namespaces-controller", maker.namespaces),
        ("rbac/bootstrap-roles", maker.roles),
        ("scheduling/bootstrap-system-priority-classes", maker.priority_classes),
        ("start-kubernetes-service-cidr-controller", maker.service_range),
        ("bootstrap-controller", maker.kubernetes_service),
    )


class Maker:
    """Makes what is missing; what is there stays as it is unless it is ours to keep right."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def _create(self, obj: Object) -> None:
        """Create an object as the server itself, with all that any creation passes; nothing if it exists."""
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = self._server.served.by_gvk(group, version, obj["kind"])
        assert kind is not None
        facts = obj["metadata"]
        op = operation.Operation(kind, USER, facts.get("namespace", ""), facts["name"], manager="kube-apiserver")
        store = self._server.stores.of(kind)
        if await store.find(op.namespace, op.name) is not None:
            return
        store.environment.rules.default(kind, obj)
        try:
            await store.create(op, obj)
        except errors.AlreadyExists:
            return

    async def namespaces(self) -> None:
        """The namespaces that always exist."""
        for name in NAMESPACES:
            await self._create(meta.new_object("v1", "Namespace", name))

    async def roles(self) -> None:
        """Upstream's default roles and bindings."""
        for obj in default_roles.objects():
            await self._create(obj)

    async def priority_classes(self) -> None:
        """The two classes of the system itself."""
        for name, value, text in CRITICAL:
            obj = meta.new_object("scheduling.k8s.io/v1", "PriorityClass", name)
            await self._create({**obj, "value": value, "description": text})

    async def service_range(self) -> None:
        """The ServiceCIDR `kubernetes`."""
        obj = meta.new_object("networking.k8s.io/v1", "ServiceCIDR", "kubernetes")
        await self._create({**obj, "spec": {"cidrs": [self._server.config.service_range]}})

    async def kubernetes_service(self) -> None:
        """The Service `kubernetes` and its endpoints: this server."""
        config = self._server.config
        first = str(ipaddress.ip_network(config.service_range)[1])
        labels = {"component": "apiserver", "provider": "kubernetes"}
        service = meta.new_object("v1", "Service", "kubernetes", meta.NAMESPACE_DEFAULT)
        service["metadata"]["labels"] = labels
        service["spec"] = {
            "clusterIP": first,
            "clusterIPs": [first],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": config.port}],
            "type": "ClusterIP",
            "sessionAffinity": "None",
        }
        await self._create(service)
        endpoints = meta.new_object("v1", "Endpoints", "kubernetes", meta.NAMESPACE_DEFAULT)
        endpoints["metadata"]["labels"] = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        address, port = config.advertise_address, {"name": "https", "port": config.port, "protocol": "TCP"}
        await self._create({**endpoints, "subsets": [{"addresses": [{"ip": address}], "ports": [port]}]})
        family = "IPv6" if ":" in address else "IPv4"
        piece = meta.new_object("discovery.k8s.io/v1", "EndpointSlice", "kubernetes", meta.NAMESPACE_DEFAULT)
        piece["metadata"]["labels"] = {"kubernetes.io/service-name": "kubernetes"}
        ready = {"addresses": [address], "conditions": {"ready": True}}
        await self._create({**piece, "addressType": family, "endpoints": [ready], "ports": [port]})
