"""HorizontalPodAutoscalers: limits, metrics, behaviour.

Upstream: pkg/apis/autoscaling/validation. Pure.
"""

from collections.abc import Callable

from pybernetes.api.validation import formats, resources
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

MOST_PERIOD, MOST_WINDOW = 1800, 3600
SOURCES = {
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "External": "external",
    "ContainerResource": "containerResource",
}
SOURCE_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
TARGETS = ("Utilization", "Value", "AverageValue")
SELECTIONS = ("Disabled", "Max", "Min")
POLICIES = ("Percent", "Pods")
NO_SOURCE = "must populate information for the given metric source"


def autoscaler(found: fieldpath.ErrorList, obj: Object) -> None:
    """An autoscaler (in version v2)."""
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < 0:
        found.append(fieldpath.invalid("spec.minReplicas", least, formats.NEGATIVE))
    if least is not None and most < least:
        text = "must be greater than or equal to `minReplicas`"
        found.append(fieldpath.invalid("spec.maxReplicas", most, text))
    _reference(found, "spec.scaleTargetRef", spec.get("scaleTargetRef") or {})
    for index, metric in enumerate(spec.get("metrics") or ()):
        _metric(found, f"spec.metrics[{index}]", metric)
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in spec.get("metrics") or ()):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        found.append(fieldpath.forbidden("spec.metrics", text))
    for side in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(side)
        if rules is not None:
            _scaling(found, f"spec.behavior.{side}", rules)
    # Upstream declares these in the type; what is declared comes last.
    if not most:
        found.append(fieldpath.required("spec.maxReplicas"))
    elif most < 0:
        found.append(fieldpath.invalid("spec.maxReplicas", most, "must be greater than or equal to 1"))


