"""Services: cluster IPs and node ports are given out and taken back; status apart.

Upstream: pkg/registry/core/service/storage (alloc.go), strategy.go.
"""

import ipaddress

from pybernetes.apimachinery import errors, fieldpath, names
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.allocators import ranges, services
from pybernetes.apiserver.registry.strategy import Object

SPEC = fieldpath.Path("spec")
WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
NONE = "None"


class ServiceStrategy(strategy.Strategy):
    """Addresses and ports come from the allocators of the server."""

    generation = False
    allow_create_on_update = True
    returns_deleted = True
    name_check = staticmethod(names.is_dns1123_label)

    def __init__(self, allocators: services.ServiceAllocators) -> None:
        self.allocators = allocators
        self._family = f"IPv{self.allocators.network.version}"

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """No load balancer has seen it yet."""
        new["status"] = {"loadBalancer": {}}
        _normalise(new["spec"], None)

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """What a client left out of addresses it did not mean to give up."""
        if context.subresource == "status":
            new["spec"] = old["spec"]
            return
        new["status"] = old.get("status", {"loadBalancer": {}})
        spec, before = new["spec"], old["spec"]
        _keep_what_was_given(spec, before)
        _normalise(spec, before)
        _drop_fields_of_other_types(new, before)
        if "ipFamilyPolicy" not in spec and "ipFamilyPolicy" in before and _needs_address(spec):
            spec["ipFamilyPolicy"] = before["ipFamilyPolicy"]
        if not spec.get("ipFamilies") and before.get("ipFamilies") and _needs_address(spec):
            spec["ipFamilies"] = before["ipFamilies"]

    async def begin_create(self, context: strategy.Context, new: Object) -> None:
        """Give it addresses and ports."""
        await self._allocate(context, new, {})

    async def begin_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """Give it what it lacks now; what it no longer has is given back once the change is stored."""
        if not context.subresource:
            await self._allocate(context, new, old)

    async def _allocate(self, context: strategy.Context, new: Object, old: Object) -> None:
        await self.allocators.ready()
        spec = new["spec"]
        held = services.node_ports_of(old)
        if _needs_address(spec):
            self._families(new)
            await self._give_addresses(context, new, set(services.addresses_of(old)))
        if spec.get("type") in WITH_NODE_PORTS and spec.get("allocateLoadBalancerNodePorts", True):
            await self._node_ports(context, new, held)
        if _needs_health_check(spec):
            await self._health_check_port(context, new, held)

    async def _give_addresses(self, context: strategy.Context, new: Object, held: set[str]) -> None:
        spec = new["spec"]
        given = spec.get("clusterIPs") or []
        if not given or given == [""]:
            spec["clusterIPs"] = [await self._take_address(context, new, "")]
        elif given[0] != NONE:
            for address in given:
                if address not in held:
                    await self._take_address(context, new, address)
        spec["clusterIP"] = spec["clusterIPs"][0]

    async def _take_address(self, context: strategy.Context, new: Object, wanted: str) -> str:
        try:
            return await self.allocators.take_address(context, new, wanted)
        except ranges.Full:
            raise errors.InternalError("failed to allocate a serviceIP: range is full") from None
        except ranges.OutOfRange:
            raise _refuse(new, wanted, "the provided network does not match the current range") from None
        except ranges.Taken:
            raise _refuse(new, wanted, "provided IP is already allocated") from None

    def _families(self, new: Object) -> None:
        """Which families of addresses the Service has, on a cluster that has one. Raises Invalid."""
        spec = new["spec"]
        headless = spec.get("clusterIP") == NONE and not spec.get("selector")
        policy = spec.setdefault("ipFamilyPolicy", "RequireDualStack" if headless else "SingleStack")
        families, wrong = list(spec.get("ipFamilies") or ()), []
        path = SPEC.child("ipFamilyPolicy")
        if policy == "SingleStack":
            text = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
            if len(spec.get("clusterIPs") or ()) == 2:
                wrong.append(fieldpath.invalid(path, policy, text.format("cluster IPs")))
            if len(families) == 2:
                wrong.append(fieldpath.invalid(path, policy, text.format("IP families")))
        for index, address in enumerate(spec.get("clusterIPs") or ()):
            if address == NONE:
                break
            family = f"IPv{ipaddress.ip_address(address).version}"
            if index >= len(families) and family != self._family:
                place = SPEC.child("clusterIPs").index(index)
                detail = f"{family} is not configured on this cluster"
                wrong.append(fieldpath.invalid(place, spec["clusterIPs"], detail))
            elif index >= len(families):
                families.append(family)
        if not wrong and not headless:
            if policy == "RequireDualStack":
                text = "this cluster is not configured for dual-stack services"
                wrong.append(fieldpath.invalid(path, policy, text))
            wrong += (
                fieldpath.invalid(SPEC.child("ipFamilies").index(index), family, "not configured on this cluster")
                for index, family in enumerate(families)
                if family != self._family
            )
        if wrong:
            raise errors.Invalid("Service", new["metadata"].get("name", ""), wrong)
        families = families or [self._family]
        if headless and policy != "SingleStack" and len(families) == 1:
            # Nothing is given out: its endpoints may be of either family.
            families.append("IPv6" if families[0] == "IPv4" else "IPv4")
        spec["ipFamilies"] = families

    async def _health_check_port(self, context: strategy.Context, new: Object, held: set[int]) -> None:
        spec = new["spec"]
        wanted = spec.get("healthCheckNodePort") or 0
        if wanted in held:
            return
        try:
            spec["healthCheckNodePort"] = await self.allocators.take_port(context, wanted)
        except ranges.OutOfRange:
            low, high = services.NODE_PORTS
            raise errors.InternalError(
                f"failed to allocate requested HealthCheck NodePort {wanted}: "
                f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
            ) from None
        except ranges.Taken:
            raise errors.InternalError(
                f"failed to allocate requested HealthCheck NodePort {wanted}: provided port is already allocated"
            ) from None
        except ranges.Full:
            raise errors.InternalError("failed to allocate a HealthCheck NodePort: range is full") from None

    async def _node_ports(self, context: strategy.Context, new: Object, held: set[int]) -> None:
        taken: dict[int, set[str]] = {}
        for index, port in enumerate(new["spec"].get("ports") or ()):
            wanted = port.get("nodePort")
            path = SPEC.child("ports").index(index).child("nodePort")
            number = wanted or _shared(new, port, taken)
            try:
                if number not in held and number not in taken:
                    number = await self.allocators.take_port(context, number)
            except ranges.OutOfRange:
                low, high = services.NODE_PORTS
                detail = f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
                raise _invalid(new, fieldpath.invalid(path, wanted, detail)) from None
            except ranges.Taken:
                detail = "provided port is already allocated"
                raise _invalid(new, fieldpath.invalid(path, wanted, detail)) from None
            except ranges.Full:
                raise errors.InternalError("failed to allocate a nodePort: range is full") from None
            port["nodePort"] = number
            taken.setdefault(number, set()).add(port.get("protocol", "TCP"))

    async def after_update(self, old: Object, new: Object) -> None:
        """Give back what the Service has no longer."""
        kept = set(services.addresses_of(new))
        whose = new["metadata"]["namespace"], new["metadata"]["name"]
        for address in services.addresses_of(old):
            if address not in kept:
                await self.allocators.release_address(address, whose)
        if gone := services.node_ports_of(old) - services.node_ports_of(new):
            await self.allocators.release_ports(gone)

    async def after_delete(self, context: strategy.Context, old: Object) -> None:
        """Give everything back."""
        await self.allocators.release(old)


