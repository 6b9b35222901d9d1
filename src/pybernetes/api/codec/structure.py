"""Hold an object to the Go types of its kind, in place: what a Go server's decoder does to JSON.

Unknown fields go and are reported, values of the wrong type fail with Go's own text, nulls and what Go leaves out when
zero disappear, quantities and times take their canonical form. `complete` is the other half, Go's encoder: it adds
what Go always writes (`status: {}`, `resources: {}`, zero counters).
Hot: a 3.7 KB pod with nothing wrong in 60 us (tests/bench). A plan for a type is made when it is first met.
Path: 6 decode, 9 store. Upstream: sigs.k8s.io/json, types.go. Pure.
"""

import functools
from typing import Any

from pybernetes.api.codec import convert, failure, plans, table
from pybernetes.apimachinery import goformat

MAX_STRICT_ERRORS = 100

# Names of this module: the walk looks them up for every field.
PLAIN, INTEGER, MESSAGE, STRING_MAP = plans.PLAIN, plans.INTEGER, plans.MESSAGE, plans.STRING_MAP
MAP, LIST, CONVERT, ANYTHING, Plan = plans.MAP, plans.LIST, plans.CONVERT, plans.ANYTHING, plans.Plan


class _Walk:
    """Where a walk is (fields as entries, list indexes as numbers, map keys as 1-tuples) and what it met."""

    __slots__ = ("mismatch", "patching", "trail", "unknown")

    def __init__(self, patching: bool) -> None:
        self.patching = patching
        self.trail: list[Any] = []
        self.unknown: list[str] = []
        self.mismatch: str = ""

    def path(self, name: str) -> str:
        """As strict errors name a place: spec.containers[0].name."""
        text = ""
        for step in (*self.trail, (name,)):
            if type(step) is int:
                text += f"[{step}]"
                continue
            part = step.name if type(step) is plans.Entry else step[0]
            if part:
                text += f".{part}" if text else part
        return text

    def wrong(self, plan: plans.Plan, entry: plans.Entry, value: Any, go_type: str, literal: bool = False) -> None:
        """Note a value that Go cannot put into the type; only the first is told."""
        if self.mismatch:
            return
        if self.patching:
            self.mismatch = _converter_error(entry, value, go_type)
            return
        names = [step.path for step in (*self.trail, entry) if type(step) is plans.Entry and step.path]
        if entry in self.trail and entry.path:
            names.pop()
        what = _json_kind(value)
        if literal and what == "number":
            what = f"number {value!r}"
        place = f"{plan.go_name}.{'.'.join(names)}"
        self.mismatch = f"json: cannot unmarshal {what} into Go struct field {place} of type {go_type}"


def conform(
    obj: dict[str, Any],
    api_version: str,
    kind: str,
    *,
    patching: bool = False,
    known: dict[str, Any] | None = None,
) -> list[str]:
    """Make `obj` what Go would have decoded; the result names the unknown fields that were dropped, as strict
    errors. DecodeError for what Go cannot decode, NotRegistered for a kind that is not built in.

    `patching`: the result of a strategic merge patch, which upstream converts by other means, with other errors.
    `known`: an object that has been through this; parts of it (not their equals) need no second look.
    """
    name = table.find(api_version, kind)
    if name is None:
        raise failure.NotRegistered(api_version, kind)
    return _run(plans.plan_of(name), obj, _Walk(patching), known)


def conform_metadata(metadata: dict[str, Any]) -> list[str]:
    """The same for the metadata of a custom resource; paths start with `metadata`."""
    return _run(_metadata_plan(), {"metadata": metadata}, _Walk(False))


@functools.cache
def _metadata_plan() -> plans.Plan:
    """Of an object of which only the metadata are known."""
    root = plans.Plan("")
    root.fields["metadata"] = plans.plan_of(table.Name(table.META_PACKAGE, "PartialObjectMetadata")).fields["metadata"]
    return root


def knows(api_version: str, kind: str) -> bool:
    """Whether the kind is one of the built-in ones."""
    return table.find(api_version, kind) is not None


def _run(plan: plans.Plan, obj: dict[str, Any], walk: _Walk, known: dict[str, Any] | None = None) -> list[str]:
    try:
        _message(plan, obj, walk, known)
    except RecursionError:
        raise failure.DecodeError("exceeded max depth") from None
    if walk.mismatch:
        raise failure.DecodeError(walk.mismatch)
    return walk.unknown


