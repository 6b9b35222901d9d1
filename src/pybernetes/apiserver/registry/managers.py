"""Who set which field: managedFields for every write, and server-side apply on top of it.

Upstream: k8s.io/apimachinery/pkg/util/managedfields, k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager.
"""

import functools
from typing import Any

from pybernetes.api import kinds, schemas
from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.patch import apply as applying
from pybernetes.apimachinery.patch import fieldset, typeschema
from pybernetes.apiserver.registry import operation
from pybernetes.apiserver.registry import store as stores

Object = dict[str, Any]


@functools.cache
def _types() -> typeschema.Types:
    return typeschema.Types(schemas.served().definition)


@functools.cache
def field_manager(kind: kinds.Kind, subresource: str) -> applying.FieldManager | None:
    """The field manager of a built-in kind; None where no schema describes it."""
    name = schemas.served().name_of(kind.group, kind.version, kind.kind)
    if name is None:
        return None
    ignored = reset_fields(kind, subresource)
    return applying.FieldManager(_types().named(name), kind.gvk, subresource=subresource, ignored=ignored)


def reset_fields(kind: kinds.Kind, subresource: str) -> fieldset.Set:
    """What a request to that path may not touch, and so does not come to own."""
    if subresource == "status":
        return fieldset.Set({"f:spec", "f:metadata"} if kind.custom else {"f:spec"})
    return fieldset.Set({"f:status"} if not subresource and kind.subresource("status") is not None else set())


def of(store: stores.Store, op: operation.Operation) -> applying.FieldManager | None:
    """The field manager of what this operation writes."""
    if op.kind.custom:
        return store.strategy.field_manager(op.kind, op.subresource)
    return field_manager(op.kind, op.subresource)


def _now(store: stores.Store) -> str:
    return timestamps.format_time(store.environment.clock.now())


def apply(store: stores.Store, op: operation.Operation, live: Object, config: Object, *, force: bool) -> Object:
    """The live object with the configuration applied. Raises ApplyConflict, BadRequest."""
    manager = of(store, op)
    assert manager is not None
    return manager.apply(live, config, op.manager, force=force, now=_now(store))


def update(store: stores.Store, op: operation.Operation, live: Object | None, new: Object) -> Object:
    """The new object with managedFields that tell what this write changed."""
    manager = of(store, op)
    if manager is None:
        return new
    live = live if live is not None else {"apiVersion": op.kind.api_version, "kind": op.kind.kind}
    return manager.update_or_keep(live, new, op.manager, now=_now(store))
