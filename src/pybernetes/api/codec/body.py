"""A request's body as an object of the kind that was asked for, or the error upstream gives.

    read = body.read(data, "application/json", expected, validation=body.WARN)
    read.obj, read.warnings

Path: 6 decode. Upstream: apiserver/pkg/endpoints/handlers create.go, rest.go. Pure.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from pybernetes.api.codec import failure, json, protobuf, strict, structure, yaml
from pybernetes.apimachinery import errors, fieldpath, goformat, gvk

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MEDIA_TYPES = (JSON, YAML, PROTOBUF)

IGNORE, WARN, STRICT = "Ignore", "Warn", "Strict"

# What Go's error calls the type into which it reads apiVersion and kind first.
_TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_SUMMARY = 30


Schema = Callable[[dict[str, Any]], list[str]]


class Refused(errors.BadRequest):
    """A body that is no object of the kind that was expected; `problem` is why, without what is said around it."""

    def __init__(self, about: str, problem: str, summary: str = "") -> None:
        super().__init__(f"{about}: {problem}{summary}")
        self.problem = problem


@dataclasses.dataclass(slots=True)
class Read:
    """The object, and what was wrong with it but not wrong enough to refuse it."""

    obj: dict[str, Any]
    warnings: list[str] = dataclasses.field(default_factory=list)


def media_type(content_type: str) -> str:
    """Which of MEDIA_TYPES a Content-Type means; JSON if there is none, UnsupportedMediaType if none fits."""
    name = content_type.partition(";")[0].strip().lower()
    if not name:
        return JSON
    if name in MEDIA_TYPES:
        return name
    raise errors.UnsupportedMediaType(MEDIA_TYPES)


def read(
    data: bytes,
    media: str,
    expected: gvk.GroupVersionKind,
    *,
    validation: str = WARN,
    accept_groups: bool = False,
    schema: Schema | None = None,
) -> Read:
    """Decode a body that should hold an `expected`; missing apiVersion and kind are taken from it.

    `accept_groups` lets the apiVersion be another one, as for options, which travel under the group that is asked.
    `schema` holds an object of a kind that is not built in to its type, and names what was unknown.
    """
    try:
        value, strict_errors = _parse(data, media, expected)
    except failure.Unreadable as error:
        actual = gvk.GroupVersionKind(*gvk.parse_api_version(error.api_version), error.kind)
        raise cannot_be_handled(actual, expected, error.message) from None
    except failure.DecodeError as error:
        raise _unrecognized(data, expected, error.message) from None
    if value is None:
        value = {}
    actual = _identify(value, data, expected)
    if validation != IGNORE and media == JSON and json.has_duplicates(data, value):
        _conform(value, actual, expected, accept_groups)
        strict_errors = strict.errors(data, actual.api_version, actual.kind)
    else:
        strict_errors += _conform(value, actual, expected, accept_groups)
    if schema is not None:
        try:
            strict_errors += schema(value)
        except failure.DecodeError as error:
            raise cannot_be_handled(actual, expected, error.message) from None
    if validation == IGNORE or not strict_errors:
        return Read(value)
    if validation == STRICT:
        raise cannot_be_handled(actual, expected, f"strict decoding error: {', '.join(strict_errors)}")
    # Warnings are lines of their own.
    lines = (line.strip() for text in strict_errors for line in text.removeprefix(yaml.REPEATED).splitlines())
    return Read(value, [line for line in lines if line])


def _parse(data: bytes, media: str, expected: gvk.GroupVersionKind) -> tuple[Any, list[str]]:
    """The value, and what strict readers say of its text alone."""
    if media == PROTOBUF:
        return protobuf.decode(data, expected.api_version, expected.kind), []
    if media == YAML:
        found = yaml.decode(data)
        return found.value, found.strict_errors
    try:
        return json.decode(data), []
    except failure.DecodeError as error:
        raise failure.DecodeError(f"couldn't get version/kind; json parse error: {error.message}") from None


def _identify(value: Any, data: bytes, expected: gvk.GroupVersionKind) -> gvk.GroupVersionKind:
    """What the object says it is, filled up from what was expected; the object is made to say it."""
    wrong = ""
    if not isinstance(value, dict):
        wrong = f"json: cannot unmarshal {json_kind(value)} into Go value of type {_TYPE_META}"
    else:
        for field in ("apiVersion", "kind"):
            if not isinstance(value.get(field) or "", str):
                what = json_kind(value[field])
                wrong = f"json: cannot unmarshal {what} into Go struct field .{field} of type string"
    if wrong:
        raise _unrecognized(data, expected, f"couldn't get version/kind; json parse error: {wrong}")
    kind = value.get("kind") or expected.kind
    if not value.get("kind") and not structure.knows(expected.api_version, expected.kind):
        raise _unrecognized(data, expected, f"Object 'Kind' is missing in '{data.decode(errors='replace')}'")
    try:
        group, version = gvk.parse_api_version(value.get("apiVersion") or "")
    except ValueError as error:
        raise _unrecognized(data, expected, str(error)) from None
    if not version:
        group, version = expected.group, expected.version
    actual = gvk.GroupVersionKind(group, version, kind)
    value["apiVersion"], value["kind"] = actual.api_version, kind
    return actual


def _conform(
    value: dict[str, Any], actual: gvk.GroupVersionKind, expected: gvk.GroupVersionKind, accept_groups: bool
) -> list[str]:
    """Check that the object is an `expected`, and hold it to that type; its unknown fields are returned."""
    if not structure.knows(expected.api_version, expected.kind):
        return _conform_custom(value, actual, expected)
    if not structure.knows(actual.api_version, actual.kind):
        _refuse_kind(actual, expected)
    try:
        unknown = structure.conform(value, actual.api_version, actual.kind)
    except failure.DecodeError as error:
        raise cannot_be_handled(actual, expected, error.message) from None
    if actual.kind != expected.kind or (actual.group != expected.group and not accept_groups):
        target = f"{(expected.group or 'core').partition('.')[0]}.{expected.kind}"
        message = f"converting ({actual.version}.{actual.kind}) to ({target}): unknown conversion"
        raise cannot_be_handled(actual, expected, message)
    if actual.version != expected.version and not accept_groups:
        raise _another_version(actual, expected)
    return unknown


def _conform_custom(value: dict[str, Any], actual: gvk.GroupVersionKind, expected: gvk.GroupVersionKind) -> list[str]:
    """Only the metadata of a custom resource has a type that is known here."""
    metadata = value.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        what = f"json: cannot unmarshal {json_kind(metadata)} into Go value of type v1.ObjectMeta"
        raise cannot_be_handled(actual, expected, what)
    try:
        unknown = structure.conform_metadata(metadata) if metadata else []
    except failure.DecodeError as error:
        what = error.message.replace("ObjectMeta.metadata.", "ObjectMeta.")
        raise cannot_be_handled(actual, expected, what) from None
    if (actual.group, actual.version) != (expected.group, expected.version):
        raise _another_version(actual, expected)
    if actual.kind != expected.kind:
        name = (metadata or {}).get("name") or ""
        wrong = fieldpath.invalid("kind", actual.kind, f"must be {expected.kind}")
        raise errors.Invalid(gvk.GroupKind(actual.group, actual.kind), name, [wrong])
    return unknown


def _another_version(actual: gvk.GroupVersionKind, expected: gvk.GroupVersionKind) -> errors.BadRequest:
    return errors.BadRequest(
        f"the API version in the data ({actual.api_version}) does not match the expected API version "
        f"({expected.api_version})"
    )


def _refuse_kind(actual: gvk.GroupVersionKind, expected: gvk.GroupVersionKind) -> None:
    raise cannot_be_handled(actual, expected, failure.NotRegistered(actual.api_version, actual.kind).message)


def cannot_be_handled(actual: gvk.GroupVersionKind, expected: gvk.GroupVersionKind, message: str) -> errors.BadRequest:
    """The object could be told, but not read."""
    about = f"{actual.kind} in version {goformat.quote(actual.version)} cannot be handled as a {expected.kind}"
    return Refused(about, message)


def _unrecognized(data: bytes, expected: gvk.GroupVersionKind, message: str) -> errors.BadRequest:
    """Not even what the object is could be told."""
    about = f"the object provided is unrecognized (must be of type {expected.kind})"
    return Refused(about, message, f" ({_summary(data)})")


def _summary(data: bytes) -> str:
    if not data:
        return "<empty>"
    more = " ..." if len(data) > _SUMMARY else ""
    if data.startswith(b"{"):
        return data[:_SUMMARY].decode("utf-8", "replace") + more
    return data[:_SUMMARY].hex() + more


def json_kind(value: Any) -> str:
    """What Go's errors call the sort of a JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
