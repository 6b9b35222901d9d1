"""Deleting one object of a store, or many: grace, finalizers and dependents carried out.

Path: deletion. Upstream: k8s.io/apiserver/pkg/registry/generic/registry/store.go (Delete, DeleteCollection).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from pybernetes.aio import tasks
from pybernetes.apimachinery import errors, gvk, meta
from pybernetes.apiserver.registry import deletion, operation, store, strategy
from pybernetes.storage import backend as backends
from pybernetes.storage import cached

Object = dict[str, Any]

WORKERS = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """The object as it was last, and whether it is gone now."""

    last: cached.Cached
    gone: bool


async def delete(target: store.Store, op: operation.Operation, options: Object) -> Outcome:
    """Delete one object as the DeleteOptions want. Raises NotFound, Conflict, Invalid, what admission refuses with."""
    deletion.validate_options(options)
    wanted = operation.Preconditions.of(options.get("preconditions"))
    key = target.key(op.namespace, op.name)
    current = await target.current(key)
    while True:
        if current is None:
            raise errors.NotFound(target.resource, op.name)
        try:
            return await _delete_once(target, op, dict(options), current, wanted)
        except backends.CompareFailed as conflict:
            found = conflict.current
            current = None if found is None else target.served(found)
            if current is not None and wanted.resource_version:
                deletion.check_preconditions(_about(target), current.object(), wanted)


async def _delete_once(
    target: store.Store,
    op: operation.Operation,
    options: Object,
    current: cached.Cached,
    wanted: operation.Preconditions,
) -> Outcome:
    context = target.context(op)
    obj = await target.convert(current.object(), target.kind)
    deletion.check_preconditions(_about(target), obj, wanted)
    refusal = target.strategy.refuse_deletion(obj)
    if refusal:
        raise errors.Forbidden(target.resource, op.name, refusal)
    old = await target.convert(current.object(), context.kind)
    await target.environment.admission.both(target.attributes(op, "DELETE", None, old))
    grace = deletion.before_delete(target.strategy, context, obj, options)
    if grace is deletion.Grace.PENDING:
        return Outcome(current, gone=False)
    changed = deletion.collection_finalizers(target.strategy, obj, options)
    held = bool(meta.finalizers(obj)) or target.strategy.holds(obj)
    if grace is deletion.Grace.NONE and held:
        before = current.object()
        deletion.mark(target.strategy, context, obj)
        changed = obj != before
    elif grace is deletion.Grace.STARTED:
        changed = True
    if changed:
        current = await _write(target, op, obj, current)
    if held or (grace is deletion.Grace.STARTED and options.get("gracePeriodSeconds")):
        return Outcome(current, gone=False)
    return await _remove(target, op, context, current)


def _about(target: store.Store) -> gvk.GroupResource:
    """How the refusals of a deletion call the resource: upstream by its kind."""
    return gvk.GroupResource(target.kind.group, target.kind.kind)


async def _write(target: store.Store, op: operation.Operation, obj: Object, current: cached.Cached) -> cached.Cached:
    value = target.encode(obj)
    if op.dry_run:
        return target.unstored(current.key, value, current.revision)
    return target.served(await target.environment.backend.update(current.key, value, expected=current.revision))


async def _remove(
    target: store.Store, op: operation.Operation, context: strategy.Context, current: cached.Cached
) -> Outcome:
    if op.dry_run:
        return Outcome(current, gone=True)
    record = await target.environment.backend.delete(current.key, expected=current.revision)
    await target.strategy.after_delete(context, current.object())
    return Outcome(current.at(record.mod_revision), gone=True)


async def delete_collection(
    target: store.Store, op: operation.Operation, options: Object, found: Sequence[cached.Cached]
) -> list[cached.Cached]:
    """Delete each of those objects, several at a time; those that are gone already are no failure."""

    async def one(item: cached.Cached) -> cached.Cached | None:
        facts = item.object()["metadata"]
        its = dataclasses.replace(op, name=facts["name"], namespace=facts.get("namespace", ""))
        try:
            return (await delete(target, its, dict(options))).last
        except errors.NotFound:
            return None

    deleted: list[cached.Cached] = []
    for start in range(0, len(found), WORKERS):
        outcomes = await tasks.gather(*(one(item) for item in found[start : start + WORKERS]), name="delete")
        deleted += [outcome for outcome in outcomes if outcome is not None]
    return deleted
