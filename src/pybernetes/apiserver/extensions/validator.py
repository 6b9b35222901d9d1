"""A value against an OpenAPI schema: everything wrong with it, in upstream's words.

What an update leaves as it was is not judged again, as far as a value can be told from its neighbours.
Pure.
Upstream: kube-openapi pkg/validation/validate, apiextensions-apiserver pkg/apiserver/validation.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import re2

from pybernetes.api.openapi import custom
from pybernetes.apimachinery import fieldpath, goformat
from pybernetes.apimachinery.patch import values
from pybernetes.apiserver.extensions import formats

Schema = Mapping[str, Any]

MISSING = object()
_NOTHING: Schema = {}
_RANGES = {"int32": (-(2**31), 2**31 - 1), "float": (-3.4028234663852886e38, 3.4028234663852886e38)}
_EVERYTHING = (-math.inf, math.inf)


@dataclasses.dataclass(slots=True)
class Wrong:
    """One thing: `name` is the path, "" for what names its path in its text."""

    name: str
    kind: str
    value: Any
    text: str


@dataclasses.dataclass(slots=True)
class _Result:
    """What was found, and how much was in order: of several failed alternatives the best is told."""

    found: list[Wrong] = dataclasses.field(default_factory=list)
    matches: int = 0

    def merge(self, other: "_Result") -> None:
        self.found += (one for one in other.found if one not in self.found)
        self.matches += other.matches


def validate(value: Any, schema: Schema, old: Any = MISSING, prefix: str = "") -> fieldpath.ErrorList:
    """Everything wrong with a value; `old` is what it was, `prefix` the path of the value itself."""
    return [_field_error(one, prefix) for one in _check(value, schema, "", old).found]


def _field_error(wrong: Wrong, prefix: str) -> fieldpath.FieldError:
    name = wrong.name.lstrip(".")
    path = ".".join(part for part in (prefix, name) if part) or None
    value, detail = wrong.value, wrong.text
    if wrong.kind == fieldpath.REQUIRED:
        detail = ""
    elif wrong.kind == fieldpath.NOT_SUPPORTED:
        return fieldpath.not_supported(path, value[0], [_shown(one) for one in value[1]])
    elif wrong.kind == fieldpath.TOO_LONG:
        return fieldpath.too_long(path, "", value)
    elif wrong.kind == fieldpath.TOO_MANY:
        return fieldpath.too_many(path, *value)
    return fieldpath.FieldError(wrong.kind, path, "" if value is None else value, detail)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else goformat.to_json(value)


def types(schema: Schema) -> tuple[str, ...]:
    """The types a schema allows; none: all."""
    if schema.get(custom.INT_OR_STRING):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def _format(schema: Schema) -> str:
    kinds, name = types(schema), schema.get("format") or ""
    return name if name and formats.known(kinds[0] if len(kinds) == 1 else "", name) else ""


def _check(value: Any, schema: Schema, path: str, old: Any) -> _Result:
    result = _Result()
    steps = [_type(value, schema, path)]
    if value is not None:
        steps.append(_junctors(value, schema, path, old, result))
        if isinstance(value, str):
            steps += (_string(value, schema, path), _string_format(value, schema, path))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            steps.append(_number(value, schema, path))
        elif isinstance(value, list):
            steps.append(_list(value, schema, path, old, result))
    steps.append(_enum(value, schema, path))
    if isinstance(value, dict):
        steps.append(_object(value, schema, path, old, result))
    for step in steps:
        found = list(step)
        result.found += (one for one in found if one not in result.found)
        result.matches += 1
    if result.found and old is not MISSING and values.equal(value, old):
        result.found = []
    return result


def _type_of(value: Any) -> tuple[str, str]:
    """A value's JSON type and the format that Go would give it."""
    if isinstance(value, bool):
        return "boolean", ""
    if isinstance(value, int):
        return "integer", "int64"
    if isinstance(value, float):
        return "number", "float64"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object", ""


