"""Kubernetes protobuf request bodies, straight to the dicts that the same body in JSON gives.

Typed Go clients send protobuf and do not fall back, so decoding is not optional; answers may stay JSON. One table of
facts (table.py) steers one decoder; the plan of a message is built when it is first met.
Path: 6 decode. Upstream: apimachinery/pkg/runtime/serializer/protobuf, generated.pb.go. Pure.
"""

import binascii
import functools
import struct
from collections.abc import Callable
from typing import Any

from pybernetes.api.codec import failure, table, wellknown

MAGIC = b"k8s\x00"
# Each level costs a Python frame or two; no honest object nests this deep.
MAX_DEPTH = 200

# What a plan does with a field; those before INT32 are length-delimited on the wire.
STRING, MESSAGE, REPEATED_MESSAGE, REPEATED_STRING, MAP, INLINE, WELLKNOWN, REPEATED_WELLKNOWN, BYTES, PACKED = range(
    10
)
INT32, INT64, UINT32, BOOL, DOUBLE = range(10, 15)
SCALARS = {"s": STRING, "b": BYTES, "i": INT32, "l": INT64, "u": UINT32, "t": BOOL, "d": DOUBLE}
ZEROS: dict[int, Any] = {STRING: "", BYTES: "", BOOL: False, DOUBLE: 0.0}

# Tag on the wire (number << 3 | wire type) -> operation, JSON name, argument, left out when zero.
Plan = dict[int, tuple[int, str, Any, bool]]

UNEXPECTED_EOF = "unexpected EOF"
NEGATIVE_LENGTH = "proto: negative length found during unmarshaling"


def decode(body: bytes, api_version: str = "", kind: str = "") -> dict[str, Any]:
    """Decode an object in its envelope; the arguments stand in for what the envelope leaves out."""
    if not body:
        raise failure.DecodeError("empty data")
    if not body.startswith(MAGIC):
        raise failure.DecodeError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    if len(body) == len(MAGIC):
        raise failure.DecodeError("empty body")
    try:
        return _enveloped(body, api_version, kind, 0)
    except IndexError:
        # A varint ran over the end of the body: one check here instead of one for every byte.
        raise failure.DecodeError(UNEXPECTED_EOF) from None


def _enveloped(body: bytes, api_version: str, kind: str, depth: int) -> dict[str, Any]:
    envelope = _message(_ENVELOPE_PLAN, body, len(MAGIC), len(body), depth)
    type_meta = envelope.get("typeMeta", {})
    api_version = type_meta.get("apiVersion") or api_version
    kind = type_meta.get("kind") or kind
    raw = envelope.get("raw", b"")
    if not kind:
        raise failure.DecodeError("Object 'Kind' is missing in ''")
    if not api_version:
        raise failure.DecodeError("Object 'apiVersion' is missing in ''")
    name = table.find(api_version, kind)
    if name is None:
        raise failure.NotRegistered(api_version, kind)
    try:
        return {"kind": kind, "apiVersion": api_version} | _message(_plan(name), raw, 0, len(raw), depth + 1)
    except failure.DecodeError as error:
        raise failure.Unreadable(api_version, kind, error.message) from None
    except IndexError:
        raise failure.Unreadable(api_version, kind, UNEXPECTED_EOF) from None


_RAW_PLAN: Plan = {1 << 3 | 2: (WELLKNOWN, "raw", bytes, False)}
_TYPE_META_PLAN: Plan = {1 << 3 | 2: (STRING, "apiVersion", None, False), 2 << 3 | 2: (STRING, "kind", None, False)}
# runtime.Unknown, with `raw` kept as bytes; contentEncoding and contentType mean nothing to us.
_ENVELOPE_PLAN: Plan = {
    1 << 3 | 2: (MESSAGE, "typeMeta", _TYPE_META_PLAN, False),
    2 << 3 | 2: (WELLKNOWN, "raw", bytes, False),
}


_GO_NAMES = {"metadata": "ObjectMeta"}


# --- plans


@functools.cache
def _plan(name: table.Name) -> Plan:
    """The plan of a message; those it names are bound when first used, so recursive types are fine."""
    plan: Plan = {}
    for field in table.message(name).fields:
        _add(plan, field)
    return plan


