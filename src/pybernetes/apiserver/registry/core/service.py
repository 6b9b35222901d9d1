"""Services: cluster IPs and node ports are given out and taken back; status apart.

Upstream: pkg/registry/core/service/storage (alloc.go), strategy.go.
"""

import ipaddress

from pybernetes.apimachinery import errors, fieldpath, names
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.allocators import ranges, services
from pybernetes.apiserver.registry.strategy import Object

SPEC = fieldpath.Path("spec")
ADDRESSED = ("ClusterIP", "NodePort", "LoadBalancer")
WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
NONE = "None"


class ServiceStrategy(strategy.Strategy):
    """`allocators` is set by the server once it knows its service range."""

    generation = False
    allow_create_on_update = True
    returns_deleted = True
    name_check = staticmethod(names.is_dns1035_label)
    allocators: services.ServiceAllocators

    def __init__(self, service_range: str) -> None:
        self.allocators = services.ServiceAllocators(service_range)

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """No load balancer has seen it yet."""
        new["status"] = {"loadBalancer": {}}
        _drop_fields_of_other_types(new["spec"])

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """What a client left out of addresses it did not mean to give up."""
        if context.subresource == "status":
            new["spec"] = old["spec"]
            return
        new["status"] = old.get("status", {"loadBalancer": {}})
        spec, before = new["spec"], old["spec"]
        if spec.get("type") in ADDRESSED and before.get("type") in ADDRESSED:
            _keep_addresses(spec, before)
            if spec["type"] in WITH_NODE_PORTS and before["type"] in WITH_NODE_PORTS:
                _keep_node_ports(spec, before)
        _drop_fields_of_other_types(spec, before)

    async def begin_create(self, context: strategy.Context, new: Object) -> None:
        """Give it addresses and ports."""
        await self.allocators.learn(context.objects)
        await self._allocate(context, new, None)

    async def begin_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """Give it what it lacks now; what it no longer has is given back once the change is stored."""
        if context.subresource:
            return
        await self.allocators.learn(context.objects)
        await self._allocate(context, new, old)

    async def _allocate(self, context: strategy.Context, new: Object, old: Object | None) -> None:
        spec = new["spec"]
        if spec.get("type") == "ExternalName":
            return
        _families(spec)
        held = set(services.addresses_of(old)) if old is not None else set()
        if not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
        if not spec["clusterIPs"] or spec["clusterIPs"] == [""]:
            spec["clusterIPs"] = [self._next_address(context, new)]
        elif spec["clusterIPs"][0] != NONE:
            for address in spec["clusterIPs"]:
                if address not in held and _is_address(address):
                    self._take_address(context, new, address)
        spec["clusterIP"] = spec["clusterIPs"][0]
        if spec.get("type") in WITH_NODE_PORTS and spec.get("allocateLoadBalancerNodePorts", True):
            self._node_ports(context, new, services.node_ports_of(old) if old is not None else set())

    def _next_address(self, context: strategy.Context, new: Object) -> str:
        try:
            address = self.allocators.next_address()
        except ranges.Full:
            raise errors.InternalError("failed to allocate a serviceIP: range is full") from None
        self._undo_address(context, address)
        return address

    def _take_address(self, context: strategy.Context, new: Object, address: str) -> None:
        try:
            self.allocators.take_address(address)
        except ranges.OutOfRange:
            raise _refuse(new, address, "the provided network does not match the current range") from None
        except ranges.Taken:
            raise _refuse(new, address, "provided IP is already allocated") from None
        self._undo_address(context, address)

    def _undo_address(self, context: strategy.Context, address: str) -> None:
        context.rollbacks.append(lambda: self.allocators.release_address(address))

    def _node_ports(self, context: strategy.Context, new: Object, held: set[tuple[str, int]]) -> None:
        taken: dict[int, set[str]] = {}
        for index, port in enumerate(new["spec"].get("ports") or ()):
            protocol = port.get("protocol", "TCP")
            numbers = self.allocators.ports(protocol)
            wanted = port.get("nodePort")
            path = SPEC.child("ports").index(index).child("nodePort")
            try:
                if not wanted:
                    # ports of one number under two protocols (DNS) share their node port
                    port["nodePort"] = self._shared_or_next(new, port, taken, numbers)
                elif (protocol, wanted) not in held and protocol not in taken.get(wanted, set()):
                    numbers.take(wanted)
                else:
                    taken.setdefault(wanted, set()).add(protocol)
                    continue
            except ranges.OutOfRange:
                low, high = services.NODE_PORTS
                detail = f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
                raise _invalid(new, fieldpath.invalid(path, wanted, detail)) from None
            except ranges.Taken:
                detail = "provided port is already allocated"
                raise _invalid(new, fieldpath.invalid(path, wanted, detail)) from None
            except ranges.Full:
                raise errors.InternalError("failed to allocate a nodePort: range is full") from None
            number: int = port["nodePort"]
            taken.setdefault(number, set()).add(protocol)
            context.rollbacks.append(lambda numbers=numbers, number=number: numbers.release(number))  # type: ignore[misc]

    @staticmethod
    def _shared_or_next(new: Object, port: Object, taken: dict[int, set[str]], numbers: ranges.Range) -> int:
        protocol = port.get("protocol", "TCP")
        for other in new["spec"]["ports"]:
            number = other.get("nodePort")
            same = other is not port and other.get("port") == port.get("port")
            if same and number and protocol not in taken.get(number, set()) and not numbers.is_used(number):
                numbers.take(number)
                return int(number)
        return numbers.next()

    def after_update(self, old: Object, new: Object) -> None:
        """Give back what the Service has no longer."""
        kept = set(services.addresses_of(new))
        for address in services.addresses_of(old):
            if address not in kept:
                self.allocators.release_address(address)
        for protocol, port in services.node_ports_of(old) - services.node_ports_of(new):
            self.allocators.ports(protocol).release(port)

    async def after_delete(self, context: strategy.Context, old: Object) -> None:
        """Give everything back."""
        self.allocators.release(old)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _families(spec: Object) -> None:
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def _keep_addresses(spec: Object, before: Object) -> None:
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if not spec.get(field) and before.get(field):
            spec[field] = before[field]