def _type(value: Any, schema: Schema, path: str) -> Iterator[Wrong]:
    wanted, form = types(schema), _format(schema)
    if value is None:
        if wanted and not schema.get("nullable"):
            yield _type_wrong(path, ",".join(wanted), "null")
        return
    if not wanted and not form:
        return
    kind, its_format = _type_of(value)
    numeric = "number" in wanted or "integer" in wanted
    fits = kind in wanted or (kind == "integer" and "number" in wanted)
    fits = fits or (kind == "number" and "integer" in wanted and float(value).is_integer())
    if isinstance(value, str | list):
        if form and not numeric:
            return
    elif form and not fits and its_format != form:
        yield _type_wrong(path, form, its_format)
        return
    if not fits:
        yield _type_wrong(path, ",".join(wanted), kind)


def _type_wrong(path: str, wanted: str, given: str) -> Wrong:
    text = f"{path} in body must be of type {wanted}: {goformat.quote(given)}"
    return Wrong(path, fieldpath.TYPE_INVALID, given, text)


def _invalid(path: str, value: Any, text: str) -> Wrong:
    return Wrong(path, fieldpath.INVALID, value, f"{path} in body {text}")


def _junctors(value: Any, schema: Schema, path: str, old: Any, result: _Result) -> Iterator[Wrong]:
    """allOf, anyOf, oneOf and not: what alternatives say goes into `result` at once, the verdict comes out."""
    quoted = goformat.quote(path)
    for name in ("anyOf", "oneOf"):
        if not schema.get(name):
            continue
        outcomes = [_check(value, one, path, old) for one in schema[name]]
        passed = [one for one in outcomes if not one.found]
        if not passed:
            told = "at least one schema (anyOf)" if name == "anyOf" else "one and only one schema (oneOf)."
            more = "" if name == "anyOf" else " Found none valid"
            yield Wrong("", fieldpath.INVALID, "", f"{quoted} must validate {told}{more}")
            result.merge(max(outcomes, key=lambda one: one.matches))
        elif name == "oneOf" and len(passed) > 1:
            text = f"one and only one schema (oneOf). Found {len(passed)} valid alternatives"
            yield Wrong("", fieldpath.INVALID, "", f"{quoted} must validate {text}")
        else:
            result.merge(passed[0])
    outcomes = [_check(value, one, path, old) for one in schema.get("allOf") or ()]
    for one in outcomes:
        result.merge(one)
    failed = sum(bool(one.found) for one in outcomes)
    if failed:
        more = ". None validated" if failed == len(outcomes) else ""
        yield Wrong("", fieldpath.INVALID, "", f"{quoted} must validate all the schemas (allOf){more}")
    if schema.get("not") is not None and not _check(value, schema["not"], path, old).found:
        yield Wrong("", fieldpath.INVALID, "", f"{quoted} must not validate the schema (not)")


