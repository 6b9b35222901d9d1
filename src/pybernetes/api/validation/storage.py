"""Storage classes, CSI drivers and their nodes, attachments, capacities.

Upstream: pkg/apis/storage/validation. Pure.
"""

from collections.abc import Mapping, Sequence

from pybernetes.api.validation import formats, labels, persistent_volume, volume_sources
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

MOST_PARAMETERS, MOST_BYTES = 512, 256 * 1024
BINDING = ("Immediate", "WaitForFirstConsumer")
RECLAIM = ("Delete", "Retain")
FS_GROUPS = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLES = ("Persistent", "Ephemeral")
DRIVER_FLAGS = {"attachRequired": "attachedRequired", "podInfoOnMount": "", "storageCapacity": "", "seLinuxMount": ""}


def _provisioner(found: fieldpath.ErrorList, where: str, name: str) -> None:
    if not name:
        found.append(fieldpath.required(where))
    for message in formats.qualified_name(name.lower()) if name else ():
        found.append(fieldpath.invalid(where, name.lower(), message))


def _parameters(found: fieldpath.ErrorList, given: Mapping[str, str], *, may_be_empty: bool) -> None:
    if len(given) > MOST_PARAMETERS:
        found.append(fieldpath.too_long("parameters", "", MOST_PARAMETERS))
        return
    if "" in given:
        found.append(fieldpath.invalid("parameters", "", "field can not be empty."))
    if sum(len(name.encode()) + len(value.encode()) for name, value in given.items()) > MOST_BYTES:
        found.append(fieldpath.too_long("parameters", "", MOST_BYTES))
    if not given and not may_be_empty:
        found.append(fieldpath.required("parameters", "must contain at least one key/value pair"))


def storage_class(found: fieldpath.ErrorList, obj: Object) -> None:
    """A StorageClass."""
    _provisioner(found, "provisioner", obj.get("provisioner") or "")
    _parameters(found, obj.get("parameters") or {}, may_be_empty=True)
    if obj.get("reclaimPolicy"):
        formats.supported(found, "reclaimPolicy", obj["reclaimPolicy"], RECLAIM)
    mode = obj.get("volumeBindingMode")
    if mode is None:
        found.append(fieldpath.required("volumeBindingMode"))
    else:
        formats.supported(found, "volumeBindingMode", mode, BINDING)
    _topologies(found, obj.get("allowedTopologies") or ())


def _topologies(found: fieldpath.ErrorList, given: Sequence[Object]) -> None:
    seen: list[dict[str, set[str]]] = []
    for index, term in enumerate(given):
        place = f"allowedTopologies[{index}].matchLabelExpressions"
        terms: dict[str, set[str]] = {}
        for at, one in enumerate(term.get("matchLabelExpressions") or ()):
            key, values = one.get("key") or "", one.get("values") or []
            if not values:
                found.append(fieldpath.required(f"{place}[{at}].values"))
            for position, value in enumerate(values):
                if value in values[:position]:
                    found.append(fieldpath.duplicate(f"{place}[{at}].values[{position}]", value))
            formats.each(found, f"{place}[{at}].key", key, formats.qualified_name)
            if key in terms:
                found.append(fieldpath.duplicate(f"{place}[{at}].key", key))
            terms[key] = set(values)
        if terms in seen:
            found.append(fieldpath.duplicate(place, ""))
        seen.append(terms)


def storage_class_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Classes are remade, not changed."""
    for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if (new.get(field) or None) != (old.get(field) or None):
            found.append(fieldpath.invalid(field, None, formats.IMMUTABLE))


def attributes_class(found: fieldpath.ErrorList, obj: Object) -> None:
    """A VolumeAttributesClass."""
    _provisioner(found, "driverName", obj.get("driverName") or "")
    _parameters(found, obj.get("parameters") or {}, may_be_empty=False)


def attributes_class_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Neither driver nor parameters change."""
    for field in ("driverName", "parameters"):
        if (new.get(field) or None) != (old.get(field) or None):
            found.append(fieldpath.forbidden(field, f"updates to {field} are forbidden."))
    attributes_class(found, new)


def csi_driver(found: fieldpath.ErrorList, obj: Object) -> None:
    """A CSIDriver."""
    spec = obj.get("spec") or {}
    for field, shown in DRIVER_FLAGS.items():
        if spec.get(field) is None and field != "seLinuxMount":
            found.append(fieldpath.required(f"spec.{shown or field}"))
    if spec.get("fsGroupPolicy") is not None:
        formats.supported(found, "spec.fsGroupPolicy", spec["fsGroupPolicy"], FS_GROUPS)
    _token_requests(found, spec.get("tokenRequests") or ())
    for mode in spec.get("volumeLifecycleModes") or ():
        formats.supported(found, "spec.volumeLifecycleModes", mode, LIFECYCLES)
    if spec.get("seLinuxMount") is None:
        found.append(fieldpath.required("spec.seLinuxMount"))
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < 10:
        text = "must be greater than or equal to 10 seconds"
        found.append(fieldpath.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, text))
    secrets = spec.get("serviceAccountTokenInSecrets")
    if secrets is not None and not spec.get("tokenRequests"):
        text = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        found.append(fieldpath.invalid("spec.serviceAccountTokenInSecrets", secrets, text))


