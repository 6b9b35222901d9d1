"""What a column is, and the small formats that several kinds print.

Pure.
Upstream: pkg/printers, k8s.io/apimachinery/pkg/util/duration.
"""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pybernetes.apimachinery import timestamps

Object = Mapping[str, Any]
UNKNOWN = "<unknown>"
NONE = "<none>"
UNSET = "<unset>"


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column: its definition, and how to get a cell from an object: a value, or an `Ago` where time matters."""

    name: str
    cell: Callable[[Object], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> dict[str, Any]:
        """The TableColumnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description or f"{self.name} of the object",
            "priority": self.priority,
        }


def column(name: str, cell: Callable[[Object], Any], type_: str = "string", *, wide: bool = False) -> Column:
    """A column that depends on the object alone; `wide` ones show with `-o wide`."""
    return Column(name, cell, type_, priority=int(wide))


def path(name: str, dotted: str, type_: str = "string", *, missing: Any = "", wide: bool = False) -> Column:
    """A column that shows one field."""
    keys = dotted.split(".")
    return column(name, lambda obj: dig(obj, keys, missing), type_, wide=wide)


def dig(obj: Any, keys: Iterable[str], missing: Any = None) -> Any:
    """The value below those keys, or `missing` where there is none."""
    for key in keys:
        obj = obj.get(key) if isinstance(obj, Mapping) else None
        if obj is None:
            return missing
    return obj


@dataclasses.dataclass(frozen=True, slots=True)
class Ago:
    """A cell that says how long ago something was; `shape` is what stands around it."""

    then: datetime.datetime
    shape: str = "{}"

    def at(self, now: datetime.datetime) -> str:
        """The cell at that time, as kubectl prints ages: `5s`, `2m10s`, `3d`."""
        return self.shape.format(timestamps.human_duration((now - self.then).total_seconds()))


def since(timestamp: str | None) -> Ago | str:
    """How long ago that was."""
    return Ago(timestamps.parse(timestamp)) if timestamp else UNKNOWN


NAME = Column("Name", lambda obj: obj["metadata"].get("name", ""), format="name")
AGE = Column("Age", lambda obj: since(obj["metadata"].get("creationTimestamp")))
CREATED_AT = Column("Created At", lambda obj: obj["metadata"].get("creationTimestamp"), "date")


def labels(pairs: Mapping[str, str] | None) -> str:
    """`a=1,b=2`, or `<none>`."""
    return ",".join(f"{key}={pairs[key]}" for key in sorted(pairs)) if pairs else NONE


def label_selector(selector: Object | None) -> str:
    """A LabelSelector as kubectl prints it."""
    if not selector:
        return NONE
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or ():
        values = ",".join(one.get("values") or ())
        shapes = {
            "In": f"{one['key']} in ({values})",
            "NotIn": f"{one['key']} notin ({values})",
            "Exists": one["key"],
            "DoesNotExist": f"!{one['key']}",
        }
        parts.append(shapes.get(one["operator"], one["key"]))
    return ",".join(parts) or NONE


def containers(template: Sequence[Object] | None) -> tuple[str, str]:
    """Names and images of containers, comma-separated."""
    found = template or ()
    return ",".join(one["name"] for one in found), ",".join(one.get("image", "") for one in found)


def pod_template_columns(dotted: str = "spec.template.spec.containers") -> tuple[Column, Column]:
    """The wide columns Containers and Images of workloads."""
    keys = dotted.split(".")
    return (
        column("Containers", lambda obj: containers(dig(obj, keys))[0], wide=True),
        column("Images", lambda obj: containers(dig(obj, keys))[1], wide=True),
    )