@functools.lru_cache(maxsize=4096)
def pattern(text: str) -> Any:
    """A compiled pattern; raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(text, options)


def _string(value: str, schema: Schema, path: str) -> Iterator[Wrong]:
    """The first thing wrong with a string."""
    most, least, shape = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if most is not None and len(value) > most:
        yield Wrong(path, fieldpath.TOO_LONG, most, "")
    elif least is not None and len(value) < least:
        yield _invalid(path, value, f"should be at least {least} chars long")
    elif shape and pattern(shape).search(value) is None:
        yield _invalid(path, value, f"should match '{shape}'")


def _string_format(value: str, schema: Schema, path: str) -> Iterator[Wrong]:
    form = _format(schema)
    if form.replace("-", "") in formats.CHECKS and not formats.matches(form, value):
        yield Wrong(
            path,
            fieldpath.TYPE_INVALID,
            value,
            f"{path} in body must be of type {form}: {goformat.quote(value)}",
        )


def _number(value: float, schema: Schema, path: str) -> Iterator[Wrong]:
    kinds, form = types(schema), _format(schema)
    least, most = _RANGES.get(form, _EVERYTHING)
    if not least <= value <= most:
        text = f"Checked value must be of type {kinds[0]} with format {form} in {path}"
        yield Wrong("", fieldpath.INVALID, "", text)
    elif kinds == ("integer",) and not float(value).is_integer():
        more = f"with format {form}" if form else "(default format)"
        yield Wrong("", fieldpath.INVALID, "", f"Checked value must be of type integer {more} in {path}")
    factor = schema.get("multipleOf")
    if factor is not None:
        quotient = value / factor if factor >= 1 else 1 / factor * value
        if abs(quotient - round(quotient)) > 1e-9 * max(1.0, abs(quotient)):
            yield _invalid(path, value, f"should be a multiple of {goformat.value(factor)}")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        exclusive = bool(schema.get("exclusiveMinimum"))
        if value <= low if exclusive else value < low:
            limit = f"greater than {'' if exclusive else 'or equal to '}"
            yield _invalid(path, value, f"should be {limit}{_limit(low, value)}")
    if high is not None:
        exclusive = bool(schema.get("exclusiveMaximum"))
        if value >= high if exclusive else value > high:
            limit = f"less than {'' if exclusive else 'or equal to '}"
            yield _invalid(path, value, f"should be {limit}{_limit(high, value)}")


def _limit(limit: float, value: float) -> str:
    return goformat.value(int(limit) if isinstance(value, int) else float(limit))


def _list(value: list[Any], schema: Schema, path: str, old: Any, result: _Result) -> Iterator[Wrong]:
    items = schema.get("items")
    if items is not None:
        before = _by_keys(schema, old)
        for index, item in enumerate(value):
            was = before.get(_key(schema, item), MISSING) if before else MISSING
            result.merge(_check(item, items, f"{path}[{index}]", was))
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and len(value) < least:
        yield _invalid(path, len(value), f"should have at least {least} items")
    if most is not None and len(value) > most:
        yield Wrong(path, fieldpath.TOO_MANY, (len(value), most), "")


def _key(schema: Schema, item: Any) -> str:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return goformat.to_json([item.get(name) for name in keys]) if isinstance(item, dict) else ""


def _by_keys(schema: Schema, old: Any) -> dict[str, Any]:
    """The old items of a list that is a map: only these can be told apart."""
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(old, list):
        return {}
    return {_key(schema, item): item for item in old}


def _enum(value: Any, schema: Schema, path: str) -> Iterator[Wrong]:
    allowed = schema.get("enum")
    if allowed and not any(_same(value, one) for one in allowed):
        yield Wrong(path, fieldpath.NOT_SUPPORTED, (value, allowed), "")


def _same(value: Any, allowed: Any) -> bool:
    numbers = isinstance(value, int | float) and isinstance(allowed, int | float)
    if numbers and bool not in (type(value), type(allowed)):
        return bool(value == allowed)
    return values.equal(value, allowed)


def _object(value: dict[str, Any], schema: Schema, path: str, old: Any, result: _Result) -> Iterator[Wrong]:
    least, most = schema.get("minProperties"), schema.get("maxProperties")
    if least is not None and len(value) < least:
        yield _invalid(path, len(value), f"should have at least {least} properties")
    if most is not None and len(value) > most:
        yield Wrong(path, fieldpath.TOO_MANY, (len(value), most), "")
    properties, additional = schema.get("properties") or _NOTHING, schema.get("additionalProperties")
    before = old if isinstance(old, dict) else _NOTHING
    for name, item in value.items():
        below = properties.get(name, additional)
        if isinstance(below, Mapping):
            place = f"{path}.{name}" if path or name not in properties else name
            result.merge(_check(item, below, place, before.get(name, MISSING)))
        elif below is False:
            text = f"{path}.{name} in body is a forbidden property"
            yield Wrong(path, fieldpath.INVALID, name, text)
    for name in schema.get("required") or ():
        if name not in value:
            yield Wrong(f"{path}.{name}", fieldpath.REQUIRED, None, "")
