"""Objects as a Table (what `kubectl get` prints) or as their metadata alone.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/response.go.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from pybernetes.api import columns
from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.verbs import negotiate

Object = dict[str, Any]

INCLUDES = frozenset({"", "Metadata", "Object", "None"})


def partial(obj: Object, version: str = "v1") -> Object:
    """The object's metadata alone."""
    return {
        "kind": negotiate.PARTIAL,
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.get("metadata", {}),
    }


def include(context: contexts.RequestContext) -> str:
    """How much of its object each row carries. Raises BadRequest."""
    wanted = context.parameter("includeObject")
    if wanted not in INCLUDES:
        raise errors.BadRequest(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{wanted}": '
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    return wanted or "Metadata"


def of(context: contexts.RequestContext, objects: Iterable[Object], facts: Object, *, headers: bool = True) -> Object:
    """The Table of those objects; `facts` is the metadata of the list (or of the one object)."""
    made = _empty(context, facts, headers=headers)
    row = _rows(context)
    made["rows"] = [row(obj, obj.get("metadata", {})) for obj in objects]
    return made


def of_stored(context: contexts.RequestContext, stored: Iterable[bytes], facts: Object) -> Object:
    """The same from encoded objects, whose metadata goes into the rows without being read and written again."""
    made = _empty(context, facts, headers=True)
    row = _rows(context)
    made["rows"] = [row(*_split(data)) for data in stored]
    return made


def _empty(context: contexts.RequestContext, facts: Object, *, headers: bool) -> Object:
    listed = ("resourceVersion", "continue", "remainingItemCount")
    return {
        "kind": negotiate.TABLE,
        "apiVersion": f"meta.k8s.io/{negotiate.output(context).version}",
        "metadata": {name: facts[name] for name in listed if facts.get(name)},
        "columnDefinitions": columns.columns(context.kind).definitions if headers else None,
    }


def _rows(context: contexts.RequestContext) -> Callable[[Object, Any], Object]:
    """A function from an object, and its metadata as they are to be shown, to its row."""
    wanted, version = include(context), negotiate.output(context).version
    kind, now = context.kind, context.clock.now()
    cells = columns.columns(kind).row

    def row(obj: Object, facts: Any) -> Object:
        made: Object = {"cells": cells(obj, now)}
        conditions = columns.conditions(kind, obj)
        if conditions:
            made["conditions"] = conditions
        if wanted == "Metadata":
            made["object"] = {
                "kind": negotiate.PARTIAL,
                "apiVersion": f"meta.k8s.io/{version}",
                "metadata": facts,
            }
        elif wanted == "Object":
            made["object"] = obj
        return made

    return row


class _Facts(msgspec.Struct, omit_defaults=True):
    """Metadata as columns may ask for them: everything but who manages which field, which is most of it."""

    name: str = ""
    generateName: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    generation: int = 0
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None
    deletionGracePeriodSeconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    ownerReferences: list[Any] | None = None
    finalizers: list[str] | None = None


_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_facts = msgspec.json.Decoder(_Facts).decode
_value = msgspec.json.Decoder().decode


def _split(data: bytes) -> tuple[Object, msgspec.Raw]:
    parts = _parts(data)
    raw = parts.pop("metadata")
    obj: Object = {name: _value(part) for name, part in parts.items()}
    obj["metadata"] = msgspec.to_builtins(_facts(raw))
    return obj, raw
