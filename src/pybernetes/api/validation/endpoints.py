"""Endpoints and EndpointSlices: addresses that can be reached, ports that can be asked for.

Upstream: pkg/apis/core/validation (ValidateEndpoints), pkg/apis/discovery/validation. Pure.
"""

import functools
import ipaddress
from collections.abc import Sequence

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Messages, Object
from pybernetes.apimachinery import fieldpath

PROTOCOLS = ("SCTP", "TCP", "UDP")


@functools.lru_cache(formats.REMEMBERED)
def reachable(text: str) -> Messages:
    """An address that traffic from other machines can have for its destination."""
    if not formats.family(text):
        return ("must be a valid IP address",)
    parsed = ipaddress.ip_address(text)
    found = []
    if parsed.is_unspecified:
        found.append(f"may not be unspecified ({text})")
    if parsed.is_loopback:
        found.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if parsed.is_link_local:
        found.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if parsed in ipaddress.ip_network("224.0.0.0/24" if parsed.version == 4 else "ff02::/16"):
        found.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    return tuple(found)


def endpoint_ip(found: fieldpath.ErrorList, where: str, address: str) -> None:
    """The same, as errors."""
    formats.each(found, where, address, reachable)


def endpoints(found: fieldpath.ErrorList, obj: Object) -> None:
    """Endpoints."""
    for index, subset in enumerate(obj.get("subsets") or ()):
        place = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            found.append(fieldpath.required(place, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for at, address in enumerate(subset.get(field) or ()):
                _address(found, f"{place}.{field}[{at}]", address)
        ports = subset.get("ports") or ()
        for at, port in enumerate(ports):
            _port(found, f"{place}.ports[{at}]", port, named=len(ports) > 1)


def endpoints_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of Endpoints."""
    if new.get("subsets") != old.get("subsets"):
        endpoints(found, new)


def _address(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    address = given.get("ip") or ""
    formats.each(found, where + ".ip", address, formats.ip_legacy)
    if given.get("hostname"):
        formats.each(found, where + ".hostname", given["hostname"], formats.dns_label)
    if given.get("nodeName") is not None:
        formats.each(found, where + ".nodeName", given["nodeName"], formats.dns_subdomain)
    endpoint_ip(found, where + ".ip", address)


def _port(found: fieldpath.ErrorList, where: str, given: Object, *, named: bool) -> None:
    name = given.get("name") or ""
    if named or name:
        formats.required_name(found, where + ".name", name, formats.dns_label)
    formats.port_number(found, where + ".port", given.get("port", 0))
    formats.one_of(found, where + ".protocol", given.get("protocol"), PROTOCOLS)
    if given.get("appProtocol") is not None:
        formats.each(found, where + ".appProtocol", given["appProtocol"], formats.qualified_name)


ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MOST_ADDRESSES, MOST_ENDPOINTS, MOST_PORTS, MOST_HINTS = 100, 1000, 20000, 8


def endpoint_slice(found: fieldpath.ErrorList, obj: Object) -> None:
    """An EndpointSlice."""
    kind = obj.get("addressType") or ""
    formats.one_of(found, "addressType", kind, ADDRESS_TYPES)
    _slice_ports(found, obj.get("ports") or ())
    every = obj.get("endpoints") or ()
    if len(every) > MOST_ENDPOINTS:
        found.append(fieldpath.too_many("endpoints", len(every), MOST_ENDPOINTS))
        return
    for index, endpoint in enumerate(every):
        _endpoint(found, f"endpoints[{index}]", endpoint, kind)


def endpoint_slice_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change: never of the type of addresses."""
    same = (new.get("endpoints") or None) == (old.get("endpoints") or None)
    endpoint_slice(found, {**new, "endpoints": None} if same else new)
    if (new.get("addressType") or "") != (old.get("addressType") or ""):
        found.append(fieldpath.invalid("addressType", None, formats.IMMUTABLE))


def _endpoint(found: fieldpath.ErrorList, where: str, given: Object, kind: str) -> None:
    addresses = given.get("addresses") or ()
    if not addresses:
        found.append(fieldpath.required(where + ".addresses"))
    elif len(addresses) > MOST_ADDRESSES:
        found.append(fieldpath.too_many(where + ".addresses", len(addresses), MOST_ADDRESSES))
    for index, address in enumerate(addresses):
        _slice_address(found, f"{where}.addresses", index, address, kind)
    if given.get("nodeName") is not None:
        formats.each(found, where + ".nodeName", given["nodeName"], formats.dns_subdomain)
    if given.get("hostname") is not None:
        formats.each(found, where + ".hostname", given["hostname"], formats.dns_label)
    if given.get("hints"):
        _hints(found, where + ".hints", given["hints"])


def _slice_address(found: fieldpath.ErrorList, where: str, index: int, address: str, kind: str) -> None:
    if kind == "FQDN":
        _full_name(found, f"{where}[{index}]", address)
    elif kind in ("IPv4", "IPv6"):
        check = formats.ip_legacy if kind == "IPv4" else formats.ip
        if check(address):
            formats.each(found, f"{where}[{index}]", address, check)
            return
        if formats.family(address) != int(kind[3]):
            found.append(fieldpath.invalid(where, address, f"must be an {kind} address"))
        if reachable(address):
            endpoint_ip(found, f"{where}[{index}]", address)


def _full_name(found: fieldpath.ErrorList, where: str, name: str) -> None:
    name = name.removesuffix(".")
    if not name:
        found.append(fieldpath.required(where))
    elif formats.dns_subdomain(name):
        formats.each(found, where, name, formats.dns_subdomain)
    elif "." not in name:
        found.append(fieldpath.invalid(where, name, "should be a domain with at least two segments separated by dots"))
    else:
        for label in name.split("."):
            formats.each(found, where, label, formats.dns_label)


def _hints(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    for field, check in (("forZones", formats.label_value), ("forNodes", formats.dns_subdomain)):
        every: Sequence[Object] = given.get(field) or ()
        if len(every) > MOST_HINTS:
            found.append(fieldpath.too_many(f"{where}.{field}", len(every), MOST_HINTS))
            return
        names = [one.get("name") or "" for one in every]
        for index, name in enumerate(names):
            place = f"{where}.{field}[{index}].name"
            if name in names[:index]:
                found.append(fieldpath.duplicate(place, name))
            formats.each(found, place, name, check)


def _slice_ports(found: fieldpath.ErrorList, ports: Sequence[Object]) -> None:
    if len(ports) > MOST_PORTS:
        found.append(fieldpath.too_many("ports", len(ports), MOST_PORTS))
        return
    seen: set[str] = set()
    for index, port in enumerate(ports):
        place, name = f"ports[{index}]", port.get("name") or ""
        if name:
            formats.each(found, place + ".name", name, formats.dns_label)
        if name in seen:
            found.append(fieldpath.duplicate(place + ".name", name))
        seen.add(name)
        formats.one_of(found, place + ".protocol", port.get("protocol"), PROTOCOLS)
        if port.get("appProtocol") is not None:
            formats.each(found, place + ".appProtocol", port["appProtocol"], formats.qualified_name)
