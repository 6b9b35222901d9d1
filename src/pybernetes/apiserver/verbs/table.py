"""Objects as a Table (what `kubectl get` prints) or as their metadata alone.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/response.go.
"""

import datetime
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from pybernetes.api import columns, kinds
from pybernetes.api.columns import table
from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.verbs import negotiate
from pybernetes.storage import cached

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


def of_stored(context: contexts.RequestContext, stored: Iterable[cached.Cached], facts: Object) -> bytes:
    """The same from cached objects, encoded: a row is put together once for each revision, then only ages change.

    Budget: 5 us a row (bench: tests/bench/run.py, Table).
    """
    wanted, version = include(context), negotiate.output(context).version
    kind, now = context.kind, context.clock.now()
    rows = []
    for item in stored:
        row = item.derived
        if type(row) is not Row or row.kind is not kind:
            row = item.derived = Row(kind, item.data)
        rows.append(row.encode(item.data, now, wanted, version))
    return b'%b,"rows":[%b]}' % (_encode(_empty(context, facts, headers=True))[:-1], b",".join(rows))


class Row:
    """One object's row, encoded but for its ages: `parts` are JSON and, where time matters, `Ago`s."""

    __slots__ = ("conditions", "end", "kind", "parts", "start")

    def __init__(self, kind: kinds.Kind, data: bytes) -> None:
        self.kind = kind
        obj, raw = _split(data)
        self.start = data.index(raw)
        self.end = self.start + len(raw)
        self.conditions = _encode(found) if (found := columns.conditions(kind, obj)) else b""
        self.parts: list[bytes | table.Ago] = []
        for cell in columns.columns(kind).cells(obj):
            if isinstance(cell, table.Ago):
                self.parts.append(cell)
            elif self.parts and isinstance(last := self.parts[-1], bytes):
                self.parts[-1] = last + b"," + _encode(cell)
            else:
                self.parts.append(_encode(cell))

    def encode(self, data: bytes, now: datetime.datetime, wanted: str, version: str) -> bytes:
        """The row's JSON at that time."""
        cells = b",".join([part if isinstance(part, bytes) else b'"%b"' % part.at(now).encode() for part in self.parts])
        conditions = b',"conditions":' + self.conditions if self.conditions else b""
        if wanted == "None":
            return b'{"cells":[%b]%b,"object":null}' % (cells, conditions)
        if wanted == "Object":
            return b'{"cells":[%b]%b,"object":%b}' % (cells, conditions, data)
        head = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":' % version.encode()
        return b'{"cells":[%b]%b,"object":%b%b}}' % (cells, conditions, head, data[self.start : self.end])


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
        else:
            made["object"] = obj if wanted == "Object" else None
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
_encode = msgspec.json.Encoder().encode


def _split(data: bytes) -> tuple[Object, bytes]:
    parts = _parts(data)
    raw = parts.pop("metadata")
    obj: Object = {name: _value(part) for name, part in parts.items()}
    obj["metadata"] = msgspec.to_builtins(_facts(raw))
    return obj, bytes(raw)
