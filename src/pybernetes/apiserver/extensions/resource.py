"""The rules of every custom resource: what its CustomResourceDefinition says of its versions.

Upstream: apiextensions-apiserver pkg/registry/customresource, pkg/apiserver/customresource_handler.go.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from pybernetes.api import kinds, schemas
from pybernetes.api.codec import failure
from pybernetes.api.openapi import custom
from pybernetes.apimachinery import errors, fieldpath, names
from pybernetes.apimachinery.patch import apply as applying
from pybernetes.apimachinery.patch import typeschema, values
from pybernetes.apiserver.extensions import conversion, structural, validator
from pybernetes.apiserver.registry import managers, strategy

Object = dict[str, Any]

TERMINATING = "create not allowed while custom resource definition is terminating"
STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
_INT32_MOST = 2**31 - 1

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class CustomResourceStrategy(strategy.Strategy):
    """The rows are all versions of one resource, `stored` the one in which it is stored."""

    allow_unconditional_update = False

    def __init__(
        self, rows: Sequence[kinds.Kind], stored: kinds.Kind, webhook: conversion.Webhook | None = None
    ) -> None:
        self._rows = {row.api_version: row for row in rows}
        self._stored = stored
        self._managers: dict[tuple[str, str], applying.FieldManager] = {}
        self.selectable_fields = sorted({path for row in rows for path in _custom(row).selectable_fields})
        self._webhook = webhook
        self.mixed = webhook is not None
        self.upgrade = self._upgrade

    # --- reading

    def read(self, kind: kinds.Kind, obj: Object) -> list[str]:
        """Unknown fields go, defaults come."""
        unknown = structural.read(obj, _custom(kind).schema)
        return [f'unknown field "{path}"' for path in unknown]

    def _upgrade(self, value: bytes) -> bytes:
        """What is stored may be in another version, and lack what the schema has got since."""
        obj = _decode(value)
        row = self._rows.get(obj.get("apiVersion"))
        if row is not None:
            with contextlib.suppress(failure.DecodeError):
                structural.read(obj, _custom(row).schema)
        return _encode(obj if self.mixed else self._converted(obj, self._stored))

    async def convert(self, objects: Sequence[Object], to: kinds.Kind) -> Sequence[Object]:
        """The objects in another version: the same fields, as far as that version has them, or as the webhook says."""
        if self._webhook is None:
            return [self._converted(obj, to) for obj in objects]
        foreign = [index for index, obj in enumerate(objects) if obj.get("apiVersion") != to.api_version]
        if not foreign:
            return objects
        found = list(objects)
        made = await self._webhook.convert([objects[index] for index in foreign], to.api_version)
        for index, obj in zip(foreign, made, strict=True):
            structural.read(obj, _custom(to).schema)
            found[index] = obj
        return found

    def _converted(self, obj: Object, to: kinds.Kind) -> Object:
        if obj.get("apiVersion") != to.api_version:
            obj = {**obj, "apiVersion": to.api_version}
            structural.read(obj, _custom(to).schema)
        return obj

    # --- writing

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """Through its subresource only the status changes; without that, status counts as wanted state."""
        facts, before = new["metadata"], old["metadata"]
        if context.subresource == "status":
            kept = {name: facts[name] for name in ("managedFields", "resourceVersion") if name in facts}
            new["metadata"] = {**{name: item for name, item in before.items() if name != "managedFields"}, **kept}
        elif context.kind.subresource("status") is None and new.get("status") != old.get("status"):
            facts["generation"] = before.get("generation", 0) + 1

    async def begin_create(self, context: strategy.Context, new: Object) -> None:
        """Nothing new while the definition is on its way out."""
        if _custom(context.kind).terminating:
            raise errors.Forbidden(context.kind.group_resource, new["metadata"].get("name", ""), TERMINATING)

    def warnings(self, context: strategy.Context, new: Object, old: Object | None) -> None:
        """Finalizers should say whose they are."""
        had = (old or {"metadata": {}})["metadata"].get("finalizers") or ()
        for name in sorted(set(new["metadata"].get("finalizers") or ()) - set(had)):
            head = f'metadata.finalizers: "{name}": '
            context.warnings += (head + text for text in names.is_qualified_name(name))
            if "/" not in name and name not in STANDARD_FINALIZERS:
                path = " including a path (/)" if "." in name else ""
                text = f"prefer a domain-qualified finalizer name{path} to avoid accidental conflicts"
                context.warnings.append(f"{head}{text} with other finalizer writers")

    def validate(self, context: strategy.Context, new: Object) -> fieldpath.ErrorList:
        """The schema's verdict on a new object."""
        version = _custom(context.kind)
        found = validator.validate(new, version.schema)
        _scale(found, new, version.scale, status_only=False)
        structural.embedded(found, new, version.schema)
        structural.lists(found, new, version.schema)
        return found

    def validate_update(self, context: strategy.Context, new: Object, old: Object) -> fieldpath.ErrorList:
        """What was wrong before may stay so."""
        version = _custom(context.kind)
        schema, status_only = version.schema, context.subresource == "status"
        found: fieldpath.ErrorList = []
        if not status_only:
            found += validator.validate(new, schema, old)
        elif "status" in new:
            below = (schema.get("properties") or {}).get("status") or {}
            found += validator.validate(new["status"], below, old.get("status", validator.MISSING), "status")
        _scale(found, new, version.scale, status_only=status_only)
        if not status_only:
            structural.embedded(found, new, schema)
        before: fieldpath.ErrorList = []
        structural.lists(before, old, schema)
        if not before:
            structural.lists(found, new, schema)
        return found

    # --- who set what

    def field_manager(self, kind: kinds.Kind, subresource: str) -> applying.FieldManager:
        """Who tracks the fields, by the schema; what the request may not touch is nobody's."""
        made = self._managers.get((kind.version, subresource))
        if made is None:
            ignored = managers.reset_fields(kind, subresource)
            made = applying.FieldManager(
                _type(kind),
                kind.gvk,
                subresource=subresource,
                ignored=ignored,
                convert=self._in_version,
                skeleton={"apiVersion": kind.api_version, "kind": kind.kind},
            )
            self._managers[kind.version, subresource] = made
        return made

    def _in_version(self, obj: Object, api_version: str) -> tuple[typeschema.Type, Object] | None:
        row = self._rows.get(api_version)
        return None if row is None else (_type(row), self._converted(values.copy(obj), row))


