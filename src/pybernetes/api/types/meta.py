"""What all typed objects share: the struct base, metadata, owners, selectors, conditions, and questions about them.

Structs are frozen and carry wire names. A field that Go drops when it is zero has that zero as its default and is not
encoded; a field that Go always writes says `always(zero)`. Lists are tuples, times and quantities are strings.
`metadata.managedFields` is left out on purpose: no component reads it and it is the largest part of many objects.
Upstream: apimachinery/pkg/apis/meta/v1. Pure.
"""

import functools
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

Time = str
"""RFC 3339 text; parse with apimachinery.timestamps."""
Quantity = str
"""`100m`, `1Gi`; parse with apimachinery.quantity."""
Value = TypeVar("Value", str, int, bool, float)


class _Empty(dict[str, Any]):
    """The one empty map that all absent maps share."""

    __slots__ = ()

    def __setitem__(self, key: str, value: Any) -> None:
        raise TypeError("typed objects are read-only")

    def setdefault(self, key: str, default: Any = None) -> Any:
        raise TypeError("typed objects are read-only")

    def update(self, *others: Any, **more: Any) -> None:
        raise TypeError("typed objects are read-only")


EMPTY: Mapping[str, Any] = _Empty()


def always(value: Value) -> Value:
    """A default that is encoded all the same, as Go encodes fields without omitempty."""
    field: Value = msgspec.field(default_factory=functools.partial(type(value), value))
    return field


@typing.dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of every typed object and of every part of one."""


class OwnerReference(Struct):
    """Names the object this one belongs to; at most one owner is the controller."""

    apiVersion: str = always("")
    kind: str = always("")
    name: str = always("")
    uid: str = always("")
    controller: bool | None = None
    blockOwnerDeletion: bool | None = None


class ObjectMeta(Struct):
    """What every object carries: its name, identity, owners, labels."""

    name: str = ""
    generateName: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    generation: int = 0
    creationTimestamp: Time = ""
    deletionTimestamp: Time | None = None
    deletionGracePeriodSeconds: int | None = None
    labels: Mapping[str, str] = EMPTY
    annotations: Mapping[str, str] = EMPTY
    ownerReferences: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()


class ListMeta(Struct):
    """What every list carries."""

    resourceVersion: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remainingItemCount: int | None = None


class LabelSelectorRequirement(Struct):
    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


class LabelSelector(Struct):
    """Labels and expressions that must all hold."""

    matchLabels: Mapping[str, str] = EMPTY
    matchExpressions: tuple[LabelSelectorRequirement, ...] = ()


class FieldSelectorRequirement(Struct):
    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


class Condition(Struct):
    """One aspect of the state of an object, and since when."""

    type: str = always("")
    status: str = always("")
    observedGeneration: int = 0
    lastTransitionTime: Time = ""
    reason: str = always("")
    message: str = always("")


class Object(Struct):
    """Base of the top-level kinds."""

    apiVersion: str = always("")
    kind: str = always("")
    metadata: ObjectMeta = ObjectMeta()


class PartialObject(Object):
    """Of any kind, only what all kinds have."""


def to_dict(value: Struct) -> dict[str, Any]:
    """The plain dict that a struct encodes to, lists as lists (`to_builtins` leaves tuples)."""
    result: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return result


def key(obj: Object) -> str:
    """`namespace/name`, or `name` for what has no namespace."""
    metadata = obj.metadata
    return f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name


def split_key(text: str) -> tuple[str, str]:
    """Namespace ("" if it has none) and name of a key."""
    namespace, _, name = text.rpartition("/")
    return namespace, name


def controller_of(obj: Object) -> OwnerReference | None:
    """The owner that controls the object, if any."""
    return next((owner for owner in obj.metadata.ownerReferences if owner.controller), None)


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Whether that very owner (by uid) controls the object."""
    reference = controller_of(obj)
    return reference is not None and reference.uid == owner.metadata.uid


def owner_reference(obj: Object, *, controller: bool = True) -> OwnerReference:
    """A reference to `obj` as an owner; a controller also blocks its own foreground deletion."""
    return OwnerReference(
        apiVersion=obj.apiVersion,
        kind=obj.kind,
        name=obj.metadata.name,
        uid=obj.metadata.uid,
        controller=True if controller else None,
        blockOwnerDeletion=True if controller else None,
    )
