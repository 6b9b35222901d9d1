"""Server-side apply, and keeping track of who owns what when others write.

    manager = FieldManager(kind_type, gvk, subresource="")
    new = manager.apply(live, config, "kubectl", force=False, now=stamp)     # errors.ApplyConflict, errors.BadRequest
    new = manager.update(live, new, "controller", now=stamp)                # create, update, any other patch

For a create `live` is an object with apiVersion and kind alone. Results carry metadata.managedFields; defaults are the
caller's to fill in afterwards.

Upstream: pkg/util/managedfields/internal (apimachinery), structured-merge-diff merge/update.go. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pybernetes.apimachinery import errors, goformat, gvk
from pybernetes.apimachinery.patch import comparing, fieldset, managed_fields, merging, typed, typeschema, values

Object = dict[str, Any]
Managed = managed_fields.Managed
Manager = managed_fields.Manager
VersionedSet = managed_fields.VersionedSet
#: An object in another served version with that version's type; None if the version is not served any more.
Convert = Callable[[Object, str], tuple[typeschema.Type, Object] | None]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"
_LAST_APPLIED_MANAGER = "kubectl"
_MAX_ANNOTATIONS = 256 * 1024


class Conflicts(Exception):
    """Fields that other managers own, per manager."""

    def __init__(self, sets: dict[Manager, fieldset.Set]) -> None:
        super().__init__("conflicts")
        self.sets = sets

    def status(self) -> errors.ApplyConflict:
        """The answer for the client."""
        found = [(manager, path) for manager in sorted(self.sets) for path in self.sets[manager].paths()]
        causes = [
            {
                "reason": errors.CAUSE_FIELD_MANAGER_CONFLICT,
                "message": f"conflict with {manager.describe()}",
                "field": fieldset.path_text(path),
            }
            for manager, path in found
        ]
        if len(found) == 1:
            manager, path = found[0]
            where = f"{manager.describe()}: {fieldset.path_text(path)}"
            return errors.ApplyConflict(causes, f"Apply failed with 1 conflict: conflict with {where}")
        lines = []
        for manager in sorted(self.sets):
            lines.append(f"conflicts with {manager.describe()}:")
            lines += [f"- {fieldset.path_text(path)}" for path in self.sets[manager].paths()]
        return errors.ApplyConflict(causes, f"Apply failed with {len(found)} conflicts: " + "\n".join(lines))


class FieldManager:
    """The rules for one version of one kind, or of one of its subresources."""

    def __init__(
        self,
        kind: typeschema.Type,
        version: gvk.GroupVersionKind,
        *,
        subresource: str = "",
        ignored: fieldset.Set | None = None,
        convert: Convert | None = None,
        skeleton: Object | None = None,
    ) -> None:
        """`skeleton` is a zero object; unless given, that of the Go struct which the type describes."""
        self._type = kind
        self._gvk = version
        self._api_version = version.api_version
        self._subresource = subresource
        self._ignored = ignored
        self._convert = convert
        self._skeleton = skeleton

    # For the API server

    def update(self, live: Object, new: Object, name: str, *, now: str) -> Object:
        """The new object with managedFields brought up to date."""
        managed = self._decode_for_update(live, new)
        after = _without_managed_fields(new)
        if managed.sets or not (live.get("metadata") or {}).get("uid"):
            manager = self._manager(name, managed_fields.UPDATE)
            self._track(self._filled(self._plain(live)), self._filled(after), managed, manager, now)
            managed_fields.cap(managed)
        return _with_managed_fields(after, managed)

    def update_or_keep(self, live: Object, new: Object, name: str, *, now: str) -> Object:
        """As update; an object that does not fit its own schema keeps the managedFields it had."""
        try:
            return self.update(live, new, name, now=now)
        except ValueError:
            entries = (live.get("metadata") or {}).get("managedFields")
            kept = _without_managed_fields(new)
            return {**kept, "metadata": {**(kept.get("metadata") or {}), "managedFields": entries}} if entries else kept

    def apply(self, live: Object, config: Object, name: str, *, force: bool, now: str) -> Object:
        """The live object with the applied configuration merged in."""
        self._check(config)
        try:
            managed = managed_fields.decode((live.get("metadata") or {}).get("managedFields"), ours=True)
        except fieldset.FieldsError as error:
            raise errors.StatusError(f"failed to decode managed fields: {error}", code=500) from None
        before = self._plain(live)
        manager = self._manager(name, managed_fields.APPLY)
        if not managed.sets:
            first = self._manager(BEFORE_FIRST_APPLY, managed_fields.UPDATE)
            self._track(self._empty(), before, managed, first, now)
            managed_fields.cap(managed)
        try:
            merged, managed = self._apply(before, config, managed, manager, force=force)
        except Conflicts as conflicts:
            if name != _LAST_APPLIED_MANAGER:
                raise conflicts.status() from None
            self._check_last_applied(before, conflicts)
            merged, managed = self._apply(before, config, managed, manager, force=True)
        changed = merged is not None
        result = typed.settle(merged) if changed else values.copy(_without_managed_fields(live))
        if changed:
            managed.times[manager] = now
        if name == _LAST_APPLIED_MANAGER:
            _update_last_applied(result, config)
        return _with_managed_fields(result, managed)

    # Inside

    def _manager(self, name: str, operation: str) -> Manager:
        return managed_fields.manager_of(name, operation, self._api_version, self._subresource)

    def _empty(self) -> Object:
        """A zero object of the kind."""
        if self._skeleton is None:
            self._skeleton = {
                "apiVersion": self._api_version,
                "kind": self._gvk.kind,
                **typeschema.skeleton(self._type),
            }
        return self._skeleton

    def _plain(self, live: Object) -> Object:
        """The live object without managedFields; for one that does not exist yet, a zero object."""
        if set(live) <= {"apiVersion", "kind", "metadata"} and not (live.get("metadata") or {}).get("uid"):
            return {**self._empty(), **_without_managed_fields(live)} if live.get("metadata") else self._empty()
        return _without_managed_fields(live)

    def _filled(self, obj: Object) -> Object:
        """With the members a Go object always has: getting its first status is not adding a status."""
        missing = {key: item for key, item in self._empty().items() if key not in obj}
        return {**obj, **missing} if missing else obj

    def _decode_for_update(self, live: Object, new: Object) -> Managed:
        """What the writer sent, unless it sent nothing usable or writes a subresource: then what is stored."""
        stored = (live.get("metadata") or {}).get("managedFields")
        sent = (new.get("metadata") or {}).get("managedFields")
        if not self._subresource and sent != stored:
            if managed_fields.is_reset(sent):
                return Managed()
            try:
                managed = managed_fields.decode(sent)
            except fieldset.FieldsError:
                managed = Managed()
            if managed.sets:
                return managed
        try:
            return managed_fields.decode(stored, ours=True)
        except fieldset.FieldsError:
            return Managed()

    def _check(self, config: Object) -> None:
        applied = gvk.of(config)
        if applied != self._gvk:
            raise errors.BadRequest(f"invalid object type: {applied}")
        if (config.get("metadata") or {}).get("managedFields") is not None:
            raise errors.BadRequest("metadata.managedFields must be nil")
        try:
            typed.validate(self._type, config)
        except typed.TypedError as error:
            data = config.get("metadata") or {}
            which = f"{data.get('namespace') or ''}/{data.get('name') or ''}; {applied}"
            raise errors.StatusError(f"failed to create typed patch object ({which}): {error}", code=500) from None

    def _track(self, live: Object, new: Object, managed: Managed, manager: Manager, now: str) -> None:
        """Give the manager what it changed and take it from the others."""
        comparison = self._settle_others(live, new, managed, None, force=True)
        fields = comparison.written
        if self._ignored is not None:
            fields = fields.recursive_difference(self._ignored)
        fields = fields.difference(managed_fields.STRIPPED)
        if fields.empty:
            return
        previous = managed.sets.get(manager)
        managed.sets[manager] = (
            VersionedSet(fields, self._api_version, False) if previous is None else previous.plus(fields)
        )
        managed.times[manager] = now

    def _apply(
        self, live: Object, config: Object, managed: Managed, manager: Manager, *, force: bool
    ) -> tuple[Any, Managed]:
        """The merged object, None if it is as it was, and its managers."""
        managed = managed.copy()
        self._reconcile(live, managed)
        try:
            merged = merging.merge(self._type, live, config)
        except typed.TypedError as error:
            raise errors.StatusError(f"failed to merge config: {error}", code=500) from None
        last = managed.sets.get(manager)
        fields = typed.to_field_set(self._type, config)
        if self._ignored is not None:
            fields = fields.recursive_difference(self._ignored)
        managed.sets[manager] = VersionedSet(fields, self._api_version, True)
        merged = self._prune(merged, managed, last)
        self._settle_others(live, merged, managed, manager, force=force)
        managed_fields.strip(managed, manager)
        return (None if comparing.same(live, merged) else merged), managed

    def _at(self, obj: Any, api_version: str) -> tuple[typeschema.Type, Any] | None:
        """The object, of whatever version, in that version; None if it is not served."""
        if api_version == self._api_version and (typed.is_emptied(obj) or obj.get("apiVersion") == api_version):
            return self._type, obj
        return self._convert(typed.settle(obj), api_version) if self._convert is not None else None

    def _reconcile(self, live: Object, managed: Managed) -> None:
        """What became atomic since it was recorded is owned as a whole."""
        for manager, versioned in list(managed.sets.items()):
            there = self._at(live, versioned.api_version)
            if there is None:
                del managed.sets[manager]
                continue
            managed.sets[manager] = versioned.with_fields(typed.reconcile(there[0], versioned.fields))

    def _settle_others(
        self, live: Object, new: Any, managed: Managed, manager: Manager | None, *, force: bool
    ) -> comparing.Comparison:
        """Find what other managers lose: Conflicts unless forced. Returns what changed."""
        own = comparing.compare(self._type, live, new).without(self._ignored)
        comparisons = {self._api_version: own}
        conflicts: dict[Manager, fieldset.Set] = {}
        for other, versioned in list(managed.sets.items()):
            if other == manager:
                continue
            comparison = comparisons.get(versioned.api_version)
            if comparison is None:
                before, after = self._at(live, versioned.api_version), self._at(new, versioned.api_version)
                if before is None or after is None:
                    del managed.sets[other]
                    continue
                comparison = comparing.compare(before[0], before[1], after[1])
                comparisons[versioned.api_version] = comparison
            if not force and versioned.touched_by(comparison.written):
                conflicts[other] = versioned.fields.intersection(comparison.written)
        if conflicts:
            raise Conflicts(conflicts)
        for other, versioned in list(managed.sets.items()):
            if other == manager:
                continue
            comparison = comparisons[versioned.api_version]
            managed.sets[other] = rest = versioned.without(comparison.written).without(comparison.removed)
            if rest is not versioned and rest.empty:
                del managed.sets[other]
        return own

    def _prune(self, merged: Any, managed: Managed, last: VersionedSet | None) -> Any:
        """Take out what the manager applied last time, not this time, and nobody else owns."""
        if last is None or last.fields.empty:
            return merged
        there = self._at(merged, last.api_version)
        if there is None:
            return merged
        kind, converted = there
        members = typed.named_fields_as_members(kind, last.fields)
        pruned = typed.remove_items(kind, converted, members)
        by_version: dict[str, fieldset.Set] = {}
        for versioned in managed.sets.values():
            known = by_version.get(versioned.api_version, fieldset.EMPTY)
            by_version[versioned.api_version] = known.union(versioned.fields)
        for version in sorted(by_version, key=lambda each: each != last.api_version):
            pruned = self._add_back_owned(converted, pruned, version, by_version[version])
        in_last_version = self._at(pruned, last.api_version)
        if in_last_version is None:
            return merged
        merged_set = typed.named_fields_as_members(kind, typed.to_field_set(kind, converted))
        pruned_set = typed.named_fields_as_members(kind, typed.to_field_set(kind, in_last_version[1]))
        # What went only because something around it went comes back, unless the manager had applied it.
        gone = merged_set.difference(pruned_set).intersection(members)
        result = typed.remove_items(kind, converted, gone)
        back = self._at(result, self._api_version)
        return merged if back is None else back[1]

    def _add_back_owned(self, merged: Any, pruned: Any, version: str, owned: fieldset.Set) -> Any:
        there, rest = self._at(merged, version), self._at(pruned, version)
        if there is None or rest is None:
            return pruned
        kind = there[0]
        merged_set = typed.named_fields_as_members(kind, typed.to_field_set(kind, there[1]))
        pruned_set = typed.named_fields_as_members(kind, typed.to_field_set(kind, rest[1]))
        kept = pruned_set.union(typed.named_fields_as_members(kind, owned))
        return typed.remove_items(kind, there[1], merged_set.difference(kept))

    def _check_last_applied(self, live: Object, conflicts: Conflicts) -> None:
        """kubectl may take fields that its client-side apply set and nobody changed since."""
        allowed = self._last_applied_fields(live)
        rest = {
            manager: fieldset.of(path for path in taken.paths() if allowed is None or not allowed.has(path))
            for manager, taken in conflicts.sets.items()
        }
        remaining = {manager: taken for manager, taken in rest.items() if not taken.empty}
        if remaining:
            raise Conflicts(remaining).status()

    def _last_applied_fields(self, live: Object) -> fieldset.Set | None:
        text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
        if not text:
            return None
        try:
            applied = json.loads(text)
            if not isinstance(applied, dict) or applied.get("apiVersion") != self._api_version:
                return None
            typed.validate(self._type, applied)
            comparison = comparing.compare(self._type, applied, live)
        except ValueError:
            return None
        fields = typed.to_field_set(self._type, applied)
        return fields.difference(comparison.modified).difference(comparison.added).difference(comparison.removed)


def _without_managed_fields(obj: Object) -> Object:
    data = obj.get("metadata")
    if not data or "managedFields" not in data:
        return obj
    return {**obj, "metadata": {key: item for key, item in data.items() if key != "managedFields"}}


def _with_managed_fields(obj: Object, managed: Managed) -> Object:
    entries = managed_fields.encode(managed)
    if not entries:
        return _without_managed_fields(obj)
    return {**obj, "metadata": {**(obj.get("metadata") or {}), "managedFields": entries}}


def _update_last_applied(obj: Object, config: Object) -> None:
    """An object that kubectl once applied on the client keeps the annotation in step."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    if not annotations.get(LAST_APPLIED):
        return
    recorded: Object = values.copy(config)
    if (recorded.get("metadata") or {}).get("annotations"):
        recorded["metadata"]["annotations"].pop(LAST_APPLIED, None)
    annotations[LAST_APPLIED] = goformat.to_sorted_json(recorded) + "\n"
    if sum(len(key) + len(item.encode()) for key, item in annotations.items()) > _MAX_ANNOTATIONS:
        del annotations[LAST_APPLIED]
