"""RuntimeClasses: a handler, what it costs, and where it runs.

Upstream: pkg/apis/node/validation. Pure.
"""

from pybernetes.api.validation import affinity, formats, labels, resources
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

TOLERATION = ("key", "operator", "value", "effect")


def runtime_class(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new class."""
    formats.required_name(found, "handler", obj.get("handler"), formats.dns_label)
    fixed = (obj.get("overhead") or {}).get("podFixed")
    if fixed:
        resources.requirements(found, "overhead", {"limits": fixed}, ())
    where = obj.get("scheduling") or {}
    labels.label_set(found, "scheduling.nodeSelector", where.get("nodeSelector"))
    tolerations = where.get("tolerations") or []
    affinity.tolerations(found, "scheduling.tolerations", tolerations)
    keys = [[one.get(field) or "" for field in TOLERATION] for one in tolerations]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            found.append(fieldpath.duplicate(f"scheduling.tolerations[{index}]", _shown(tolerations[index])))


def _shown(toleration: Object) -> Object:
    texts = {field.capitalize(): toleration.get(field) or "" for field in TOLERATION}
    return {**texts, "TolerationSeconds": toleration.get("tolerationSeconds")}


def runtime_class_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """The handler stays."""
    if new.get("handler") != old.get("handler"):
        found.append(fieldpath.invalid("handler", None, formats.IMMUTABLE))