def _keep_node_ports(spec: Object, before: Object) -> None:
    known = {(port.get("protocol"), port["port"]): port.get("nodePort") for port in before.get("ports") or ()}
    used = {port.get("nodePort") for port in spec.get("ports") or ()}
    for port in spec.get("ports") or ():
        number = known.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and number and number not in used:
            port["nodePort"] = number


def _drop_fields_of_other_types(spec: Object, before: Object | None = None) -> None:
    """A change of type drops the fields that the old type had and the new one may not have, if left as they were."""
    kind = spec.get("type")
    was = before or {}
    if kind == "ExternalName" and before is not None:
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field) == was.get(field):
                spec.pop(field, None)
    if kind not in WITH_NODE_PORTS and was.get("type") in WITH_NODE_PORTS:
        known = {port.get("nodePort") for port in was.get("ports") or ()}
        for port in spec.get("ports") or ():
            if port.get("nodePort") in known:
                port.pop("nodePort", None)
        if spec.get("externalTrafficPolicy") == was.get("externalTrafficPolicy") and not spec.get("externalIPs"):
            spec.pop("externalTrafficPolicy", None)
    if kind != "LoadBalancer" and was.get("type") == "LoadBalancer":
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"):
            if spec.get(field) == was.get(field):
                spec.pop(field, None)


def _refuse(new: Object, address: str, why: str) -> errors.StatusError:
    detail = f"failed to allocate IP {address}: {why}"
    return _invalid(new, fieldpath.invalid(SPEC.child("clusterIPs"), new["spec"]["clusterIPs"], detail))


def _invalid(new: Object, problem: fieldpath.FieldError) -> errors.StatusError:
    return errors.Invalid("Service", new["metadata"].get("name", ""), [problem])
