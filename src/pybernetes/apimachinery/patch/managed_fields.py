"""metadata.managedFields: who set which fields, by what operation, in which version; read, written, kept short.

Upstream: pkg/util/managedfields/internal managedfields.go, capmanagers.go, stripmeta.go (apimachinery). Pure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pybernetes.apimachinery import goformat
from pybernetes.apimachinery.patch import fieldset

APPLY = "Apply"
UPDATE = "Update"
FIELDS_V1 = "FieldsV1"
MAX_UPDATE_MANAGERS = 10
OLD_UPDATES_MANAGER = "ancient-changes"

#: Set by the server, or saying which object it is: nobody's fields.
STRIPPED = fieldset.of(
    [
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            )
        ),
    ]
)


class Manager(NamedTuple):
    """Who: one entry of managedFields. An applier keeps its entry across versions, so it is named without one."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    def describe(self) -> str:
        """As conflicts name it."""
        text = goformat.quote(self.name)
        if self.subresource:
            text += f" with subresource {goformat.quote(self.subresource)}"
        if self.operation == UPDATE:
            text += f" using {self.api_version}"
        return text


class VersionedSet:
    """The fields of one manager, in the terms of one version; read from the entry only when somebody asks."""

    __slots__ = ("_fields", "_raw", "api_version", "applied")

    def __init__(
        self, fields: fieldset.Set | None, api_version: str, applied: bool, raw: dict[str, Any] | None = None
    ) -> None:
        self._fields = fields
        self._raw = raw
        self.api_version = api_version
        self.applied = applied

    @property
    def fields(self) -> fieldset.Set:
        if self._fields is None:
            self._fields = fieldset.from_fields(self._raw or {})
        return self._fields

    def with_fields(self, fields: fieldset.Set) -> VersionedSet:
        return self if fields is self._fields else VersionedSet(fields, self.api_version, self.applied)

    def touched_by(self, paths: fieldset.Set) -> bool:
        """Whether it has one of the paths."""
        if self._fields is None and self._raw is not None:
            return paths.touches(self._raw)
        return not self.fields.intersection(paths).empty

    def without(self, paths: fieldset.Set) -> VersionedSet:
        """Less exactly those paths."""
        if not self.touched_by(paths):
            return self
        if self._raw is None:
            return self.with_fields(self.fields.difference(paths))
        return VersionedSet(None, self.api_version, self.applied, fieldset.subtract(self._raw, paths))

    def plus(self, paths: fieldset.Set) -> VersionedSet:
        """With those paths too."""
        if self._raw is None:
            return self.with_fields(self.fields.union(paths))
        return VersionedSet(None, self.api_version, self.applied, fieldset.add(self._raw, paths))

    @property
    def empty(self) -> bool:
        return self.fields.empty if self._raw is None else not self._raw

    def to_fields(self) -> dict[str, Any]:
        return self._raw if self._raw is not None else self.fields.to_fields()


class Managed:
    """All managers of an object and when each last changed something."""

    __slots__ = ("sets", "times")

    def __init__(self) -> None:
        self.sets: dict[Manager, VersionedSet] = {}
        self.times: dict[Manager, str] = {}

    def copy(self) -> Managed:
        same = Managed()
        same.sets = dict(self.sets)
        same.times = dict(self.times)
        return same


def manager_of(name: str, operation: str, api_version: str, subresource: str) -> Manager:
    return Manager(name or "unknown", operation, "" if operation == APPLY else api_version, subresource)


def decode(entries: list[dict[str, Any]] | None, *, ours: bool = False) -> Managed:
    """FieldsError if an entry is wrong. `ours`: we wrote them, so their fields need not be checked."""
    managed = Managed()
    for position, entry in enumerate(entries or []):
        operation = entry.get("operation") or ""
        api_version = entry.get("apiVersion") or ""
        fields_type = entry.get("fieldsType") or ""
        if operation not in {APPLY, UPDATE}:
            raise fieldset.FieldsError("operation must be `Apply` or `Update`")
        if not api_version:
            raise fieldset.FieldsError("apiVersion must not be empty")
        if not fields_type:
            raise fieldset.FieldsError(f"missing fieldsType in managed fields entry {position}")
        if fields_type != FIELDS_V1:
            quoted = goformat.quote(fields_type)
            raise fieldset.FieldsError(f"invalid fieldsType {quoted} in managed fields entry {position}")
        stamp = "" if operation == APPLY else api_version
        manager = Manager(entry.get("manager") or "", operation, stamp, entry.get("subresource") or "")
        raw = entry.get("fieldsV1") or {}
        fields = None if ours else fieldset.from_fields(raw)
        managed.sets[manager] = VersionedSet(fields, api_version, operation == APPLY, raw if ours else None)
        if entry.get("time"):
            managed.times[manager] = entry["time"]
    return managed


def encode(managed: Managed) -> list[dict[str, Any]]:
    """The entries, appliers first, then the longest unchanged first."""
    entries = []
    for manager, versioned in managed.sets.items():
        entry: dict[str, Any] = {}
        if manager.name:
            entry["manager"] = manager.name
        entry["operation"] = APPLY if versioned.applied else manager.operation
        entry["apiVersion"] = versioned.api_version
        if manager in managed.times:
            entry["time"] = managed.times[manager]
        entry["fieldsType"] = FIELDS_V1
        entry["fieldsV1"] = versioned.to_fields()
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    entries.sort(
        key=lambda entry: (
            entry["operation"],
            entry.get("time", ""),
            entry.get("manager", ""),
            entry["apiVersion"],
            entry.get("subresource", ""),
        )
    )
    return entries


def is_reset(entries: Any) -> bool:
    """Whether a client asks to forget all managers: an empty list, or one empty entry."""
    return isinstance(entries, list) and (not entries or (len(entries) == 1 and not entries[0]))


def strip(managed: Managed, manager: Manager) -> None:
    """Take from a manager what nobody owns."""
    versioned = managed.sets.get(manager)
    if versioned is None:
        return
    rest = versioned.fields.difference(STRIPPED)
    if rest.empty:
        del managed.sets[manager]
    else:
        managed.sets[manager] = versioned.with_fields(rest)


def cap(managed: Managed) -> None:
    """Put the oldest updaters of each version together until no more than the allowed number are left."""
    updaters = [manager for manager, versioned in managed.sets.items() if not versioned.applied]
    excess = len(updaters) - MAX_UPDATE_MANAGERS
    if excess <= 0:
        return
    updaters.sort(key=lambda manager: (managed.times.get(manager, ""), manager))
    first_of_version: dict[str, Manager] = {}
    for manager in updaters:
        if excess <= 0:
            return
        versioned = managed.sets[manager]
        first = first_of_version.setdefault(versioned.api_version, manager)
        if first is manager:
            continue
        bucket = Manager(OLD_UPDATES_MANAGER, UPDATE, versioned.api_version)
        if bucket not in managed.sets:
            managed.sets[bucket] = managed.sets.pop(first)
        together = versioned.fields.union(managed.sets[bucket].fields)
        managed.sets[bucket] = versioned.with_fields(together)
        if manager in managed.times:
            managed.times[bucket] = managed.times[manager]
        if manager != bucket:
            del managed.sets[manager]
        excess -= 1