def _custom(kind: kinds.Kind) -> kinds.CustomVersion:
    assert kind.custom is not None
    return kind.custom


def _type(kind: kinds.Kind) -> typeschema.Type:
    schema = _custom(kind).schema
    if schema.get(custom.PRESERVE) and not schema.get("properties"):
        schema = {**schema, "properties": {}}
    return typeschema.Types(schemas.served().definition).of(custom.definition(kind, schema))


def _scale(found: fieldpath.ErrorList, obj: Object, paths: tuple[str, str, str] | None, *, status_only: bool) -> None:
    """What the scale subresource reads must be numbers of replicas, and text."""
    if paths is None:
        return
    wanted, there, selector = paths
    for path in (there,) if status_only else (wanted, there):
        value, problem = _dig(obj, path, int)
        if problem:
            found.append(fieldpath.invalid(path, 0, problem))
        elif value and value < 0:
            found.append(fieldpath.invalid(path, value, "should be a non-negative integer"))
        elif value and value > _INT32_MOST:
            found.append(fieldpath.invalid(path, value, f"should be less than or equal to {_INT32_MOST}"))
    if selector:
        _, problem = _dig(obj, selector, str)
        if problem:
            found.append(fieldpath.invalid(selector, "", problem))


_GO = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", int: "int64", float: "float64"}


def _dig(obj: Any, path: str, wanted: type) -> tuple[Any, str]:
    """The value at a path, or why there cannot be one."""
    parts = path.strip(".").split(".")
    for part in parts:
        if not isinstance(obj, dict):
            return None, f"{path} accessor error: {obj} is of the type {_go(obj)}, expected map[string]interface{{}}"
        if part not in obj:
            return None, ""
        obj = obj[part]
    if obj is None or type(obj) is not wanted:
        return None, f"{path} accessor error: {obj} is of the type {_go(obj)}, expected {_GO[wanted]}"
    return obj, ""


def _go(value: Any) -> str:
    return "bool" if isinstance(value, bool) else _GO.get(type(value), "<nil>")