def _shared(new: Object, port: Object, taken: dict[int, set[str]]) -> int:
    """Ports of one number under two protocols (DNS) share their node port: that of the other one, 0 if it has none."""
    for other in new["spec"]["ports"]:
        number = other.get("nodePort")
        same = other is not port and other.get("port") == port.get("port")
        if same and number and port.get("protocol", "TCP") not in taken.get(number, set()):
            return int(number)
    return 0


def _needs_address(spec: Object) -> bool:
    return spec.get("type") != "ExternalName"


def _needs_health_check(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _is_outside(spec: Object) -> bool:
    kind = spec.get("type")
    return kind in WITH_NODE_PORTS or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def _same(spec: Object, before: Object, *fields: str) -> bool:
    return all((spec.get(field) or None) == (before.get(field) or None) for field in fields)


def _normalise(spec: Object, before: Object | None) -> None:
    """`clusterIP` and `clusterIPs` go together; whoever knows only the older one writes only that."""
    address, every = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if before is None:
        if address and not every:
            spec["clusterIPs"] = [address]
        return
    old, old_every = before.get("clusterIP") or "", before.get("clusterIPs") or []
    if old_every and not every and old == address:
        spec["clusterIPs"] = every = list(old_every)
    if old != address and every == old_every:
        if address:
            spec["clusterIPs"] = [address]
        else:
            spec.pop("clusterIPs", None)


def _keep_what_was_given(spec: Object, before: Object) -> None:
    """A whole object without allocated values, written over one that has them, keeps them."""
    if _needs_address(spec) and _needs_address(before):
        for field in ("clusterIP", "clusterIPs"):
            if not spec.get(field) and before.get(field):
                spec[field] = before[field]
    if spec.get("type") in WITH_NODE_PORTS and before.get("type") in WITH_NODE_PORTS:
        known = {port.get("name") or "": port.get("nodePort") for port in before.get("ports") or ()}
        used = {port.get("nodePort") for port in spec.get("ports") or ()} & set(known.values())
        for port in spec.get("ports") or ():
            number = known.get(port.get("name") or "")
            if not port.get("nodePort") and number and number not in used:
                port["nodePort"] = number
    if _needs_health_check(spec) and _needs_health_check(before) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before.get("healthCheckNodePort", 0)


def _drop_fields_of_other_types(new: Object, before: Object) -> None:
    """A change of type drops the fields that the old type had and the new one may not have, if left as they were."""
    spec = new["spec"]
    drop: list[str] = []
    if _needs_address(before) and not _needs_address(spec):
        if _same(spec, before, "clusterIP", "clusterIPs"):
            drop += ("clusterIP", "clusterIPs")
        fields = ("ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
        drop += (field for field in fields if _same(spec, before, field))
    if before.get("type") in WITH_NODE_PORTS and spec.get("type") not in WITH_NODE_PORTS:
        numbers = [{port.get("nodePort") for port in one.get("ports") or ()} for one in (spec, before)]
        for port in (spec.get("ports") or ()) if numbers[0] == numbers[1] else ():
            port.pop("nodePort", None)
    if _needs_health_check(before) and not _needs_health_check(spec) and _same(spec, before, "healthCheckNodePort"):
        drop.append("healthCheckNodePort")
    if before.get("type") == "LoadBalancer" != spec.get("type"):
        drop += (f for f in ("allocateLoadBalancerNodePorts", "loadBalancerClass") if spec.get(f) == before.get(f))
    if _is_outside(before) and not _is_outside(spec) and _same(spec, before, "externalTrafficPolicy"):
        drop.append("externalTrafficPolicy")
    for field in drop:
        spec.pop(field, None)
    if spec.get("type") != "LoadBalancer":
        new["status"] = {**new["status"], "loadBalancer": {}}


def _refuse(new: Object, address: str, why: str) -> errors.StatusError:
    detail = f"failed to allocate IP {address}: {why}"
    return _invalid(new, fieldpath.invalid(SPEC.child("clusterIPs"), new["spec"]["clusterIPs"], detail))


def _invalid(new: Object, problem: fieldpath.FieldError) -> errors.StatusError:
    return errors.Invalid("Service", new["metadata"].get("name", ""), [problem])
