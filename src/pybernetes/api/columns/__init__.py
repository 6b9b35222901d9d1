"""Server-side Table columns of every built-in kind: what `kubectl get` prints.

`columns(kind)` gives the definitions and a function from an object to its cells; kinds that are not listed show name
and creation time, custom resources what their definition says.
Pure.
Upstream: pkg/printers/internalversion/printers.go.
"""

import dataclasses
import datetime
import functools
from typing import Any

from pybernetes.api import kinds
from pybernetes.api.columns import core, custom, others, pods, table, workloads

BY_RESOURCE: dict[str, tuple[table.Column, ...]] = {
    **core.COLUMNS,
    **workloads.COLUMNS,
    **others.COLUMNS,
    "pods": pods.COLUMNS,
}
DEFAULT = (table.NAME, table.CREATED_AT)


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind."""

    columns: tuple[table.Column, ...]

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The `columnDefinitions` of a Table."""
        return [one.definition() for one in self.columns]

    def cells(self, obj: table.Object) -> list[Any]:
        """The cells of an object (its decoded JSON); those that depend on the time are `table.Ago`."""
        return [one.cell(obj) for one in self.columns]

    def row(self, obj: table.Object, now: datetime.datetime) -> list[Any]:
        """The cells of an object at that time."""
        return [cell.at(now) if isinstance(cell, table.Ago) else cell for cell in self.cells(obj)]


@functools.lru_cache(maxsize=1024)
def columns(kind: kinds.Kind) -> Columns:
    """The columns of a kind."""
    if kind.custom is not None:
        return Columns(custom.columns(kind.custom))
    return Columns(BY_RESOURCE.get(kind.plural, DEFAULT))


def conditions(kind: kinds.Kind, obj: table.Object) -> list[dict[str, Any]]:
    """A row's conditions: finished Pods are marked Completed."""
    return pods.row_conditions(obj) if kind.plural == "pods" and not kind.group else []
