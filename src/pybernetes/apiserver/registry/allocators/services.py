"""Cluster IPs and node ports of Services, shared by every API server on the store.

A cluster IP is claimed by making its IPAddress: only one can. Node ports are bits of one record, changed by
compare-and-set. What a crash leaves behind, or an older version did not record, `repair` puts right.
Upstream: pkg/registry/core/service/{ipallocator,portallocator,allocator/storage} and their repair controllers.
"""

import asyncio
import base64
import datetime
import functools
import ipaddress
import logging
import random
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from pybernetes.apimachinery import errors, meta, timestamps
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.registry import operation, store, strategy
from pybernetes.apiserver.registry.allocators import ranges
from pybernetes.storage import backend as backends

Object = dict[str, Any]

NODE_PORTS = (30000, 32767)
NODE_PORT_RESERVED = ranges.reserved_part(NODE_PORTS[1] - NODE_PORTS[0] + 1, step=32, maximum=128)
FAMILY = "ipaddress.kubernetes.io/ip-family"
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
MANAGER = "ipallocator.k8s.io"
GRACE = datetime.timedelta(seconds=60)
"""An IPAddress without its Service may belong to one that is being created, for so long."""

logger = logging.getLogger(__name__)


class Stores(strategy.Objects, Protocol):
    """What is needed of the server's stores."""

    def by_resource(self, group: str, plural: str) -> store.Store | None:
        """The store of a resource."""