def _add(plan: Plan, field: table.Field) -> None:
    tag, name, drop = field.number << 3, field.json_name, field.drop_zero
    if field.mapped:
        entry: Plan = {10: (STRING, "key", None, False)}
        value = field._replace(number=2, json_name="value", mapped=False, drop_zero=False)
        _add(entry, value)
        plan[tag | 2] = (MAP, name, (entry, _map_zero(field)), False)
    elif field.message is None:
        operation = SCALARS[field.scalar]
        if not field.repeated:
            plan[tag | _wire_type(operation)] = (operation, name, None, drop)
            return
        plan[tag | 2] = (REPEATED_STRING if operation == STRING else PACKED, name, operation, False)
        if operation >= INT32:
            plan[tag | _wire_type(operation)] = (PACKED, name, operation, False)
    else:
        special = _wellknown(field.message)
        if special is not None:
            plan[tag | 2] = (REPEATED_WELLKNOWN if field.repeated else WELLKNOWN, name, special, drop)
        else:
            operation = REPEATED_MESSAGE if field.repeated else INLINE if field.inline else MESSAGE
            plan[tag | 2] = (operation, name, field.message, drop)


def _wire_type(operation: int) -> int:
    return 2 if operation < INT32 else 1 if operation == DOUBLE else 0


def _map_zero(field: table.Field) -> Any:
    """What an entry without a value on the wire stands for."""
    if field.message is None:
        return ZEROS.get(SCALARS[field.scalar], 0)
    return wellknown.ZERO_IN_MAP.get(field.message.message, {})


def _wellknown(name: table.Name) -> Any:
    """The decoder of a message that is not a JSON object of its fields, if it is such a one."""
    if name.message in wellknown.SCHEMA_UNIONS:
        return functools.partial(_schema_or, name)
    if name.message in wellknown.RAW:
        return _raw
    if name.message in wellknown.LISTS:
        return functools.partial(_items, name)
    convert = wellknown.MESSAGES.get(name.message)
    return None if convert is None else functools.partial(_converted, convert, name)


# --- the decoder


def _message(plan: Plan, data: bytes, pos: int, end: int, depth: int) -> dict[str, Any]:
    """Decode data[pos:end]. Reads may run over `end` inside `data`; the last check catches that."""
    if depth > MAX_DEPTH:
        raise failure.DecodeError(f"exceeded max depth: {MAX_DEPTH}")
    out: dict[str, Any] = {}
    while pos < end:
        start = pos
        tag = data[pos]
        pos += 1
        if tag >= 0x80:
            tag, pos = _varint(data, pos - 1)
        field = plan.get(tag)
        if field is None:
            pos = _unknown(plan, tag, data, start, end)
            continue
        operation, name, argument, drop = field
        if tag & 7 != 2:
            value, pos = _number(operation if operation != PACKED else argument, data, pos)
            if operation == PACKED:
                out.setdefault(name, []).append(value)
            elif value or not drop:
                out[name] = value
            else:
                out.pop(name, None)
            continue
        size = data[pos]
        pos += 1
        if size >= 0x80:
            size, pos = _varint(data, pos - 1)
            if size >= 1 << 63:
                raise failure.DecodeError(NEGATIVE_LENGTH)
        stop = pos + size
        if stop > end:
            raise failure.DecodeError(UNEXPECTED_EOF)
        if operation == STRING:
            if size or not drop:
                out[name] = data[pos:stop].decode("utf-8", "surrogateescape")
            else:
                out.pop(name, None)
        elif operation == MESSAGE:
            inner = argument if argument.__class__ is dict else _bind(plan, tag)
            out[name] = _message(inner, data, pos, stop, depth + 1)
        elif operation == REPEATED_MESSAGE:
            inner = argument if argument.__class__ is dict else _bind(plan, tag)
            item = _message(inner, data, pos, stop, depth + 1)
            if name in out:
                out[name].append(item)
            else:
                out[name] = [item]
        else:
            _delimited(field, data, pos, stop, depth, out)
        pos = stop
    if pos != end:
        raise failure.DecodeError(UNEXPECTED_EOF)
    return out


def _bind(plan: Plan, tag: int) -> Plan:
    """Put the plan of a message where its name stood."""
    operation, name, argument, drop = plan[tag]
    bound = _plan(argument)
    plan[tag] = (operation, name, bound, drop)
    return bound


