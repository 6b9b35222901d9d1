"""The first objects of a cluster, made by post-start hooks that /readyz names.

Upstream: pkg/controlplane/controller/{systemnamespaces,kubernetesservice,defaultservicecidr},
pkg/registry/{rbac,scheduling}/rest.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api import kinds
from pybernetes.apimachinery import errors, meta, timestamps
from pybernetes.apimachinery.patch import values
from pybernetes.apiserver import peers
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import default_roles
from pybernetes.apiserver.registry import operation, stores
from pybernetes.apiserver.registry import store as object_stores
from pybernetes.apiserver.registry.allocators import services
from pybernetes.storage import backend as backends
from pybernetes.telemetry import logs

logger = logs.get("apiserver")

Object = dict[str, Any]
Mend = Callable[[Object, Object], bool]
Hook = tuple[str, Callable[[], Awaitable[None]]]

AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
NAMESPACES = (
    meta.NAMESPACE_SYSTEM,
    meta.NAMESPACE_PUBLIC,
    meta.NAMESPACE_NODE_LEASE,
    meta.NAMESPACE_DEFAULT,
)
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

    clock: clocks.Clock
    served: kinds.KindTable
    stores: stores.Stores
    backend: backends.Backend
    peers: peers.Peers
    allocators: services.ServiceAllocators

    @property
    def config(self) -> Config:
        """The server's configuration."""


PRIORITIES = {
    "": (18000, 1),
    "admissionregistration.k8s.io": (16700, 15),
    "apiextensions.k8s.io": (16700, 15),
    "apps": (17800, 15),
    "authentication.k8s.io": (17700, 15),
    "authorization.k8s.io": (17600, 15),
    "autoscaling": (17500, 15),
    "batch": (17400, 15),
    "certificates.k8s.io": (17300, 15),
    "coordination.k8s.io": (16500, 15),
    "discovery.k8s.io": (16200, 15),
    "events.k8s.io": (17750, 15),
    "flowcontrol.apiserver.k8s.io": (16100, 21),
    "networking.k8s.io": (17200, 15),
    "node.k8s.io": (16300, 15),
    "policy": (17100, 15),
    "rbac.authorization.k8s.io": (17000, 15),
    "resource.k8s.io": (16200, 21),
    "scheduling.k8s.io": (16600, 15),
    "storage.k8s.io": (16800, 15),
    "storagemigration.k8s.io": (15800, 15),
}
"""Group → groupPriorityMinimum and versionPriority of its APIService."""

KEEP_SECONDS = 60.0
REPAIR_SECONDS = 180.0


def hooks(server: Server) -> tuple[Hook, ...]:
    """The hooks in the order in which they run."""
    maker = Maker(server)
    return (
        ("start-system-namespaces-controller", maker.namespaces),
        ("rbac/bootstrap-roles", maker.roles),
        ("scheduling/bootstrap-system-priority-classes", maker.priority_classes),
        ("start-kubernetes-service-cidr-controller", maker.service_range),
        ("bootstrap-controller", maker.kubernetes_service),
        ("kube-apiserver-autoregistration", maker.api_services),
    )


async def keep(server: Server, clock: clocks.Clock, started: "asyncio.Task[None]") -> None:
    """Once the hooks are done: make again what somebody deletes though the cluster cannot be without it.

    With a store that other servers share, tell them that this one is there, and look after what crashes leave behind.
    """
    await asyncio.wait([started])
    maker, shared = Maker(server), not server.backend.exclusive
    kept = repaired = clock.monotonic()
    while True:
        await clock.sleep(peers.RENEW_SECONDS if shared else KEEP_SECONDS, upkeep="kubernetes service")
        now = clock.monotonic()
        try:
            if now - kept >= KEEP_SECONDS:
                kept = now
                await maker.namespaces()
            await maker.kubernetes_service()
            if shared and now - repaired >= REPAIR_SECONDS:
                repaired = now
                await server.allocators.repair()
        except (backends.StorageError, errors.StatusError) as failure:
            # A store that does not answer for a while must not end the server.
            logger.warning("kubernetes service: %s", failure)


async def leave(server: Server) -> None:
    """This server stops: the others must not send anybody here."""
    if not server.backend.exclusive:
        try:
            await server.peers.leave()
            await Maker(server).endpoints(await server.peers.alive())
        except (backends.StorageError, errors.StatusError) as failure:
            logger.warning("kubernetes service: %s", failure)


