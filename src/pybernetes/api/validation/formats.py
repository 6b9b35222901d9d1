"""The format checks that validation needs, remembered: the same names, labels and quantities come again and again.

A check gives a tuple of messages, empty if the value is fine. Places of errors are texts here (`spec.containers[0]`),
put together only where something is wrong or a level deeper begins: building path objects would cost more than the
checks themselves.

Upstream: pkg/apis/core/validation, k8s.io/apimachinery/pkg/api/validation. Pure.
"""

import functools
import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from pybernetes.apimachinery import fieldpath, names, quantity

Object = dict[str, Any]
Messages = tuple[str, ...]
Check = Callable[[str], Messages]

NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
IMMUTABLE = "field is immutable"
NO_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
REMEMBERED = 8192


def _remember(check: names.NameCheck) -> Check:
    @functools.lru_cache(REMEMBERED)
    def remembered(value: str) -> Messages:
        return tuple(check(value))

    return remembered


dns_label = _remember(names.is_dns1123_label)
dns_subdomain = _remember(names.is_dns1123_subdomain)
dns_subdomain_caseless = _remember(names.is_dns1123_subdomain_caseless)
dns_subdomain_underscore = _remember(names.is_dns1123_subdomain_with_underscore)
wildcard_subdomain = _remember(names.is_wildcard_dns1123_subdomain)
qualified_name = _remember(names.is_qualified_name)
label_value = _remember(names.is_label_value)
env_name = _remember(names.is_relaxed_env_var_name)
config_key = _remember(names.is_config_map_key)
port_name = _remember(names.is_port_name)
header_name = _remember(names.is_http_header_name)
path_segment = _remember(names.is_path_segment_name)


@functools.lru_cache(REMEMBERED)
def amount(text: object) -> quantity.Quantity:
    """A quantity that decoding has let through."""
    return quantity.parse(str(text))


def each(found: fieldpath.ErrorList, where: str, value: str, check: Check) -> None:
    """One Invalid for each message of a check."""
    for message in check(value):
        found.append(fieldpath.invalid(where, value, message))


def required_name(found: fieldpath.ErrorList, where: str, value: str | None, check: Check) -> None:
    """Something that must be there and have a format."""
    if value:
        each(found, where, value, check)
    else:
        found.append(fieldpath.required(where))


def not_negative(found: fieldpath.ErrorList, where: str, value: int | None) -> None:
    """A number that may be zero."""
    if value is not None and value < 0:
        found.append(fieldpath.invalid(where, value, NEGATIVE))


def positive(found: fieldpath.ErrorList, where: str, value: int) -> None:
    """A number that may not."""
    if value <= 0:
        found.append(fieldpath.invalid(where, value, NOT_POSITIVE))


def in_range(found: fieldpath.ErrorList, where: str, value: int, low: int, high: int) -> None:
    """A number between two others."""
    if not low <= value <= high:
        found.append(fieldpath.invalid(where, value, f"must be between {low} and {high}, inclusive"))


def port_number(found: fieldpath.ErrorList, where: str, value: int) -> None:
    """A number that a port can have."""
    if not 1 <= value <= 65535:
        found.append(fieldpath.invalid(where, value, "must be between 1 and 65535, inclusive"))


def port_number_or_name(found: fieldpath.ErrorList, where: str, value: int | str) -> None:
    """A port by number, or by the name it has in a container."""
    if isinstance(value, str):
        each(found, where, value, port_name)
    else:
        port_number(found, where, value)


def one_of(found: fieldpath.ErrorList, where: str, value: str | None, allowed: Sequence[str]) -> None:
    """One of the words, which are shown in the order given; nothing is Required."""
    if value in allowed:
        return
    if value:
        found.append(fieldpath.not_supported(where, value, allowed))
    else:
        found.append(fieldpath.required(where))


def supported(found: fieldpath.ErrorList, where: str, value: str | None, allowed: Sequence[str]) -> None:
    """One of the words; nothing is not one of them."""
    if value not in allowed:
        found.append(fieldpath.not_supported(where, value or "", allowed))