def _message(plan: plans.Plan, obj: dict[str, Any], walk: _Walk, known: dict[str, Any] | None = None) -> None:
    fields = plan.fields
    dropped = None
    for name, value in (
        [item for item in obj.items() if item[1] is not known.get(item[0], known)] if known else obj.items()
    ):
        try:
            expected, operation, drop, argument, entry = fields[name]
        except KeyError:
            dropped = [*(dropped or ()), name]
            if len(walk.unknown) < MAX_STRICT_ERRORS:
                walk.unknown.append(f"unknown field {goformat.quote(walk.path(name))}")
            continue
        if value.__class__ is not expected:
            if value is None:
                dropped = [*(dropped or ()), name]
                continue
            if expected is not ANYTHING:
                walk.wrong(plan, entry, value, entry.go_type, literal=operation == INTEGER)
                continue
        if drop and not value:
            dropped = [*(dropped or ()), name]
        elif operation == PLAIN:
            pass
        elif operation == MESSAGE:
            walk.trail.append(entry)
            inner = argument if argument.__class__ is Plan else _bind(fields, name, entry)
            _message(inner, value, walk, known and known.get(name))
            walk.trail.pop()
        elif operation == STRING_MAP:
            for item in value.values():
                if item.__class__ is not str:
                    _map(plan, entry, value, walk)
                    break
        elif operation == INTEGER:
            if not argument[0] <= value <= argument[1]:
                walk.wrong(plan, entry, value, entry.go_type, literal=True)
        elif operation == CONVERT:
            new = _convert(plan, entry, value, walk)
            if new is None or (entry.drop and not new):
                dropped = [*(dropped or ()), name]
            elif new is not value:
                obj[name] = new
        elif operation == MAP:
            _map(plan, entry, value, walk)
        else:
            _list(plan, entry, value, walk)
    if dropped:
        for name in dropped:
            del obj[name]


def _bind(fields: dict[str, tuple[type, int, bool, Any, plans.Entry]], name: str, entry: plans.Entry) -> plans.Plan:
    """Put the plan of a message where its name stood: only now, because types may contain themselves."""
    plan = entry.argument = plans.plan_of(entry.argument)
    expected, operation, drop, _, _ = fields[name]
    fields[name] = (expected, operation, drop, plan, entry)
    return plan


def _element_plan(element: plans.Entry) -> plans.Plan:
    if element.argument.__class__ is not Plan:
        element.argument = plans.plan_of(element.argument)
    plan: plans.Plan = element.argument
    return plan


def _list(plan: plans.Plan, entry: plans.Entry, value: list[Any], walk: _Walk) -> None:
    element = entry.element
    assert element is not None
    trail = walk.trail
    if element.operation == PLAIN and element.expected is str:
        for item in value:
            if item.__class__ is not str:
                break
        else:
            return
    trail.append(entry)
    trail.append(0)
    inner = _element_plan(element) if element.operation == MESSAGE else None
    for index, item in enumerate(value):
        trail[-1] = index
        if inner is not None and item.__class__ is dict:
            _message(inner, item, walk)
        else:
            value[index] = _value(plan, entry, element, item, walk)
    del trail[-2:]


def _map(plan: plans.Plan, entry: plans.Entry, value: dict[str, Any], walk: _Walk) -> None:
    element = entry.element
    assert element is not None
    walk.trail.append(entry)
    walk.trail.append(("",))
    for key, item in value.items():
        walk.trail[-1] = (key,)
        new = _value(plan, entry, element, item, walk)
        if new is not item:
            value[key] = new
    del walk.trail[-2:]


def _value(plan: plans.Plan, entry: plans.Entry, element: plans.Entry, item: Any, walk: _Walk) -> Any:
    """One element of a list or a map: unlike a field it stays where it is, so null becomes the type's zero."""
    if item is None:
        return element.zero()
    if element.operation == CONVERT:
        return _convert(plan, entry, item, walk, element)
    if item.__class__ is not element.expected and element.expected is not ANYTHING:
        walk.wrong(plan, entry, item, element.go_type, literal=element.operation == INTEGER)
    elif element.operation == MESSAGE:
        _message(_element_plan(element), item, walk)
    elif element.operation == LIST:
        _list(plan, element, item, walk)
    elif element.operation == INTEGER and not element.argument[0] <= item <= element.argument[1]:
        walk.wrong(plan, entry, item, element.go_type, literal=True)
    return item