class Maker:
    """Makes what is missing, and keeps right what is ours; the rest of what is there stays as it is."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def _target(self, obj: Object) -> tuple[operation.Operation, object_stores.Store]:
        """How and where the server itself writes that object, which gets its defaults."""
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = self._server.served.by_gvk(group, version, obj["kind"])
        assert kind is not None
        facts = obj["metadata"]
        op = operation.Operation(
            kind, users.SERVER, facts.get("namespace", ""), facts["name"], manager="kube-apiserver"
        )
        store = self._server.stores.of(kind)
        store.environment.rules.default(kind, obj)
        return op, store

    async def _holds(self, obj: Object, mend: Mend) -> bool:
        """Whether there is nothing to create or to mend."""
        op, store = self._target(obj)
        found = await store.find(op.namespace, op.name)
        return found is not None and not mend(found.object(), obj)

    async def _ensure(self, obj: Object, mend: Mend | None = None) -> None:
        """Create an object with all that any creation passes.

        If it exists, `mend(existing, wanted)` may change it; it says whether it did.
        """
        op, store = self._target(obj)
        found = await store.find(op.namespace, op.name)
        if found is None:
            try:
                await store.create(op, values.copy(obj))
            except errors.AlreadyExists:
                return
        elif mend is not None and mend(found.object(), obj):
            await store.rewrite(op, lambda existing: _apply(mend, existing, obj))

    async def namespaces(self) -> None:
        """The namespaces that always exist."""
        for name in NAMESPACES:
            await self._ensure(meta.new_object("v1", "Namespace", name))

    async def roles(self) -> None:
        """Upstream's default roles and bindings; those to be written side by side, to share the store's commits."""
        due = [obj for obj in default_roles.objects() if not await self._holds(obj, _mend_role)]
        await tasks.gather(*(self._ensure(obj, _mend_role) for obj in due), name="roles")

    async def priority_classes(self) -> None:
        """The two classes of the system itself."""
        for name, value, text in CRITICAL:
            obj = meta.new_object("scheduling.k8s.io/v1", "PriorityClass", name)
            await self._ensure({**obj, "value": value, "description": text})

    async def service_range(self) -> None:
        """The ServiceCIDR `kubernetes`."""
        obj = meta.new_object("networking.k8s.io/v1", "ServiceCIDR", "kubernetes")
        await self._ensure({**obj, "spec": {"cidrs": [self._server.config.service_range]}})

    async def api_services(self) -> None:
        """An APIService for each group and version that this server serves itself."""
        now = timestamps.format_time(self._server.clock.now())
        condition = {
            "type": "Available",
            "status": "True",
            "lastTransitionTime": now,
            "reason": "Local",
            "message": "Local APIServices are always available",
        }
        for group, versions in self._server.served.groups().items():
            if group not in PRIORITIES:
                continue
            least, priority = PRIORITIES[group]
            for version in versions:
                obj = meta.new_object("apiregistration.k8s.io/v1", "APIService", f"{version}.{group}")
                obj["metadata"]["labels"] = {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
                obj["spec"] = {"version": version, "groupPriorityMinimum": least, "versionPriority": priority}
                if group:
                    obj["spec"]["group"] = group
                if version == "v2":
                    obj["spec"]["versionPriority"] = 30
                await self._ensure(obj)
                await self._ensure({**obj, "status": {"conditions": [condition]}}, _mend_available)

    async def kubernetes_service(self) -> None:
        """The Service `kubernetes` and its endpoints: this server, wherever it listens now, and those beside it."""
        config = self._server.config
        first = str(ipaddress.ip_network(config.service_range)[1])
        service = meta.new_object("v1", "Service", "kubernetes", meta.NAMESPACE_DEFAULT)
        service["metadata"]["labels"] = {"component": "apiserver", "provider": "kubernetes"}
        service["spec"] = {
            "clusterIP": first,
            "clusterIPs": [first],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": config.port}],
            "type": "ClusterIP",
            "sessionAffinity": "None",
        }
        await self._ensure(service, _mend_ports)
        if self._server.backend.exclusive:
            await self.endpoints([config.advertise_address])
            return
        await self._server.peers.renew()
        await self.endpoints(await self._server.peers.alive())

    async def endpoints(self, addresses: Sequence[str]) -> None:
        """Where the Service `kubernetes` leads to."""
        # No Pod could reach a server on loopback, and endpoints may not say so.
        addresses = [one for one in addresses if not ipaddress.ip_address(one).is_loopback]
        if not addresses:
            return
        config = self._server.config
        endpoints = meta.new_object("v1", "Endpoints", "kubernetes", meta.NAMESPACE_DEFAULT)
        endpoints["metadata"]["labels"] = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        port = {"name": "https", "port": config.port, "protocol": "TCP"}
        endpoints["subsets"] = [{"addresses": [{"ip": address} for address in addresses], "ports": [port]}]
        await self._ensure(endpoints, _mend_members)
        family = "IPv6" if ":" in addresses[0] else "IPv4"
        piece = meta.new_object("discovery.k8s.io/v1", "EndpointSlice", "kubernetes", meta.NAMESPACE_DEFAULT)
        piece["metadata"]["labels"] = {"kubernetes.io/service-name": "kubernetes"}
        ready = [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
        piece |= {"addressType": family, "endpoints": ready, "ports": [port]}
        await self._ensure(piece, _mend_members)


def _apply(mend: Mend, existing: Object, wanted: Object) -> None:
    mend(existing, wanted)


def _mend_members(existing: Object, wanted: Object) -> bool:
    """Everything but the identity is as we want it."""
    changed = {name: value for name, value in wanted.items() if name != "metadata" and existing.get(name) != value}
    existing.update(changed)
    return bool(changed)


def _mend_ports(existing: Object, wanted: Object) -> bool:
    ports = existing["spec"].get("ports") or [{}]
    target = wanted["spec"]["ports"][0]["targetPort"]
    if ports[0].get("targetPort") == target:
        return False
    existing["spec"]["ports"] = [{**ports[0], "targetPort": target}, *ports[1:]]
    return True


def _mend_available(existing: Object, wanted: Object) -> bool:
    if meta.condition_is(existing, "Available"):
        return False
    existing["status"] = wanted["status"]
    return True


def _mend_role(existing: Object, wanted: Object) -> bool:
    """A default role gets back what it lacks, unless its annotation says otherwise; what was added to it stays."""
    if meta.annotations(existing).get(AUTO_UPDATE) != "true" or "aggregationRule" in wanted:
        return False
    changed = False
    for member in ("rules", "subjects"):
        have = existing.get(member) or []
        missing = [one for one in wanted.get(member) or () if one not in have]
        if missing:
            existing[member] = [*have, *missing]
            changed = True
    return changed