def _token_requests(found: fieldpath.ErrorList, given: Sequence[Object]) -> None:
    seen: set[str] = set()
    for index, one in enumerate(given):
        place, audience, seconds = (
            f"spec.tokenRequests[{index}]",
            one.get("audience") or "",
            one.get("expirationSeconds"),
        )
        if audience in seen:
            found.append(fieldpath.duplicate(place + ".audience", audience))
            continue
        seen.add(audience)
        if seconds is not None and not 600 <= seconds <= 2**32:
            limit = "less than 10 minutes" if seconds < 600 else "larger than 2^32 seconds"
            found.append(
                fieldpath.invalid(place + ".expirationSeconds", seconds, f"may not specify a duration {limit}")
            )


def csi_driver_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What volumes in use rely on stays."""
    csi_driver(found, new)
    for field, shown in (("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")):
        now, before = ((one.get("spec") or {}).get(field) for one in (new, old))
        if now != before:
            found.append(fieldpath.invalid(f"spec.{shown}", now, formats.IMMUTABLE))


def csi_node(found: fieldpath.ErrorList, obj: Object) -> None:
    """A CSINode."""
    drivers = (obj.get("spec") or {}).get("drivers") or []
    names = [driver.get("name") or "" for driver in drivers]
    for index, driver in enumerate(drivers):
        place, node = f"spec.drivers[{index}]", driver.get("nodeID") or ""
        volume_sources.csi_driver_name(found, place + ".name", names[index])
        if not node:
            found.append(fieldpath.required(place + ".nodeID"))
        if len(node) > 256:
            found.append(fieldpath.invalid(place + ".nodeID", node, "must be 256 characters or less"))
        formats.not_negative(found, place + ".allocatable.count", (driver.get("allocatable") or {}).get("count"))
        if names[index] in names[:index]:
            found.append(fieldpath.duplicate(place + ".name", names[index]))
        keys = driver.get("topologyKeys") or []
        for at, key in enumerate(keys):
            if not key:
                found.append(fieldpath.required(place))
            if key in keys[:at]:
                found.append(fieldpath.duplicate(place, key))
            formats.each(found, place, key, formats.qualified_name)


def csi_node_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Drivers come and go; one that stays changes only how much it can take."""
    csi_node(found, new)
    before = {one.get("name"): one for one in (old.get("spec") or {}).get("drivers") or ()}
    for driver in (new.get("spec") or {}).get("drivers") or ():
        was = before.get(driver.get("name"))
        if was is not None and _identity(was) != _identity(driver):
            shown = {
                "Name": driver.get("name") or "",
                "NodeID": driver.get("nodeID") or "",
                "TopologyKeys": driver.get("topologyKeys") or None,
                "Allocatable": None,
            }
            found.append(fieldpath.invalid("spec.drivers", shown, formats.IMMUTABLE))


def _identity(driver: Object) -> Object:
    return {name: value for name, value in driver.items() if name != "allocatable" and value}


def attachment(found: fieldpath.ErrorList, obj: Object) -> None:
    """A VolumeAttachment."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    formats.required_name(found, "spec.attacher", spec.get("attacher"), formats.dns_subdomain_caseless)
    source = spec.get("source") or {}
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    text = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if name is None and inline is None:
        found.append(fieldpath.required("spec.source", text))
    elif name is not None and inline is not None:
        found.append(fieldpath.forbidden("spec.source", text))
    elif name == "":
        place = "spec.source.persistentVolumeName"
        found.append(fieldpath.required(place, "must specify non empty persistentVolumeName"))
    elif inline is not None:
        persistent_volume.volume_spec(found, "spec.source.inlineVolumeSpec", inline, "", inline=True)
    formats.each(found, "spec.nodeName", spec.get("nodeName") or "", formats.dns_subdomain)
    facts = status.get("attachmentMetadata") or {}
    if sum(len(key) + len(value) for key, value in facts.items()) > MOST_BYTES:
        found.append(fieldpath.too_long("status.attachmentMetadata", "", MOST_BYTES))
    for field in ("attachError", "detachError"):
        error = status.get(field) or {}
        if len(error.get("message") or "") > 1024:
            found.append(fieldpath.too_long(f"status.{field}.message", "", 1024))
        if (error.get("errorCode") or 0) < 0:
            text = f"must be between 0 and {2**31 - 1}, inclusive"
            found.append(fieldpath.invalid(f"status.{field}.errorCode", error["errorCode"], text))
    if name is not None:
        formats.each(found, "spec.source.persistentVolumeName", name, formats.dns_subdomain)


def attachment_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """What is attached where does not change."""
    attachment(found, new)
    if new.get("spec") != old.get("spec"):
        found.append(fieldpath.invalid("spec", None, formats.IMMUTABLE))


def capacity(found: fieldpath.ErrorList, obj: Object) -> None:
    """A CSIStorageCapacity."""
    labels.selector(found, "nodeTopology", obj.get("nodeTopology"))
    formats.each(found, "storageClassName", obj.get("storageClassName") or "", formats.dns_subdomain)
    amount = obj.get("capacity")
    if amount is not None and formats.amount(amount).nano < 0:
        found.append(fieldpath.invalid("capacity", str(formats.amount(amount)), formats.NEGATIVE))


def capacity_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Only the amounts change."""
    for field in ("nodeTopology", "storageClassName"):
        formats.immutable(found, field, new.get(field), old.get(field))
