"""What every object's metadata must be, at creation and at change, in upstream's words.

Path: 8 strategy validates. Pure.
Upstream: k8s.io/apimachinery/pkg/api/validation/objectmeta.go, pkg/apis/meta/v1/validation.
"""

from typing import Any

from pybernetes.apimachinery import fieldpath, gvk, meta, names

Object = dict[str, Any]

NOTHING: Object = {}
ROOT = fieldpath.Path("metadata")
ANNOTATIONS_BYTES = 256 * 1024
IMMUTABLE = "field is immutable"
MANAGER_BYTES = 128
SUBRESOURCE_BYTES = 256

_ORDER = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)


def ordered(metadata: Object) -> Object:
    """The same with members in upstream's order; what is empty or null is left out."""
    result = {name: metadata[name] for name in _ORDER if metadata.get(name)}
    if metadata.get("deletionGracePeriodSeconds") == 0:
        # The only zero that says something: deleted without grace.
        result["deletionGracePeriodSeconds"] = 0
        return {name: result[name] for name in _ORDER if name in result}
    return result


def validate(metadata: Object, *, namespaced: bool, check: names.NameCheck) -> fieldpath.ErrorList:
    """Everything wrong with the metadata of a new object."""
    found: fieldpath.ErrorList = []
    prefix = metadata.get("generateName")
    if prefix:
        path = ROOT.child("generateName")
        found += (fieldpath.invalid(path, prefix, text) for text in names.check_name(check, prefix, prefix=True))
    name = metadata.get("name")
    if not name:
        found.append(fieldpath.required(ROOT.child("name"), "name or generateName is required"))
    else:
        found += (fieldpath.invalid(ROOT.child("name"), name, text) for text in check(name))
    return found + _validate_rest(metadata, namespaced)


def _validate_rest(metadata: Object, namespaced: bool, old: Object = NOTHING) -> fieldpath.ErrorList:
    """What `old` has alike was valid when it was stored and is not judged again."""
    found: fieldpath.ErrorList = []
    namespace = metadata.get("namespace") or ""
    path = ROOT.child("namespace")
    if namespaced and not namespace:
        found.append(fieldpath.required(path))
    elif namespaced:
        found += fieldpath.invalid_each(path, namespace, names.is_dns1123_label)
    elif namespace:
        found.append(fieldpath.forbidden(path, "not allowed on this type"))
    if metadata.get("generation", 0) < 0:
        text = "must be greater than or equal to 0"
        found.append(fieldpath.invalid(ROOT.child("generation"), metadata["generation"], text))
    if metadata.get("labels") and metadata["labels"] != old.get("labels"):
        found += validate_labels(metadata["labels"], ROOT.child("labels"))
    if metadata.get("annotations") and metadata["annotations"] != old.get("annotations"):
        found += validate_annotations(metadata["annotations"], ROOT.child("annotations"))
    if metadata.get("ownerReferences") and metadata["ownerReferences"] != old.get("ownerReferences"):
        found += _validate_owners(metadata["ownerReferences"], ROOT.child("ownerReferences"))
    if metadata.get("finalizers") and metadata["finalizers"] != old.get("finalizers"):
        found += _validate_finalizers(metadata["finalizers"], ROOT.child("finalizers"))
    if metadata.get("managedFields") and metadata["managedFields"] != old.get("managedFields"):
        found += _validate_managers(metadata["managedFields"], ROOT.child("managedFields"))
    return found


def validate_labels(labels: dict[str, str], path: fieldpath.Path) -> fieldpath.ErrorList:
    """Keys are qualified names, values short and simple."""
    found: fieldpath.ErrorList = []
    for key, value in labels.items():
        found += fieldpath.invalid_each(path, key, names.is_qualified_name)
        found += fieldpath.invalid_each(path, value, names.is_label_value)
    return found


def validate_annotations(annotations: dict[str, str], path: fieldpath.Path) -> fieldpath.ErrorList:
    """Keys are qualified names (in any case), and all together are not too large."""
    found: fieldpath.ErrorList = []
    size = 0
    for key, value in annotations.items():
        found += (fieldpath.invalid(path, key, text) for text in names.is_qualified_name(key.lower()))
        size += len(key) + (len(value) if value.isascii() else len(value.encode("utf-8", "surrogateescape")))
    if size > ANNOTATIONS_BYTES:
        found.append(fieldpath.too_long(path, "", ANNOTATIONS_BYTES))
    return found


