"""Keeps the zone in step with the cluster: watches Services, EndpointSlices and Namespaces.

Path: 17 Service traffic finds the Pod.
Upstream: CoreDNS plugin/kubernetes (controller.go).
"""

import asyncio
import dataclasses

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core, discovery
from pybernetes.client import informer, rest
from pybernetes.dns import answers, forward, server
from pybernetes.telemetry import traces

SERVICE_LABEL = "kubernetes.io/service-name"
BY_SERVICE = "service"


@dataclasses.dataclass(frozen=True, slots=True)
class DnsConfig:
    """Where to listen, what to answer for, whom to ask about the rest (none: refuse)."""

    address: str
    port: int = 53
    domain: str = "cluster.local"
    servers: tuple[str, ...] = ()


class ClusterDns:
    """Cluster DNS as a component."""

    def __init__(self, client: rest.Client, clock: clocks.Clock, config: DnsConfig) -> None:
        self._client = client
        self._clock = clock
        self._config = config
        self.zone = answers.Zone(config.domain)
        self.port = 0
        self.ready = asyncio.Event()
        """Set when the zone is complete and the server listens."""

    async def run(self) -> None:
        """Serve until cancelled."""
        traces.acting_as.set("cluster-dns")
        async with tasks.TaskGroup("cluster-dns") as group:
            informers = informer.InformerFactory(self._client, self._clock, group)
            follower = _Follower(self.zone, informers)
            await informers.start()
            await informers.wait_for_sync()
            follower.rebuild()
            servers = tuple((one, forward.PORT) for one in self._config.servers)
            resolver = server.Resolver(self.zone, forward.Forwarder(servers, self._clock))
            listening = server.Server(resolver, group)
            try:
                self.port = await listening.start(self._config.address, self._config.port)
                self.ready.set()
                await group.wait()
            finally:
                await listening.stop()


class _Follower:
    """Turns changes of watched objects into changes of the zone."""

    def __init__(self, zone: answers.Zone, informers: informer.InformerFactory) -> None:
        self._zone = zone
        self._services = informers.informer(core.Service)
        self._slices = informers.informer(discovery.EndpointSlice)
        self._namespaces = informers.informer(core.Namespace)
        self._slices.add_index(BY_SERVICE, _service_key)
        self._services.add_handler(self._service, lambda old, new: self._service(new), self._service_gone)
        self._slices.add_handler(self._slice, self._slice_changed, lambda obj: self._slice(informer.last_known(obj)))
        self._namespaces.add_handler(self._namespace, None, self._namespace)

    def rebuild(self) -> None:
        """Once every cache is complete: what came in an order that left gaps is made whole."""
        for service in self._services.list():
            self._service(service)

    def _namespace(self, _: object) -> None:
        self._zone.set_namespaces(one.metadata.name for one in self._namespaces.list())

    def _service_gone(self, obj: informer.Deleted[core.Service]) -> None:
        service = informer.last_known(obj)
        self._zone.remove(service.metadata.namespace, service.metadata.name)

    def _slice_changed(self, old: discovery.EndpointSlice, new: discovery.EndpointSlice) -> None:
        self._slice(old)
        self._slice(new)

    def _slice(self, one: discovery.EndpointSlice) -> None:
        service = self._services.get(one.metadata.namespace, one.metadata.labels.get(SERVICE_LABEL, ""))
        if service is not None:
            self._service(service)

    def _service(self, service: core.Service) -> None:
        slices = self._slices.by_index(BY_SERVICE, f"{service.metadata.namespace}/{service.metadata.name}")
        self._zone.put(describe(service, slices))


def _service_key(one: discovery.EndpointSlice) -> list[str]:
    name = one.metadata.labels.get(SERVICE_LABEL)
    return [f"{one.metadata.namespace}/{name}"] if name else []


def describe(service: core.Service, slices: list[discovery.EndpointSlice]) -> answers.Service:
    """What DNS must know of a Service. Pure."""
    spec = service.spec
    addresses = tuple(one for one in spec.clusterIPs or (spec.clusterIP,) if one and one != "None")
    external = spec.externalName.rstrip(".") if spec.type == "ExternalName" else ""
    endpoints: list[answers.Endpoint] = []
    if not external:
        for one in slices:
            ports = tuple(answers.Port(port.name or "", port.protocol or "TCP", port.port or 0) for port in one.ports)
            for endpoint in one.endpoints:
                if endpoint.conditions.ready is not False or spec.publishNotReadyAddresses:
                    endpoints += [
                        answers.Endpoint(address, endpoint.hostname or "", ports) for address in endpoint.addresses
                    ]
    return answers.Service(
        service.metadata.namespace,
        service.metadata.name,
        addresses,
        tuple(answers.Port(port.name, port.protocol or "TCP", port.port) for port in spec.ports),
        external,
        tuple(endpoints),
    )