def user_id(found: fieldpath.ErrorList, where: str, value: int | None) -> None:
    """The number of a user or group, if there is one."""
    if value is not None and not 0 <= value <= 2**31 - 1:
        found.append(fieldpath.invalid(where, value, f"must be between 0 and {2**31 - 1}, inclusive"))


def immutable(found: fieldpath.ErrorList, where: str, new: Any, old: Any) -> None:
    """What may not change once it is there."""
    if new != old:
        found.append(fieldpath.invalid(where, new, IMMUTABLE))


def _sloppy(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address that may have leading zeros, as old versions took it."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    parts = text.split(".")
    if len(parts) == 4 and all(part.isascii() and part.isdigit() for part in parts):
        try:
            return ipaddress.ip_address(".".join(str(int(part)) for part in parts))
        except ValueError:
            return None
    return None


@functools.lru_cache(REMEMBERED)
def ip_legacy(text: str) -> Messages:
    """An address in a field where old objects may hold odd spellings."""
    parsed = _sloppy(text)
    if parsed is None or "%" in text:
        return (NO_IP,)
    found = []
    if parsed.version == 4 and str(parsed) != text:
        found.append("must not have leading 0s")
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        found.append("must not be an IPv4-mapped IPv6 address")
    return tuple(found)


@functools.lru_cache(REMEMBERED)
def ip(text: str) -> Messages:
    """An address in the one spelling it has."""
    found = ip_legacy(text)
    if not found:
        parsed = ipaddress.ip_address(text)
        if str(parsed) != text:
            return (f'must be in canonical form ("{parsed}")',)
    return found


@functools.lru_cache(REMEMBERED)
def cidr_legacy(text: str) -> Messages:
    """A range of addresses in a field where old objects may hold odd spellings."""
    address, slash, length = text.partition("/")
    parsed = _sloppy(address)
    if parsed is None or not slash or not (length.isascii() and length.isdigit()):
        return (NO_CIDR,)
    if int(length) > parsed.max_prefixlen or "%" in address:
        return (NO_CIDR,)
    if (parsed.version == 4 and str(parsed) != address) or str(int(length)) != length:
        return ("must not have leading 0s in IP or prefix length",)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return ("must not have an IPv4-mapped IPv6 address",)
    if ipaddress.ip_network(text, strict=False).network_address != parsed:
        return ("must not have bits set beyond the prefix length",)
    return ()


@functools.lru_cache(REMEMBERED)
def cidr(text: str) -> Messages:
    """A range of addresses in the one spelling it has."""
    found = cidr_legacy(text)
    if not found:
        parsed = ipaddress.ip_network(text)
        if str(parsed) != text:
            return (f'must be in canonical form ("{parsed}")',)
    return found


def family(text: str) -> int:
    """4 or 6; 0 for what is no address."""
    parsed = _sloppy(text)
    return 0 if parsed is None else parsed.version


def dual_stack(found: fieldpath.ErrorList, where: str, addresses: list[str], shown: Any) -> None:
    """At most one address of each family."""
    families = [family(address) for address in addresses]
    if len(addresses) > 2 or len(set(families)) != len(families):
        found.append(fieldpath.invalid(where, shown, "may specify no more than one IP for each IP family"))


def back_steps(found: fieldpath.ErrorList, where: str, path: str) -> None:
    """A path that does not lead upwards."""
    if ".." in path and ".." in path.split("/"):
        found.append(fieldpath.invalid(where, path, "must not contain '..'"))


def descending(found: fieldpath.ErrorList, where: str, path: str) -> None:
    """A path below some folder."""
    if path.startswith("/"):
        found.append(fieldpath.invalid(where, path, "must be a relative path"))
    back_steps(found, where, path)


def not_reserved(found: fieldpath.ErrorList, where: str, path: str) -> None:
    """A path below a volume's folder, whose names that begin with two dots are the kubelet's."""
    descending(found, where, path)
    if path.startswith("..") and not path.startswith("../"):
        found.append(fieldpath.invalid(where, path, "must not start with '..'"))