def _convert(plan: plans.Plan, entry: plans.Entry, value: Any, walk: _Walk, element: plans.Entry | None = None) -> Any:
    """The value in its type's own form; None to leave it out."""
    converter = (element or entry).argument
    if value is None:
        return None
    if isinstance(converter, table.Name):
        return _schema_union(plan, entry, converter, value, walk)
    try:
        return converter(value)
    except convert.Unreadable as error:
        walk.mismatch = walk.mismatch or str(error)
    except convert.WrongType as wrong:
        if (element or entry).reads_itself:
            walk.mismatch = ""
            walk.wrong(plan, entry, wrong.value, wrong.go_type, literal=wrong.literal)
            raise failure.DecodeError(walk.mismatch) from None
        walk.wrong(plan, entry, wrong.value, wrong.go_type, literal=wrong.literal)
    return value


def _schema_union(plan: plans.Plan, entry: plans.Entry, union: table.Name, value: Any, walk: _Walk) -> Any:
    """JSONSchemaPropsOrArray, OrBool, OrStringArray: a schema, or something simpler. They are not read strictly."""
    schema = plans.plan_of(table.Name(union.package, "JSONSchemaProps"))
    known = len(walk.unknown)
    walk.trail.append(entry)
    if value.__class__ is dict:
        _message(schema, value, walk)
    elif value.__class__ is list and union.message == "JSONSchemaPropsOrArray":
        for item in value:
            _message(schema, item, walk)
    elif union.message == "JSONSchemaPropsOrBool" and value.__class__ is not bool:
        raise failure.DecodeError("boolean or JSON schema expected")
    del walk.unknown[known:]
    walk.trail.pop()
    if union.message == "JSONSchemaPropsOrArray" and value.__class__ not in (dict, list):
        return None
    return value


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


_GO_KINDS = {"array": "slice", "object": "map"}


def _converter_error(entry: plans.Entry, value: Any, go_type: str) -> str:
    """The words of runtime.DefaultUnstructuredConverter, which knows the kinds of Go's types, not their names."""
    what = _json_kind(value)
    given = _GO_KINDS.get(what, "float64" if isinstance(value, float) else "int64" if what == "number" else what)
    target = entry if entry.element is None or go_type == entry.go_type else entry.element
    if target.expected is list:
        return f"cannot restore slice from {given}"
    if target.expected is dict:
        shape = "struct from:" if target.operation == MESSAGE else "map from"
        return f"cannot restore {shape} {given}"
    if target.expected is ANYTHING:
        return f"json: cannot unmarshal {what} into Go value of type {go_type}"
    return f"unrecognized type: {'string' if target.expected is str else go_type}"


# --- completion


def complete(obj: dict[str, Any], api_version: str, kind: str, known: dict[str, Any] | None = None) -> None:
    """Add, in place, what Go writes although nobody set it. Lists and maps that Go would write as null stay away.

    `known`: an object that is complete; parts of it (not their equals) need no second look.
    """
    name = table.find(api_version, kind)
    if name is None:
        raise failure.NotRegistered(api_version, kind)
    _complete(name, obj, known or {})


def _complete(name: table.Name, obj: dict[str, Any], known: dict[str, Any]) -> None:
    plan = _completion(name)
    for field, zero in plan.required:
        if field not in obj:
            obj[field] = {} if zero.__class__ is table.Name else zero
    for field, inner, shape in plan.descend:
        value = obj.get(field)
        if value is None or value is known.get(field):
            continue
        if shape == MESSAGE:
            _complete(inner, value, known.get(field) or {})
        else:
            for item in value if shape == LIST else value.values():
                if item.__class__ is dict:
                    _complete(inner, item, {})


class _Completion:
    __slots__ = ("descend", "required")

    def __init__(self) -> None:
        self.required: list[tuple[str, Any]] = []
        self.descend: list[tuple[str, table.Name, int]] = []


@functools.cache
def _completion(name: table.Name) -> _Completion:
    completion = _Completion()
    _collect(completion, name)
    return completion


def _collect(completion: _Completion, name: table.Name) -> None:
    for field in table.message(name).fields:
        if field.inline and field.message is not None:
            _collect(completion, field.message)
            continue
        zero = plans.zero_of(field) if plans.always_written(field) else None
        if zero is not None:
            completion.required.append((field.json_name, zero))
        if field.message is not None and _reaches_required(field.message):
            shape = LIST if field.repeated else MAP if field.mapped else MESSAGE
            completion.descend.append((field.json_name, field.message, shape))


@functools.cache
def _reaches_required(name: table.Name) -> bool:
    """Whether anything at or below a message is always written."""
    seen: set[table.Name] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in seen or not plans.is_struct(current):
            continue
        seen.add(current)
        for field in table.message(current).fields:
            if plans.always_written(field) and plans.zero_of(field) is not None:
                return True
            if field.message is not None:
                waiting.append(field.message)
    return False
