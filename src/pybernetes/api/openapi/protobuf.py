"""The Swagger 2.0 document in protobuf, the only form in which Go clients ask for it.

    encode(document)     the bytes of an `openapi.v2.Document`

`_FIELDS` says for each message which JSON name has which field number, and the message of its value where that is not
plain. Names that begin with `x-` are extensions: their values travel as YAML text.
Upstream: gnostic-models openapiv2. Pure.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

ACCEPTED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""How clients ask for it; the answer's type has a name without the @, which media types may not have."""
MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

_PARAMETER = (
    "description:3 name:4 type:6 format:7 uniqueItems:20 enum:21:Any minimum:13:Double maximum:11:Double pattern:17 "
    "default:10:Any x-:23"
)
_FIELDS_TEXT = {
    "Document": "swagger:1 info:2:Info paths:8:Paths definitions:9:Schemas security:12:Requirement "
    "securityDefinitions:13:SecurityDefinitions x-:16",
    "Info": "title:1 version:2 description:3 x-:7",
    "PathItem": "get:2:Operation put:3:Operation post:4:Operation delete:5:Operation options:6:Operation "
    "head:7:Operation patch:8:Operation parameters:9:ParametersItem x-:10",
    "Operation": "tags:1 summary:2 description:3 operationId:5 produces:6 consumes:7 parameters:8:ParametersItem "
    "responses:9:Responses schemes:10 deprecated:11 x-:13",
    "body": "description:1 name:2 in:3 required:4 schema:5:Schema x-:6",
    "query": "required:1 in:2 allowEmptyValue:5 " + _PARAMETER,
    "path": "required:1 in:2 description:3 name:4 type:5 format:6 uniqueItems:19 enum:20:Any pattern:16 x-:22",
    "Response": "description:1 schema:2:SchemaItem x-:5",
    "ApiKey": "type:1 name:2 in:3 description:4 x-:5",
    "Schema": "$ref:1 format:2 title:3 description:4 default:5:Any multipleOf:6:Double maximum:7:Double "
    "exclusiveMaximum:8 minimum:9:Double exclusiveMinimum:10 maxLength:11 minLength:12 pattern:13 maxItems:14 "
    "minItems:15 uniqueItems:16 maxProperties:17 minProperties:18 required:19 enum:20:Any "
    "additionalProperties:21:AdditionalProperties type:22:Strings items:23:Items allOf:24:Schema "
    "properties:25:Schemas readOnly:27 example:30:Any x-:31",
}
# Maps are lists of pairs: the field of the list, the message around each value with the field of the value in it.
_MAPS: dict[str, tuple[int, str, int]] = {
    "Paths": (2, "PathItem", 0),
    "Schemas": (1, "Schema", 0),
    "Responses": (1, "Response", 1),
    "SecurityDefinitions": (1, "ApiKey", 2),
    "Requirement": (1, "Strings", 0),
}
_PLACES = {"query": 3, "path": 4}


def _table() -> dict[str, dict[str, tuple[int, str]]]:
    table = {}
    for message, text in _FIELDS_TEXT.items():
        rows = [word.rsplit(":", 2) if word.count(":") == 2 else [*word.split(":"), ""] for word in text.split()]
        table[message] = {name: (int(number), kind) for name, number, kind in rows}
    return table


_FIELDS = _table()


def encode(document: Mapping[str, Any]) -> bytes:
    """The document's bytes. Raises KeyError for a name that the messages do not have."""
    return _message("Document", document)


def _message(kind: str, value: Any) -> bytes:
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(value)
    if kind in _MAPS:
        return b"".join(_pairs(*_MAPS[kind], value))
    return b"".join(_fields(_FIELDS[kind], value))


def _fields(fields: Mapping[str, tuple[int, str]], value: Mapping[str, Any]) -> Iterator[bytes]:
    for name, given in value.items():
        if name.startswith("x-"):
            yield _named(fields["x-"][0], name, _any(given))
            continue
        number, kind = fields[name]
        whole = kind in ("Strings", "Items") or not isinstance(given, list)
        for one in [given] if whole else given:
            if kind == "Double":
                yield _varint(number << 3 | 1) + struct.pack("<d", one)
            elif kind:
                yield _block(number, _message(kind, one))
            else:
                yield _plain(number, one)


def _pairs(number: int, kind: str, inner: int, value: Mapping[str, Any]) -> Iterator[bytes]:
    for name, given in value.items():
        body = _message(kind, given)
        yield _named(number, name, _block(inner, body) if inner else body)


def _parameters_item(value: Mapping[str, Any]) -> bytes:
    place = value["in"]
    if place == "body":
        return _block(1, _block(1, _message("body", value)))
    return _block(1, _block(2, _block(_PLACES[place], _message(place, value))))


def _additional(value: Any) -> bytes:
    return _plain(2, value) if isinstance(value, bool) else _block(1, _message("Schema", value))


def _strings(value: Any) -> bytes:
    return b"".join(_plain(1, one) for one in (value if isinstance(value, list) else [value]))


def _items(value: Any) -> bytes:
    return b"".join(_block(1, _message("Schema", one)) for one in (value if isinstance(value, list) else [value]))


def _any(value: Any) -> bytes:
    return _block(2, msgspec.json.encode(value) + b"\n")


_SPECIAL = {
    "Any": _any,
    "AdditionalProperties": _additional,
    "Items": _items,
    "ParametersItem": _parameters_item,
    "SchemaItem": lambda value: _block(1, _message("Schema", value)),
    "Strings": _strings,
}


def _named(number: int, name: str, value: bytes) -> bytes:
    return _block(number, _block(1, name.encode()) + _block(2, value))


def _plain(number: int, value: str | bool | int) -> bytes:
    if isinstance(value, str):
        return _block(number, value.encode())
    return _varint(number << 3) + _varint(int(value))


def _block(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
