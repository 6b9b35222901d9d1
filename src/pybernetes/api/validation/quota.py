"""ResourceQuotas and LimitRanges.

Upstream: pkg/apis/core/validation (ValidateResourceQuota, ValidateLimitRange). Pure.
"""

from pybernetes.api.validation import formats, resources
from pybernetes.api.validation.formats import Messages, Object
from pybernetes.apimachinery import fieldpath

SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)
EXISTS_ONLY = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
COMPUTE = (
    "pods",
    "cpu",
    "memory",
    "limits.cpu",
    "limits.memory",
    "requests.cpu",
    "requests.memory",
)
LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
#: Names that a quota may limit, but for those of huge pages.
QUOTA_NAMES = resources.STANDARD - {"storage"}


def _quota_name(name: str) -> Messages:
    found = resources.resource_name(name)
    huge = name.startswith((resources.HUGE_PAGES, "requests." + resources.HUGE_PAGES))
    if "/" not in name and name not in QUOTA_NAMES and not huge:
        return (*found, "must be a standard resource for quota")
    return found


def _amounts(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    for name, value in given.items():
        formats.each(found, f"{where}[{name}]", name, _quota_name)
        resources.amount(found, f"{where}[{name}]", name, value)


def resource_quota(found: fieldpath.ErrorList, obj: Object) -> None:
    """A quota."""
    _quota_spec(found, obj.get("spec") or {})
    for side in ("hard", "used"):
        _amounts(found, f"status.{side}", (obj.get("status") or {}).get(side) or {})


def _quota_spec(found: fieldpath.ErrorList, spec: Object) -> None:
    hard, scopes = spec.get("hard") or {}, spec.get("scopes") or []
    _amounts(found, "spec.hard", hard)
    for scope in scopes:
        if scope not in SCOPES:
            found.append(fieldpath.invalid("spec.scopes", scopes, "unsupported scope"))
        for name in sorted(hard):
            if _is_quota_name(name) and not _applies(scope, name):
                found.append(fieldpath.invalid("spec.scopes", scopes, "unsupported scope applied to resource"))
    for pair in CONFLICTS:
        if pair <= set(scopes):
            found.append(fieldpath.invalid("spec.scopes", scopes, "conflicting scopes"))
    selector = spec.get("scopeSelector")
    if selector is not None:
        _scope_selector(found, "spec.scopeSelector.matchExpressions", selector, hard, scopes)


def _is_quota_name(name: str) -> bool:
    return name in QUOTA_NAMES or name.startswith((resources.HUGE_PAGES, "requests." + resources.HUGE_PAGES))


def _applies(scope: str, name: str) -> bool:
    """Whether a scope says something about that resource."""
    if scope in ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity"):
        return name in COMPUTE or name.startswith("requests." + resources.HUGE_PAGES) or name in EPHEMERAL
    if scope == "BestEffort":
        return name == "pods"
    return scope != "VolumeAttributesClass" or name in ("persistentvolumeclaims", "requests.storage")


EPHEMERAL = ("ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage")


def _scope_selector(found: fieldpath.ErrorList, where: str, selector: Object, hard: Object, scopes: list[str]) -> None:
    seen = set()
    for one in selector.get("matchExpressions") or ():
        scope, operator, values = (one.get(field) for field in ("scopeName", "operator", "values"))
        if scope not in SCOPES:
            found.append(fieldpath.invalid(where + ".scopeName", scope or "", "unsupported scope"))
        for name in sorted(hard):
            if _is_quota_name(name) and not _applies(scope or "", name):
                text = "unsupported scope applied to resource"
                found.append(fieldpath.invalid(where, _shown(selector), text))
        if scope in EXISTS_ONLY and operator != "Exists":
            text = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
            text += (
                "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
            )
            text += "ResourceQuotaScopeCrossNamespacePodAffinity"
            found.append(fieldpath.invalid(where + ".operator", operator or "", text))
        if operator in ("In", "NotIn"):
            if not values:
                text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                found.append(fieldpath.required(where + ".values", text))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                found.append(fieldpath.invalid(where + ".values", values, text))
        else:
            found.append(fieldpath.invalid(where + ".operator", operator or "", "not a valid selector operator"))
        seen.add(scope)
    for pair in CONFLICTS:
        if pair <= seen:
            found.append(fieldpath.invalid(where, scopes or None, "conflicting scopes"))


def _shown(selector: Object) -> Object:
    return {
        "MatchExpressions": [
            {
                "ScopeName": one.get("scopeName") or "",
                "Operator": one.get("operator") or "",
                "Values": one.get("values") or None,
            }
            for one in selector.get("matchExpressions") or ()
        ]
    }


def resource_quota_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Other amounts, never other scopes."""
    _quota_spec(found, new.get("spec") or {})
    scopes, before = ((one.get("spec") or {}).get("scopes") or [] for one in (new, old))
    if set(scopes) != set(before):
        found.append(fieldpath.invalid("spec.scopes", scopes or None, formats.IMMUTABLE))


def resource_quota_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What is used."""
    for side in ("hard", "used"):
        _amounts(found, f"status.{side}", (new.get("status") or {}).get(side) or {})


def limit_range(found: fieldpath.ErrorList, obj: Object) -> None:
    """Limits for single Pods, containers and claims."""
    limits = (obj.get("spec") or {}).get("limits") or []
    kinds = [limit.get("type") or "" for limit in limits]
    for index, limit in enumerate(limits):
        place, kind = f"spec.limits[{index}]", kinds[index]
        if formats.qualified_name(kind):
            formats.each(found, place + ".type", kind, formats.qualified_name)
        elif "/" not in kind and kind not in LIMIT_TYPES:
            text = "must be a standard limit type or fully qualified"
            found.append(fieldpath.invalid(place + ".type", kind, text))
        if kind in kinds[:index]:
            found.append(fieldpath.duplicate(place + ".type", kind))
        _limit(found, place, limit, kind)


def _limit(found: fieldpath.ErrorList, where: str, limit: Object, kind: str) -> None:
    check = resources.container_resource_name if kind in ("Pod", "Container") else resources.resource_name
    sides = {
        side: limit.get(side) or {} for side in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    }
    for side, amounts in sides.items():
        if side == "maxLimitRequestRatio" and kind == "PersistentVolumeClaim":
            if "storage" not in sides["min"] and "storage" not in sides["max"]:
                text = "either minimum or maximum storage value is required, but neither was provided"
                found.append(fieldpath.required(where + ".limits", text))
        if kind == "Pod" and side in ("default", "defaultRequest"):
            if amounts:
                text = "may not be specified when `type` is 'Pod'"
                found.append(fieldpath.forbidden(f"{where}.{side}", text))
            sides[side] = {}
            continue
        for name in amounts:
            formats.each(found, f"{where}.{side}[{name}]", name, check)
    for name in dict.fromkeys(name for amounts in sides.values() for name in amounts):
        _compare(found, where, name, {side: amounts[name] for side, amounts in sides.items() if name in amounts})


#: Which may not be greater than which, the field that is blamed, the value that is shown, and how both are called.
ORDER = (
    ("min", "max", "min", "min", "min value", "max value"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value", "default request value"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value", "max value"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default request value", "default limit value"),
    ("min", "default", "default", "min", "min value", "default value"),
    ("default", "max", "default", "max", "default value", "max value"),
)


def _compare(found: fieldpath.ErrorList, where: str, name: str, given: Object) -> None:
    amounts = {side: formats.amount(value) for side, value in given.items()}
    for low, high, blamed, shown, called, other in ORDER:
        if low in amounts and high in amounts and amounts[low] > amounts[high]:
            text = f"{called} {amounts[low]} is greater than {other} {amounts[high]}"
            found.append(fieldpath.invalid(f"{where}.{blamed}[{name}]", str(amounts[shown]), text))
    ratio, place = amounts.get("maxLimitRequestRatio"), f"{where}.maxLimitRequestRatio[{name}]"
    if ratio is not None and ratio < formats.amount("1"):
        found.append(fieldpath.invalid(place, str(ratio), f"ratio {ratio} is less than 1"))
    if ratio is not None and "min" in amounts and "max" in amounts:
        least = amounts["min"].as_float()
        limit = amounts["max"].as_float() / least if least else float("inf")
        if ratio.as_float() > limit:
            text = f"ratio {ratio} is greater than max/min = {limit:f}"
            found.append(fieldpath.invalid(place, str(ratio), text))
    default, request = amounts.get("default"), amounts.get("defaultRequest")
    if default is not None and request is not None and default != request and not resources.may_overcommit(name):
        text = f"default value {default} must equal to defaultRequest value {request} in {name}"
        found.append(fieldpath.invalid(f"{where}.defaultRequest[{name}]", str(request), text))
