"""Resource names, amounts, requests and limits, wherever they are asked for.

Upstream: pkg/apis/core/validation (validateResourceRequirements), pkg/apis/core/helper. Pure.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Messages, Object
from pybernetes.apimachinery import fieldpath, quantity

HUGE_PAGES = "hugepages-"
NOT_INTEGER = "must be an integer"
CONTAINER = ("cpu", "memory", "ephemeral-storage")
INTEGERS = frozenset(
    (
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    )
)
STANDARD = INTEGERS | {
    *CONTAINER,
    *(f"{side}.{name}" for side in ("requests", "limits") for name in CONTAINER),
    "storage",
    "requests.storage",
}
_DEFAULT_DOMAIN = "kubernetes.io/"

NameRule = Callable[[str], Messages]


def is_native(name: str) -> bool:
    """A resource that Kubernetes itself knows: no domain, or its own."""
    return "/" not in name or _DEFAULT_DOMAIN in name


@functools.lru_cache(formats.REMEMBERED)
def is_extended(name: str) -> bool:
    """A resource of somebody else's domain."""
    return not is_native(name) and not name.startswith("requests.") and not formats.qualified_name("requests." + name)


def may_overcommit(name: str) -> bool:
    """Whether a limit may be larger than the request."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


@functools.lru_cache(formats.REMEMBERED)
def resource_name(name: str) -> Messages:
    """Any resource at all."""
    found = formats.qualified_name(name)
    if found:
        return found
    standard = name in STANDARD or name.startswith((HUGE_PAGES, "requests." + HUGE_PAGES))
    if "/" not in name and not standard:
        return ("must be a standard resource type or fully qualified",)
    return ()


@functools.lru_cache(formats.REMEMBERED)
def container_resource_name(name: str) -> Messages:
    """A resource that a container may ask for."""
    found = resource_name(name)
    if "/" not in name:
        if name not in CONTAINER and not name.startswith(HUGE_PAGES):
            return (*found, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        return (*found, "doesn't follow extended resource name standard")
    return found


def amount(found: fieldpath.ErrorList, where: str, name: str, value: object) -> quantity.Quantity:
    """A quantity of that resource; the result is the quantity."""
    given = formats.amount(value)
    if given.nano < 0:
        found.append(fieldpath.invalid(where, str(given), formats.NEGATIVE))
    if name not in CONTAINER and (name in INTEGERS or is_extended(name)) and not given.is_integer():
        found.append(fieldpath.invalid(where, str(given), NOT_INTEGER))
    return given


def _huge_page(found: fieldpath.ErrorList, where: str, name: str, given: quantity.Quantity) -> None:
    try:
        size = quantity.parse(name.removeprefix(HUGE_PAGES))
    except quantity.QuantityError:
        size = quantity.ZERO
    if size.nano <= 0 or not size.is_integer() or given.value() % size.value():
        text = f"{given} is not positive integer multiple of {name}"
        found.append(fieldpath.invalid(where, str(given), text))


def requirements(
    found: fieldpath.ErrorList,
    where: str,
    given: Object,
    claims: Iterable[str] = (),
    rule: NameRule = container_resource_name,
) -> None:
    """Requests and limits that go together."""
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    for name, value in limits.items():
        if rule(name):
            _bad_name(found, f"{where}.limits[{name}]", name, rule)
        one = formats.amount(value)
        if one.nano < 0 or name not in CONTAINER:
            place = f"{where}.limits[{name}]"
            amount(found, place, name, value)
            if name.startswith(HUGE_PAGES):
                _huge_page(found, place, name, one)
    for name, value in requests.items():
        if rule(name):
            _bad_name(found, f"{where}.requests[{name}]", name, rule)
        one = formats.amount(value)
        if one.nano < 0 or name not in CONTAINER:
            amount(found, f"{where}.requests[{name}]", name, value)
        limit = limits.get(name)
        if limit is not None:
            _compare(found, where, name, one, formats.amount(limit))
        elif name not in CONTAINER and not may_overcommit(name):
            found.append(fieldpath.required(where + ".limits", "Limit must be set for non overcommitable resources"))
        if name.startswith(HUGE_PAGES):
            _huge_page(found, f"{where}.requests[{name}]", name, one)
    every = (*limits, *requests)
    if any(name.startswith(HUGE_PAGES) for name in every) and not {"cpu", "memory"} & {*every}:
        found.append(fieldpath.forbidden(where, "HugePages require cpu or memory"))
    if given.get("claims"):
        _claims(found, where + ".claims", given["claims"], tuple(claims))


def _bad_name(found: fieldpath.ErrorList, where: str, name: str, rule: NameRule) -> None:
    for message in rule(name):
        if message is POD_LEVEL_WRONG:
            found.append(fieldpath.not_supported(where, name, ("cpu", HUGE_PAGES, "memory")))
        else:
            found.append(fieldpath.invalid(where, name, message))


def _compare(
    found: fieldpath.ErrorList, where: str, name: str, request: quantity.Quantity, limit: quantity.Quantity
) -> None:
    if request.nano == limit.nano:
        return
    place = where + ".requests"
    if not may_overcommit(name):
        found.append(fieldpath.invalid(place, str(request), f"must be equal to {name} limit of {limit}"))
    elif request.nano > limit.nano:
        text = f"must be less than or equal to {name} limit of {limit}"
        found.append(fieldpath.invalid(place, str(request), text))


def _claims(found: fieldpath.ErrorList, where: str, claims: Sequence[Object], known: Sequence[str]) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        place, name, request = f"{where}[{index}]", claim.get("name") or "", claim.get("request") or ""
        if not name:
            found.append(fieldpath.required(place))
        elif name in seen:
            found.append(fieldpath.duplicate(place, name))
        else:
            key = name
            if request:
                formats.each(found, place + ".request", request, formats.dns_label)
                key += "/" + request
            if key in seen:
                found.append(fieldpath.duplicate(place, key))
            elif not request and any(other.partition("/")[0] == name for other in seen if "/" in other):
                found.append(fieldpath.duplicate(place, name))
            seen.add(key)
        if name not in known:
            error = fieldpath.not_found(place, name)
            error.detail = "must be one of the names in pod.spec.resourceClaims"
            error.detail += ": " + ", ".join(sorted(known)) if known else " which is empty"
            found.append(error)


POD_LEVEL = ("cpu", "memory")
POD_LEVEL_WRONG = "not for a whole pod"


@functools.lru_cache(formats.REMEMBERED)
def pod_resource_name(name: str) -> Messages:
    """A resource that may be asked for a Pod as a whole."""
    found = resource_name(name)
    if not found and name not in POD_LEVEL and not name.startswith(HUGE_PAGES):
        return (POD_LEVEL_WRONG,)
    return found
