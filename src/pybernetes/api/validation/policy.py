"""PodDisruptionBudgets.

Upstream: pkg/apis/policy/validation. Pure.
"""

from pybernetes.api.validation import formats, labels, workload
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

UNHEALTHY = ("AlwaysAllow", "IfHealthyBudget")


def budget(found: fieldpath.ErrorList, obj: Object) -> None:
    """A budget: how many must stay, or how many may go, not both."""
    spec = obj.get("spec") or {}
    least, most, policy = (spec.get(name) for name in ("minAvailable", "maxUnavailable", "unhealthyPodEvictionPolicy"))
    if least is not None and most is not None:
        shown = {
            "MinAvailable": least,
            "Selector": labels.as_go(spec.get("selector")),
            "MaxUnavailable": most,
            "UnhealthyPodEvictionPolicy": policy,
        }
        found.append(fieldpath.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
    for field, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            workload.amount_or_percent(found, f"spec.{field}", value)
            workload.at_most_all(found, f"spec.{field}", value)
    labels.selector(found, "spec.selector", spec.get("selector"))
    if policy is not None:
        formats.supported(found, "spec.unhealthyPodEvictionPolicy", policy, UNHEALTHY)