def _delimited(
    field: tuple[int, str, Any, bool], data: bytes, pos: int, stop: int, depth: int, out: dict[str, Any]
) -> None:
    """Decode the length-delimited value data[pos:stop] into `out`."""
    operation, name, argument, drop = field
    if operation == REPEATED_STRING:
        out.setdefault(name, []).append(data[pos:stop].decode("utf-8", "surrogateescape"))
    elif operation == MAP:
        plan, zero = argument
        entry = _message(plan, data, pos, stop, depth + 1)
        out.setdefault(name, {})[entry.get("key", "")] = entry.get("value", zero)
    elif operation in (WELLKNOWN, REPEATED_WELLKNOWN):
        value = argument(data[pos:stop]) if argument is bytes else argument(data[pos:stop], depth + 1)
        if operation == REPEATED_WELLKNOWN:
            out.setdefault(name, []).append(value)
        elif value is not None:
            out[name] = value
    elif operation == BYTES:
        if stop > pos or not drop:
            out[name] = _base64(data[pos:stop])
    elif operation == PACKED:
        values = out.setdefault(name, [])
        if argument == BYTES:
            values.append(_base64(data[pos:stop]))
            return
        while pos < stop:
            value, pos = _number(argument, data, pos)
            values.append(value)
        if pos != stop:
            raise failure.DecodeError(UNEXPECTED_EOF)
    else:
        out.update(_message(_plan(argument), data, pos, stop, depth + 1))


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _varint(data: bytes, pos: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if shift >= 64:
            raise failure.DecodeError("proto: integer overflow")
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, pos
        shift += 7


def _number(operation: int, data: bytes, pos: int) -> tuple[Any, int]:
    if operation == DOUBLE:
        if pos + 8 > len(data):
            raise failure.DecodeError(UNEXPECTED_EOF)
        value: float = struct.unpack_from("<d", data, pos)[0]
        # Go writes a whole number without a point, and JSON readers make an int of it.
        return (int(value) if value.is_integer() and abs(value) < 1e21 else value), pos + 8
    number, pos = _varint(data, pos)
    if operation == BOOL:
        return number != 0, pos
    if operation == INT64:
        return number - (1 << 64) if number >= 1 << 63 else number, pos
    number &= 0xFFFFFFFF
    return number - (1 << 32) if operation == INT32 and number >= 1 << 31 else number, pos


def _unknown(plan: Plan, tag: int, data: bytes, pos: int, end: int) -> int:
    """Step over a field of another version of the API; refuse a known one of the wrong wire type."""
    if tag & 7 == 4:
        raise failure.DecodeError("proto: wiretype end group for non-group")
    if tag >> 3 == 0:
        raise failure.DecodeError(f"proto: Unknown: illegal tag 0 (wire type {tag})")
    for known, (_, name, _, _) in plan.items():
        if known >> 3 == tag >> 3:
            raise failure.DecodeError(
                f"proto: wrong wireType = {tag & 7} for field {_GO_NAMES.get(name, name[:1].upper() + name[1:])}"
            )
    return _skip(data, pos, end)


def _skip(data: bytes, pos: int, end: int) -> int:
    groups = 0
    while pos < end:
        tag, pos = _varint(data, pos)
        wire_type = tag & 7
        if wire_type == 0:
            _, pos = _varint(data, pos)
        elif wire_type == 1:
            pos += 8
        elif wire_type == 2:
            size, pos = _varint(data, pos)
            pos += size
        elif wire_type == 3:
            groups += 1
        elif wire_type == 4:
            if groups == 0:
                raise failure.DecodeError("proto: unexpected end of group")
            groups -= 1
        elif wire_type == 5:
            pos += 4
        else:
            raise failure.DecodeError(f"proto: illegal wireType {wire_type}")
        if groups == 0:
            return pos
    raise failure.DecodeError(UNEXPECTED_EOF)


# --- messages that are not a JSON object of their fields


def _fields(name: table.Name, data: bytes, depth: int) -> dict[str, Any]:
    return _message(_plan(name), data, 0, len(data), depth)


def _converted(convert: Callable[[dict[str, Any]], Any], name: table.Name, data: bytes, depth: int) -> Any:
    return convert(_fields(name, data, depth))


def _items(name: table.Name, data: bytes, depth: int) -> list[Any]:
    items: list[Any] = _fields(name, data, depth).get("items", [])
    return items


def _raw(data: bytes, depth: int) -> Any:
    """JSON inside protobuf, or protobuf in its own envelope inside protobuf."""
    raw: bytes = _message(_RAW_PLAN, data, 0, len(data), depth).get("raw", b"")
    if raw.startswith(MAGIC):
        return _enveloped(raw, "", "", depth)
    return wellknown.embedded_json(raw)


def _schema_or(name: table.Name, data: bytes, depth: int) -> Any:
    fields = _fields(name, data, depth)
    if "schema" in fields:
        return fields["schema"]
    if name.message == "JSONSchemaPropsOrBool":
        return fields.get("allows", False)
    return fields.get("jSONSchemas" if name.message == "JSONSchemaPropsOrArray" else "property")
