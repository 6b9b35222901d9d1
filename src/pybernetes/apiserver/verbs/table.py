"""Objects as a Table (what `kubectl get` prints) or as their metadata alone.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/response.go.
"""

from collections.abc import Iterable
from typing import Any

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
    form = negotiate.output(context)
    wanted = include(context)
    shown = columns.columns(context.kind)
    now = context.clock.now()
    listed = ("resourceVersion", "continue", "remainingItemCount")
    table: Object = {
        "kind": negotiate.TABLE,
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": {name: facts[name] for name in listed if facts.get(name)},
        "columnDefinitions": shown.definitions if headers else None,
    }
    rows: list[Object] = []
    for obj in objects:
        row: Object = {"cells": shown.row(obj, now)}
        conditions = columns.conditions(context.kind, obj)
        if conditions:
            row["conditions"] = conditions
        if wanted == "Metadata":
            row["object"] = partial(obj, form.version)
        elif wanted == "Object":
            row["object"] = obj
        rows.append(row)
    table["rows"] = rows
    return table
