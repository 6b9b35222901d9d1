"""What every object carries, read and written on plain dicts: names, owners, finalizers, deletion, conditions.

Readers accept objects without metadata; writers change the object they are given.

Upstream: pkg/apis/meta/v1, pkg/api/meta (apimachinery), controllerutil. Pure.
"""

import random
import uuid
from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]

FINALIZER_ORPHAN_DEPENDENTS = "orphan"
FINALIZER_DELETE_DEPENDENTS = "foregroundDeletion"
NAMESPACE_DEFAULT = "default"
NAMESPACE_SYSTEM = "kube-system"
NAMESPACE_PUBLIC = "kube-public"
NAMESPACE_NODE_LEASE = "kube-node-lease"
ANNOTATION_MIRROR = "kubernetes.io/config.mirror"
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends a streaming list."""


def new_object(api_version: str, kind: str, name: str, namespace: str = "", **members: Any) -> Object:
    """The skeleton of an object; further members (spec=..., data=...) follow metadata."""
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **members}


def new_uid(rand: random.Random) -> str:
    """A random (version 4) UUID."""
    return str(uuid.UUID(int=rand.getrandbits(128), version=4))


def metadata(obj: Object) -> Object:
    """The object's metadata, put there if it was missing."""
    found = obj.get("metadata")
    if found is None:
        found = obj["metadata"] = {}
    return found


def _read(obj: Object) -> Object:
    return obj.get("metadata") or {}


def name(obj: Object) -> str:
    return _read(obj).get("name") or ""


def uid(obj: Object) -> str:
    return _read(obj).get("uid") or ""


def labels(obj: Object) -> dict[str, str]:
    return _read(obj).get("labels") or {}


def annotations(obj: Object) -> dict[str, str]:
    return _read(obj).get("annotations") or {}


def is_mirror(obj: Object) -> bool:
    """Whether this Pod only shows a static one."""
    return ANNOTATION_MIRROR in annotations(obj)


def is_deleting(obj: Object) -> bool:
    return bool(_read(obj).get("deletionTimestamp"))


# Owners


def owners(obj: Object) -> list[Object]:
    return _read(obj).get("ownerReferences") or []


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the one controller that manages the object."""
    for owner in owners(obj):
        if owner.get("controller"):
            return owner
    return None


# Finalizers


def finalizers(obj: Object) -> list[str]:
    return _read(obj).get("finalizers") or []


def has_finalizer(obj: Object, finalizer: str) -> bool:
    return finalizer in finalizers(obj)


def add_finalizer(obj: Object, finalizer: str) -> bool:
    """Whether it was not there before."""
    if has_finalizer(obj, finalizer):
        return False
    metadata(obj)["finalizers"] = [*finalizers(obj), finalizer]
    return True


def remove_finalizer(obj: Object, finalizer: str) -> bool:
    """Whether it was there before."""
    if not has_finalizer(obj, finalizer):
        return False
    _set_or_drop(metadata(obj), "finalizers", [entry for entry in finalizers(obj) if entry != finalizer])
    return True


def _set_or_drop(data: Object, member: str, value: list[Any]) -> None:
    if value:
        data[member] = value
    else:
        data.pop(member, None)


# Conditions


def conditions(obj: Object) -> list[Object]:
    return (obj.get("status") or {}).get("conditions") or []


def condition(obj: Object | Iterable[Object], kind: str) -> Object | None:
    """The condition of this type, from an object or from a list of conditions."""
    for entry in conditions(obj) if isinstance(obj, dict) else obj:
        if entry.get("type") == kind:
            return entry
    return None


def condition_is(obj: Object | Iterable[Object], kind: str, status: str = "True") -> bool:
    found = condition(obj, kind)
    return found is not None and bool(found.get("status") == status)


def set_condition(entries: list[Object], new: Object, now: str) -> bool:
    """Put a condition into the list; lastTransitionTime moves only when the status does. Whether anything changed."""
    existing = condition(entries, new["type"])
    if existing is None:
        entries.append({**new, "lastTransitionTime": new.get("lastTransitionTime") or now})
        return True
    before = dict(existing)
    if existing.get("status") != new.get("status"):
        existing["lastTransitionTime"] = new.get("lastTransitionTime") or now
    existing.update({member: value for member, value in new.items() if member != "lastTransitionTime"})
    return existing != before


# References