def autoscaler_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Other limits."""
    if new.get("spec") != old.get("spec"):
        autoscaler(found, new)


def _reference(found: fieldpath.ErrorList, where: str, given: Object, *, grouped: bool = True) -> None:
    for field in ("kind", "name"):
        formats.required_name(found, f"{where}.{field}", given.get(field), formats.path_segment)
    version = given.get("apiVersion") or ""
    if version.count("/") > 1:
        text = f"unexpected GroupVersion string: {version}"
        found.append(fieldpath.invalid(where + ".apiVersion", version, text))
    elif grouped and "/" not in version:
        found.append(fieldpath.invalid(where + ".apiVersion", version, "apiVersion must specify API group"))


def _metric(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    kind = given.get("type") or ""
    if not kind:
        found.append(fieldpath.required(where + ".type", "must specify a metric source type"))
    present = [name for name in CHECKS if given.get(name) is not None]
    if kind not in SOURCES:
        found.append(fieldpath.not_supported(where + ".type", kind, SOURCE_TYPES))
    if present:
        CHECKS[present[0]](found, f"{where}.{present[0]}", given[present[0]])
    if kind in SOURCES and given.get(SOURCES[kind]) is None:
        found.append(fieldpath.required(f"{where}.{SOURCES[kind]}", NO_SOURCE))
    if len(present) != 1:
        for name in present:
            if name != SOURCES.get(kind):
                found.append(fieldpath.forbidden(f"{where}.{name}", "must populate the given metric source only"))


def _object(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    _reference(found, where + ".describedObject", given.get("describedObject") or {}, grouped=False)
    target = _named_target(found, where, given)
    if target.get("value") is None and target.get("averageValue") is None:
        text = "must set either a target value or averageValue"
        found.append(fieldpath.required(where + ".target.averageValue", text))


def _external(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    target = _named_target(found, where, given)
    value, average = target.get("value"), target.get("averageValue")
    if value is None and average is None:
        text = "must set either a target value for metric or a per-pod target"
        found.append(fieldpath.required(where + ".target.averageValue", text))
    if value is not None and average is not None:
        text = "may not set both a target value for metric and a per-pod target"
        found.append(fieldpath.forbidden(where + ".target.value", text))


def _pods(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    target = _named_target(found, where, given)
    if target.get("averageValue") is None:
        text = "must specify a positive target averageValue"
        found.append(fieldpath.required(where + ".target.averageValue", text))


def _named_target(found: fieldpath.ErrorList, where: str, given: Object) -> Object:
    name, target = (given.get("metric") or {}).get("name") or "", given.get("target") or {}
    if not name:
        found.append(fieldpath.required(where + ".metric.name", "must specify a metric name"))
    else:
        formats.each(found, where + ".metric.name", name, formats.path_segment)
    _target(found, where + ".target", target)
    return dict(target)


def _resource(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    if not given.get("name"):
        found.append(fieldpath.required(where + ".name", "must specify a resource name"))
    _resource_target(found, where + ".target", given.get("target") or {})


def _container_resource(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    name, container = given.get("name") or "", given.get("container") or ""
    if not name:
        found.append(fieldpath.required(where + ".name", "must specify a resource name"))
    else:
        formats.each(found, where + ".name", name, resources.container_resource_name)
    if not container:
        found.append(fieldpath.required(where + ".container", "must specify a container"))
    else:
        formats.each(found, where + ".container", container, formats.dns_label)
    _resource_target(found, where + ".target", given.get("target") or {})


def _resource_target(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    _target(found, where, given)
    share, average = given.get("averageUtilization"), given.get("averageValue")
    if share is None and average is None:
        text = "must set either a target raw value or a target utilization"
        found.append(fieldpath.required(where + ".averageUtilization", text))
    if share is not None and average is not None:
        text = "may not set both a target raw value and a target utilization"
        found.append(fieldpath.forbidden(where + ".averageValue", text))


def _target(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    kind = given.get("type") or ""
    if not kind:
        found.append(fieldpath.required(where + ".type", "must specify a metric target type"))
    if kind not in TARGETS:
        found.append(fieldpath.invalid(where + ".type", kind, "must be either Utilization, Value, or AverageValue"))
    for field in ("value", "averageValue"):
        if given.get(field) is not None and formats.amount(given[field]).nano <= 0:
            found.append(fieldpath.invalid(f"{where}.{field}", str(formats.amount(given[field])), "must be positive"))
    share = given.get("averageUtilization")
    if share is not None and share < 1:
        found.append(fieldpath.invalid(where + ".averageUtilization", share, "must be greater than 0"))


def _scaling(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    window, place = given.get("stabilizationWindowSeconds"), where + ".stabilizationWindowSeconds"
    if window is not None and window < 0:
        found.append(fieldpath.invalid(place, window, "must be greater than or equal to zero"))
    if window is not None and window > MOST_WINDOW:
        found.append(fieldpath.invalid(place, window, f"must be less than or equal to {MOST_WINDOW}"))
    if given.get("selectPolicy") is not None:
        formats.supported(found, where + ".selectPolicy", given["selectPolicy"], SELECTIONS)
    if not given.get("policies"):
        found.append(fieldpath.required(where + ".policies", "must specify at least one Policy"))
    for index, policy in enumerate(given.get("policies") or ()):
        place = f"{where}.policies[{index}]"
        formats.supported(found, place + ".type", policy.get("type"), POLICIES)
        for field in ("value", "periodSeconds"):
            formats.positive(found, f"{place}.{field}", policy.get(field, 0))
        if policy.get("periodSeconds", 0) > MOST_PERIOD:
            text = f"must be less than or equal to {MOST_PERIOD}"
            found.append(fieldpath.invalid(place + ".periodSeconds", policy["periodSeconds"], text))
    tolerance = given.get("tolerance")
    if tolerance is not None and formats.amount(tolerance).nano < 0:
        found.append(fieldpath.invalid(where + ".tolerance", str(formats.amount(tolerance)), formats.NEGATIVE))


CHECKS: dict[str, Callable[[fieldpath.ErrorList, str, Object], None]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}
