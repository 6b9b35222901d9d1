"""How each Go struct is read: a plan for a struct, with an entry for each of its fields, made from the table of facts.

A plan is made when it is first met; types may contain themselves. Upstream: types.go, encoding/json. Pure.
"""

import functools
from collections.abc import Callable
from typing import Any

from pybernetes.api.codec import convert, table, wellknown

# What a plan does with a value of the expected class.
PLAIN, INTEGER, MESSAGE, STRING_MAP, MAP, LIST, CONVERT = range(7)
_RANGES = {"i": (-(1 << 31), (1 << 31) - 1), "l": (-(1 << 63), (1 << 63) - 1), "u": (0, (1 << 32) - 1)}
_CLASSES: dict[str, type] = {"s": str, "t": bool, "i": int, "l": int, "u": int}
ANYTHING = object


class Entry:
    """What is done with one field; `path` is its name with those of the Go structs it is embedded by.

    The elements of a list or a map have an entry too, without a name.
    """

    __slots__ = (
        "argument",
        "drop",
        "element",
        "expected",
        "go_type",
        "name",
        "operation",
        "path",
        "reads_itself",
        "zero",
    )

    def __init__(self, name: str, path: str, go_type: str, drop: bool) -> None:
        self.name = name
        self.path = path
        self.go_type = go_type
        self.drop = drop
        self.operation = PLAIN
        self.expected: type = str
        self.argument: Any = None
        self.element: Entry | None = None
        self.reads_itself = False
        # What null stands for where an element cannot be left out.
        self.zero: Callable[[], Any] = str


class Plan:
    """The fields of one Go struct, embedded ones included."""

    __slots__ = ("fields", "go_name")

    def __init__(self, go_name: str) -> None:
        self.go_name = go_name
        # Tuples beside the entries: unpacking one is the fastest way to five values.
        self.fields: dict[str, tuple[type, int, bool, Any, Entry]] = {}


@functools.cache
def plan_of(name: table.Name) -> Plan:
    """The plan of a message's Go struct."""
    plan = Plan(name.message)
    message = table.message(name)
    if message.typed:
        for field in ("apiVersion", "kind"):
            _add(plan, _entry_of(Entry(field, f"TypeMeta.{field}", "string", True)))
    _add_fields(plan, message, "")
    return plan


def _add_fields(plan: Plan, message: table.Message, path: str) -> None:
    for field in message.fields:
        if field.inline and field.message is not None:
            _add_fields(plan, table.message(field.message), f"{path}{field.message.message}.")
            continue
        omit_empty = (field.repeated or field.mapped) and not field.always_present
        drop = omit_empty or field.drop_zero
        entry = Entry(field.json_name, path + field.json_name, field.go_type, drop)
        if field.repeated or field.mapped:
            entry.expected = list if field.repeated else dict
            entry.element = _entry_of(Entry("", "", field.element_go_type, False), field)
            entry.operation = LIST if field.repeated else MAP
            if field.mapped and field.scalar == "s":
                entry.operation = STRING_MAP
            _add(plan, entry)
        else:
            _add(plan, _entry_of(entry, field))


def _add(plan: Plan, entry: Entry) -> None:
    # What is converted shows only then whether it is zero.
    drop = entry.drop and entry.operation != CONVERT
    plan.fields[entry.name] = (entry.expected, entry.operation, drop, entry.argument, entry)


def _entry_of(entry: Entry, field: table.Field | None = None) -> Entry:
    """Fill in what is done with one value of the field, itself or an element of it."""
    if field is None or field.message is None:
        scalar = "s" if field is None else field.scalar
        if scalar in _CLASSES:
            entry.expected = _CLASSES[scalar]
            entry.zero = entry.expected
            if scalar in _RANGES:
                entry.operation, entry.argument = INTEGER, _RANGES[scalar]
        else:
            entry.operation, entry.expected = CONVERT, ANYTHING
            entry.argument = convert.base64_bytes if scalar == "b" else convert.double
            entry.zero = str if scalar == "b" else int
        return entry
    name = field.message
    if name.message in wellknown.RAW:
        entry.expected, entry.zero = ANYTHING, _nothing
        # An absent RawExtension that Go always writes is written as null, and null is not kept here.
        entry.drop = False
    elif name.message in wellknown.SCHEMA_UNIONS:
        entry.operation, entry.expected, entry.argument = CONVERT, ANYTHING, name
    elif name.message in wellknown.LISTS:
        entry.operation, entry.expected, entry.zero = LIST, list, list
        entry.go_type = name.go_type
        entry.element = Entry("", "", "string", False)
    elif name.message in convert.CONVERTERS:
        entry.operation, entry.expected, entry.drop, entry.reads_itself = CONVERT, ANYTHING, False, True
        entry.argument, entry.zero = convert.CONVERTERS[name.message]
    else:
        entry.operation, entry.expected, entry.argument, entry.zero = MESSAGE, dict, name, dict
        entry.drop = False
    return entry


def fields_of(name: table.Name) -> list[table.Field]:
    """The fields JSON shows for a message, those of embedded structs among them."""
    found: list[table.Field] = []
    for field in table.message(name).fields:
        found += fields_of(field.message) if field.inline and field.message is not None else [field]
    return found


def _nothing() -> None:
    return None


def always_written(field: table.Field) -> bool:
    return field.always_present and not field.repeated and not field.mapped


def zero_of(field: table.Field) -> Any:
    """What Go writes for a field that was never set; a Name for a struct, None for nothing worth writing."""
    if field.message is None:
        return {"s": "", "t": False, "b": None}.get(field.scalar, 0)
    if field.message.message in convert.CONVERTERS:
        return {"Quantity": "0", "IntOrString": 0, "Duration": "0s"}.get(field.message.message)
    return field.message if is_struct(field.message) else None


def is_struct(name: table.Name) -> bool:
    """Whether JSON shows the message as an object of its fields."""
    special = (wellknown.RAW, wellknown.LISTS, wellknown.SCHEMA_UNIONS, convert.CONVERTERS)
    return not any(name.message in names for names in special)
