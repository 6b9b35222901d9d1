"""PersistentVolumeClaims: what is asked for, and what may change once it was given.

Upstream: pkg/apis/core/validation (ValidatePersistentVolumeClaim…). Pure.
"""

import copy
from typing import Any

from pybernetes.api.validation import formats, godiff, labels, resources
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
CLAIM = "PersistentVolumeClaim"
FROZEN = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"
RESIZE_STATES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)


def access_modes(found: fieldpath.ErrorList, where: str, modes: list[str]) -> None:
    """Ways to mount a volume."""
    for mode in modes:
        formats.supported(found, where, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and any(mode in ACCESS_MODES[:3] for mode in modes):
        found.append(fieldpath.forbidden(where, "may not use ReadWriteOncePod with other access modes"))


def spec(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """The spec of a claim, or of a template of one."""
    modes = given.get("accessModes")
    if not modes:
        found.append(fieldpath.required(where + ".accessModes", "at least 1 access mode is required"))
    labels.selector(found, where + ".selector", given.get("selector"))
    access_modes(found, where + ".accessModes", modes or [])
    size = ((given.get("resources") or {}).get("requests") or {}).get("storage")
    place = where + ".resources[storage]"
    if size is None:
        found.append(fieldpath.required(place))
    elif formats.amount(size).nano <= 0:
        found.append(fieldpath.invalid(place, str(formats.amount(size)), formats.NOT_POSITIVE))
    if given.get("storageClassName"):
        formats.each(found, where + ".storageClassName", given["storageClassName"], formats.dns_subdomain)
    if given.get("volumeMode") is not None:
        formats.supported(found, where + ".volumeMode", given["volumeMode"], VOLUME_MODES)
    source, reference = given.get("dataSource"), given.get("dataSourceRef")
    for name, one in (("dataSource", source), ("dataSourceRef", reference)):
        if one is not None:
            _data_source(found, f"{where}.{name}", one)
    if source is not None and reference is not None:
        if reference.get("namespace"):
            text = "may not be specified when dataSourceRef.namespace is specified"
            found.append(fieldpath.invalid(where, where + ".dataSource", text))
        elif any(source.get(field) != reference.get(field) for field in ("apiGroup", "kind", "name")):
            found.append(fieldpath.invalid(where, where + ".dataSource", "must match dataSourceRef"))
    if given.get("volumeAttributesClassName"):
        name = given["volumeAttributesClassName"]
        formats.each(found, where + ".volumeAttributesClassName", name, formats.dns_subdomain)


def _data_source(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    for name in ("name", "kind"):
        if not given.get(name):
            found.append(fieldpath.required(f"{where}.{name}"))
    group, kind = given.get("apiGroup") or "", given.get("kind") or ""
    if not group and kind != CLAIM:
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        found.append(fieldpath.invalid(where, kind, text))
    if group:
        formats.each(found, where + ".apiGroup", group, formats.dns_subdomain)
    if given.get("namespace"):
        formats.each(found, where + ".namespace", given["namespace"], formats.dns_label)


def claim(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new claim."""
    spec(found, "spec", obj.get("spec") or {})


def claim_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A bound claim may grow and change its attributes; nothing else of it moves."""
    claim(found, new)
    wanted, before = copy.deepcopy(new.get("spec") or {}), copy.deepcopy(old.get("spec") or {})
    if not before.get("volumeName") and wanted.get("volumeName"):
        before["volumeName"] = wanted["volumeName"]
    _class_upgrade(found, new, old, wanted, before)
    bound = (new.get("status") or {}).get("phase") == "Bound"
    if bound:
        old_size = _storage(before)
        if (wanted.get("resources") or {}).get("requests") is not None and old_size is not None:
            wanted["resources"]["requests"]["storage"] = old_size
        wanted.pop("volumeAttributesClassName", None)
        if "volumeAttributesClassName" in before:
            wanted["volumeAttributesClassName"] = before["volumeAttributesClassName"]
    if not godiff.equal("PersistentVolumeClaimSpec", wanted, before):
        text = FROZEN + godiff.diff("PersistentVolumeClaimSpec", before, wanted)
        found.append(fieldpath.forbidden("spec", text))
    sizes = [formats.amount(_storage(one.get("spec") or {}) or "0") for one in (new, old)]
    capacity = formats.amount(((old.get("status") or {}).get("capacity") or {}).get("storage") or "0")
    if sizes[0] < sizes[1] and sizes[0] <= capacity:
        text = "field can not be less than status.capacity"
        found.append(fieldpath.forbidden("spec.resources.requests.storage", text))
    formats.immutable(found, "volumeMode", (new.get("spec") or {}).get("volumeMode"), before.get("volumeMode"))
    attributes = [(one.get("spec") or {}).get("volumeAttributesClassName") for one in (new, old)]
    if attributes[0] != attributes[1] and (old.get("status") or {}).get("currentVolumeAttributesClassName") is not None:
        if not attributes[0]:
            kind = "nil" if attributes[0] is None else "empty string"
            text = f"update to {kind} is forbidden when status.currentVolumeAttributesClassName is not nil"
            found.append(fieldpath.forbidden("spec.volumeAttributesClassName", text))


def _storage(given: Object) -> Any:
    return ((given.get("resources") or {}).get("requests") or {}).get("storage")


def _class_upgrade(found: fieldpath.ErrorList, new: Object, old: Object, wanted: Object, before: Object) -> None:
    """The class may move from the old annotation to its field, and appear where there was none."""
    annotations = [(one["metadata"].get("annotations") or {}) for one in (new, old)]
    noted, noted_before = annotations[0].get(CLASS_ANNOTATION), annotations[1].get(CLASS_ANNOTATION)
    name = wanted.get("storageClassName")
    fresh = before.get("storageClassName") is None and name is not None
    if fresh and noted_before is not None and name == noted_before and noted in (None, noted_before):
        wanted.pop("storageClassName")
        return
    if noted != noted_before:
        place = f"metadata.annotations.{CLASS_ANNOTATION}"
        found.append(fieldpath.invalid(place, noted or "", formats.IMMUTABLE))
    if fresh and noted_before in (None, name):
        wanted.pop("storageClassName")


def claim_status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What was given for a claim."""
    status = new.get("status") or {}
    if not (new.get("spec") or {}).get("accessModes"):
        found.append(fieldpath.required("Spec.accessModes"))
    for name, value in (status.get("capacity") or {}).items():
        _basic(found, f"status.capacity[{name}]", value)
    for name, state in (status.get("allocatedResourceStatuses") or {}).items():
        place = "status.allocatedResourceStatuses"
        _resource_key(found, place, name)
        if state not in RESIZE_STATES:
            found.append(fieldpath.not_supported(place, name, RESIZE_STATES))
    for name, value in (status.get("allocatedResources") or {}).items():
        count = len(found)
        _resource_key(found, "status.allocatedResources", name)
        if len(found) == count:
            _basic(found, f"status.allocatedResources[{name}]", value)


def _basic(found: fieldpath.ErrorList, where: str, value: object) -> None:
    amount = formats.amount(value).value()
    if amount < 0:
        found.append(fieldpath.invalid(where, amount, "must be a valid resource quantity"))


def _resource_key(found: fieldpath.ErrorList, where: str, name: str) -> None:
    if formats.qualified_name(name):
        formats.each(found, where, name, formats.qualified_name)
    elif resources.is_native(name) and name != "storage":
        found.append(fieldpath.not_supported(where, name, ("storage",)))
