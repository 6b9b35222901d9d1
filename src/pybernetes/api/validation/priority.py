"""PriorityClasses.

Upstream: pkg/apis/scheduling/validation. Pure.
"""

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

HIGHEST = 1_000_000_000
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
PREEMPTION = ("PreemptLowerPriority", "Never")


def priority_class(found: fieldpath.ErrorList, obj: Object) -> None:
    """A PriorityClass: what begins with `system-` is the system's."""
    name, value = obj["metadata"].get("name") or "", obj.get("value", 0)
    if name.startswith("system-"):
        wrong = _wrong_system_class(name, value, bool(obj.get("globalDefault")))
        if wrong:
            text = "priority class names with 'system-' prefix are reserved for system use only. error: "
            found.append(fieldpath.forbidden("metadata.name", text + wrong))
    elif value > HIGHEST:
        text = f"maximum allowed value of a user defined priority is {HIGHEST}"
        found.append(fieldpath.forbidden("value", text))
    if obj.get("preemptionPolicy") is not None:
        formats.one_of(found, "preemptionPolicy", obj["preemptionPolicy"], PREEMPTION)


def _wrong_system_class(name: str, value: int, default: bool) -> str:
    if name not in SYSTEM:
        return f"{name} is not a known system priority class"
    if value != SYSTEM[name]:
        return f"value of {name} PriorityClass must be {SYSTEM[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if default else ""


def priority_class_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Neither the number nor the policy changes: Pods have them already."""
    if new.get("value", 0) != old.get("value", 0):
        found.append(fieldpath.forbidden("value", "may not be changed in an update."))
    formats.immutable(found, "preemptionPolicy", new.get("preemptionPolicy"), old.get("preemptionPolicy"))