class ServiceAllocators:
    """One per server, for its service range (a CIDR); `connect` before use."""

    def __init__(self, service_range: str, rng: random.Random) -> None:
        self.network = ipaddress.ip_network(service_range)
        self._rng = rng
        self._first = int(self.network.network_address) + 1
        self._last = int(self.network.broadcast_address) - 1
        self._reserved = ranges.reserved_part(self._last - self._first + 1)
        self._repaired = False
        self._lock = asyncio.Lock()
        self._leaked = 0

    def connect(self, stores: Stores) -> None:
        """Say where Services and IPAddresses are."""
        self._stores = stores
        addresses = stores.by_resource("networking.k8s.io", "ipaddresses")
        assert addresses is not None
        self._addresses = addresses

    async def ready(self) -> None:
        """Before the first allocation: record what stored Services hold already."""
        async with self._lock:
            if not self._repaired:
                await self.repair()
                self._repaired = True

    # -- cluster IPs -------------------------------------------------------------------------------------------------

    async def take_address(self, context: strategy.Context, service: Object, wanted: str = "") -> str:
        """Claim that cluster IP, or any. Raises ranges.OutOfRange, ranges.Taken, ranges.Full."""
        if wanted:
            if not self._first <= int(ipaddress.ip_address(wanted)) <= self._last:
                raise ranges.OutOfRange
            if await self._addresses.find("", wanted) is not None or not await self._claim(context, service, wanted):
                raise ranges.Taken
            return wanted
        cache = await self._addresses.ready()
        for number in ranges.candidates(self._first, self._last, self._reserved, self._rng):
            address = str(ipaddress.ip_address(number))
            if cache.get(self._addresses.key("", address)) is None and await self._claim(context, service, address):
                return address
        raise ranges.Full

    async def _claim(self, context: strategy.Context, service: Object, address: str) -> bool:
        if context.dry_run:
            return True
        whose = _identity(service)
        if not await self._record(address, whose):
            return False
        context.rollbacks.append(functools.partial(self.release_address, address, whose))
        return True

    async def _record(self, address: str, whose: tuple[str, str]) -> bool:
        """Make the IPAddress; False if somebody else has."""
        obj = meta.new_object("networking.k8s.io/v1", "IPAddress", address)
        obj["metadata"]["labels"] = {FAMILY: f"IPv{ipaddress.ip_address(address).version}", MANAGED_BY: MANAGER}
        obj["spec"] = {"parentRef": {"resource": "services", "namespace": whose[0], "name": whose[1]}}
        op = operation.Operation(self._addresses.kind, users.SERVER, name=address, manager="kube-apiserver")
        try:
            await self._addresses.create(op, obj)
        except errors.AlreadyExists:
            return False
        return True

    async def release_address(self, address: str, whose: tuple[str, str]) -> None:
        """Give a cluster IP back, if that Service has it."""
        found = await self._addresses.find("", address)
        if found is not None and _parent(found.object()) == whose:
            try:
                await self._addresses.environment.backend.delete(found.key, expected=found.revision)
            except backends.StorageError as failure:
                logger.warning("cluster IP %s stays taken until the next repair: %s", address, failure)

    # -- node ports --------------------------------------------------------------------------------------------------

    async def take_port(self, context: strategy.Context, wanted: int = 0) -> int:
        """Claim that node port, or any. Raises ranges.OutOfRange, ranges.Taken, ranges.Full."""
        first, last = NODE_PORTS
        if wanted and not first <= wanted <= last:
            raise ranges.OutOfRange
        taken = wanted

        def take(bits: int) -> int:
            nonlocal taken
            if not wanted:
                free = (n for n in ranges.candidates(first, last, NODE_PORT_RESERVED, self._rng) if not bits & _bit(n))
                taken = next(free, 0)
                if not taken:
                    raise ranges.Full
            elif bits & _bit(wanted):
                raise ranges.Taken
            return bits | _bit(taken)

        if context.dry_run:
            take(_bits(await self._addresses.environment.backend.get(self._ports_key)))
            return taken
        await self._change_ports(take)
        context.rollbacks.append(functools.partial(self.release_ports, {taken}))
        return taken

    async def release_ports(self, ports: set[int]) -> None:
        """Give node ports back."""
        try:
            await self._change_ports(lambda bits: bits & ~_mask(ports))
        except backends.StorageError as failure:
            logger.warning("node ports %s stay taken until the next repair: %s", sorted(ports), failure)

    @property
    def _ports_key(self) -> str:
        return f"{self._addresses.environment.prefix}/ranges/servicenodeports"

    async def _change_ports(self, change: Callable[[int], int]) -> None:
        backend, key = self._addresses.environment.backend, self._ports_key
        record = await backend.get(key)
        while (new := change(_bits(record))) != _bits(record):
            data = base64.b64encode(new.to_bytes((new.bit_length() + 7) // 8, "big")).decode()
            obj = {"kind": "RangeAllocation", "apiVersion": "v1", "metadata": {}, "data": data}
            value = msgspec.json.encode({**obj, "range": f"{NODE_PORTS[0]}-{NODE_PORTS[1]}"})
            try:
                if record is None:
                    await backend.create(key, value)
                else:
                    await backend.update(key, value, expected=record.mod_revision)
                return
            except backends.KeyExists:
                record = await backend.get(key)
            except backends.CompareFailed as conflict:
                record = conflict.current

    # -- both --------------------------------------------------------------------------------------------------------

    async def release(self, service: Object) -> None:
        """This Service is gone, or has become one without addresses."""
        for address in addresses_of(service):
            await self.release_address(address, _identity(service))
        if ports := node_ports_of(service):
            await self.release_ports(ports)

    async def repair(self) -> None:
        """Record what Services hold and nothing recorded; free what was recorded for Services that are not there.

        Node ports are freed the second time that nobody is found to have them.
        """
        services = await self._stores.list("", "services")
        holders = {address: _identity(service) for service in services for address in addresses_of(service)}
        for address, whose in holders.items():
            if int(ipaddress.ip_address(address)) in range(self._first, self._last + 1):
                if await self._addresses.find("", address) is None:
                    await self._record(address, whose)
        now = self._addresses.environment.clock.now()
        for obj in await self._stores.list("networking.k8s.io", "ipaddresses"):
            facts = obj["metadata"]
            ours = (facts.get("labels") or {}).get(MANAGED_BY) == MANAGER
            young = now - timestamps.parse(facts["creationTimestamp"]) < GRACE
            if ours and not young and holders.get(facts["name"]) != _parent(obj):
                await self.release_address(facts["name"], _parent(obj))
        held = _mask({port for service in services for port in node_ports_of(service)})

        def mend(bits: int) -> int:
            leaked = bits & ~held
            freed, self._leaked = leaked & self._leaked, leaked
            return (bits | held) & ~freed

        await self._change_ports(mend)


def _bit(port: int) -> int:
    return 1 << (port - NODE_PORTS[0])


def _mask(ports: set[int]) -> int:
    return sum(_bit(port) for port in ports if NODE_PORTS[0] <= port <= NODE_PORTS[1])


def _bits(record: backends.Record | None) -> int:
    data = "" if record is None else msgspec.json.decode(record.value).get("data") or ""
    return int.from_bytes(base64.b64decode(data), "big")


def _identity(service: Object) -> tuple[str, str]:
    return service["metadata"].get("namespace", ""), service["metadata"]["name"]


def _parent(address: Object) -> tuple[str, str]:
    parent = (address.get("spec") or {}).get("parentRef") or {}
    return parent.get("namespace", ""), parent.get("name", "")


def addresses_of(service: Object) -> list[str]:
    """The cluster IPs that a Service holds."""
    spec = service.get("spec") or {}
    found = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return [address for address in found if address and address != "None"]


def node_ports_of(service: Object) -> set[int]:
    """The node ports that a Service holds, the one for health checks among them."""
    spec = service.get("spec") or {}
    ports = {int(port["nodePort"]) for port in spec.get("ports") or () if port.get("nodePort")}
    return ports | ({int(spec["healthCheckNodePort"])} if spec.get("healthCheckNodePort") else set())