def _validate_owners(owners: list[Object], path: fieldpath.Path) -> fieldpath.ErrorList:
    found: fieldpath.ErrorList = []
    first = ""
    for index, owner in enumerate(owners):
        place = path.index(index)
        version = owner.get("apiVersion") or ""
        if not version:
            found.append(fieldpath.required(place.child("apiVersion"), "must not be empty"))
        elif version.count("/") > 1 or not gvk.parse_api_version(version).version:
            text = "must be <group>/<version> or <version>"
            found.append(fieldpath.invalid(place.child("apiVersion"), version, text))
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                found.append(fieldpath.required(place.child(field), "must not be empty"))
        if (version, owner.get("kind")) == ("v1", "Event"):
            found.append(fieldpath.invalid(place, owner, "/v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            current = f"{owner.get('kind') or ''}/{owner.get('name') or ''}"
            if first:
                text = "Only one reference can have Controller set to true. "
                text += f'Found "true" in references for {first} and {current}'
                found.append(fieldpath.invalid(path, owners, text))
            else:
                first = current
    return found


def _validate_finalizers(finalizers: list[str], path: fieldpath.Path) -> fieldpath.ErrorList:
    found: fieldpath.ErrorList = []
    for name in finalizers:
        found += fieldpath.invalid_each(path, name, names.is_qualified_name)
    orphan, foreground = meta.FINALIZER_ORPHAN_DEPENDENTS, meta.FINALIZER_DELETE_DEPENDENTS
    if orphan in finalizers and foreground in finalizers:
        text = f"finalizer {orphan} and {foreground} cannot be both set"
        found.append(fieldpath.invalid(path, finalizers, text))
    return found


def _validate_managers(entries: list[Object], path: fieldpath.Path) -> fieldpath.ErrorList:
    found: fieldpath.ErrorList = []
    for index, entry in enumerate(entries):
        place = path.index(index)
        operation = entry.get("operation") or ""
        if not operation:
            found.append(fieldpath.required(place.child("operation"), "must not be empty"))
        elif operation not in ("Apply", "Update"):
            found.append(fieldpath.not_supported(place.child("operation"), operation, ("Apply", "Update")))
        if entry.get("fieldsType") not in (None, "", "FieldsV1"):
            found.append(fieldpath.invalid(place.child("fieldsType"), entry["fieldsType"], "must be `FieldsV1`"))
        found += validate_manager(entry.get("manager") or "", place.child("manager"))
        if len(entry.get("subresource") or "") > SUBRESOURCE_BYTES:
            found.append(fieldpath.too_long(place.child("subresource"), "", SUBRESOURCE_BYTES))
    return found


def validate_manager(manager: str, path: fieldpath.Path) -> fieldpath.ErrorList:
    """The name of a field manager: short, printable."""
    if len(manager) <= MANAGER_BYTES and manager.isascii() and manager.isprintable():
        return []
    found: fieldpath.ErrorList = []
    if len(manager.encode("utf-8", "surrogateescape")) > MANAGER_BYTES:
        found.append(fieldpath.too_long(path, "", MANAGER_BYTES))
    at = 0
    for char in manager:
        if not char.isprintable():
            found.append(fieldpath.invalid(path, manager, f"invalid character U+{ord(char):04X} (at position {at})"))
        at += len(char.encode("utf-8", "surrogateescape"))
    return found


def validate_update(new: Object, old: Object, *, namespaced: bool) -> fieldpath.ErrorList:
    """Everything wrong with the metadata of a changed object."""
    found: fieldpath.ErrorList = []
    name = new.get("name")
    if not name:
        found.append(fieldpath.required(ROOT.child("name"), "name or generateName is required"))
    found += _validate_rest(new, namespaced, old)
    if old.get("deletionTimestamp"):
        extra = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if extra:
            listed = ", ".join(f'"{name}"' for name in extra)
            text = "no new finalizers can be added if the object is being deleted, "
            text += f"found new finalizers []string{{{listed}}}"
            found.append(fieldpath.forbidden(ROOT.child("finalizers"), text))
    if not new.get("resourceVersion"):
        found.append(fieldpath.invalid(ROOT.child("resourceVersion"), "", "must be specified for an update"))
    if new.get("generation", 0) < old.get("generation", 0):
        text = "must not be decremented"
        found.append(fieldpath.invalid(ROOT.child("generation"), new.get("generation", 0), text))
    for field in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(field) != old.get(field):
            found.append(fieldpath.invalid(ROOT.child(field), new.get(field), IMMUTABLE))
    return found
