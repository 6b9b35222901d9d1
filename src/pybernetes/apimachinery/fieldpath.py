"""Where in an object something is wrong, and how it is said: field paths and field errors.

    path = Path("spec").child("containers").index(0).child("name")
    errors.append(required(path, ""))              spec.containers[0].name: Required value

Upstream: pkg/util/validation/field (apimachinery). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from pybernetes.apimachinery import goformat

NOT_FOUND = "FieldValueNotFound"
REQUIRED = "FieldValueRequired"
DUPLICATE = "FieldValueDuplicate"
INVALID = "FieldValueInvalid"
NOT_SUPPORTED = "FieldValueNotSupported"
FORBIDDEN = "FieldValueForbidden"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
TOO_FEW = "FieldValueTooFew"
TOO_SHORT = "FieldValueTooShort"
TYPE_INVALID = "FieldValueTypeInvalid"
INTERNAL = "InternalError"

_TEXTS = {
    NOT_FOUND: "Not found",
    REQUIRED: "Required value",
    DUPLICATE: "Duplicate value",
    INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    TOO_FEW: "Too few",
    TOO_SHORT: "Too short",
    TYPE_INVALID: "Invalid value",
    INTERNAL: "Internal error",
}
_WITHOUT_VALUE = frozenset({REQUIRED, FORBIDDEN, TOO_LONG, TOO_SHORT, INTERNAL})
OMIT_VALUE = object()


class Path:
    """An immutable path; children share their parents, the text is made when asked for."""

    __slots__ = ("_segment", "_text", "parent")

    def __init__(self, name: str, *more: str) -> None:
        self.parent: Path | None = None
        self._segment = name
        self._text: str | None = ".".join((name, *more))

    @classmethod
    def _below(cls, parent: Path | None, segment: str) -> Path:
        path = cls.__new__(cls)
        path.parent = parent
        path._segment = segment
        path._text = None
        return path

    def child(self, name: str, *more: str) -> Path:
        return Path._below(self, "." + (".".join((name, *more)) if more else name))

    def index(self, index: int) -> Path:
        return Path._below(self, f"[{index}]")

    def key(self, key: str) -> Path:
        return Path._below(self, f"[{key}]")

    def __str__(self) -> str:
        if self._text is None:
            # A path that opens with an empty root (see ROOT) has no dot before its first name.
            head = str(self.parent) if self.parent is not None else ""
            self._text = head + self._segment if head else self._segment.removeprefix(".")
        return self._text

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


#: The path of the object itself: its children are written without a leading dot.


class FieldError:
    """One thing wrong with one field."""

    __slots__ = ("bad_value", "detail", "field", "type")

    def __init__(self, kind: str, field: Path | str | None, bad_value: Any, detail: str = "") -> None:
        self.type = kind
        self.field = "<nil>" if field is None else str(field)
        self.bad_value = bad_value
        self.detail = detail

    def body(self) -> str:
        """The message without the field's name."""
        text = _TEXTS[self.type]
        if self.type not in _WITHOUT_VALUE and self.bad_value is not OMIT_VALUE:
            text = f"{text}: {_render(self.bad_value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def cause(self) -> dict[str, str]:
        """As it stands in a Status's details.causes."""
        return {"reason": self.type, "message": self.body(), "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.body()}"

    def __repr__(self) -> str:
        return f"FieldError({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldError) and (self.type, str(self)) == (other.type, str(other))

    def __hash__(self) -> int:
        return hash((self.type, str(self)))


ErrorList: TypeAlias = list[FieldError]


def _render(bad: Any) -> str:
    if isinstance(bad, str):
        return goformat.quote(bad)
    if isinstance(bad, bool | int | float):
        return goformat.value(bad)
    return goformat.to_json(bad)


def aggregate(errors: Iterable[object]) -> str:
    """Several errors as one text: repeated ones once, brackets only around more than one."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""


def required(field: Path | str | None, detail: str = "") -> FieldError:
    return FieldError(REQUIRED, field, "", detail)


def invalid(field: Path | str | None, value: Any, detail: str) -> FieldError:
    return FieldError(INVALID, field, value, detail)


def not_found(field: Path | str | None, value: Any) -> FieldError:
    return FieldError(NOT_FOUND, field, value)


def duplicate(field: Path | str | None, value: Any) -> FieldError:
    return FieldError(DUPLICATE, field, value)


def not_supported(field: Path | str | None, value: Any, valid: Iterable[str]) -> FieldError:
    """The values are listed in the order given: upstream sorts them where they come from a set."""
    listed = ", ".join(goformat.quote(item) for item in valid)
    return FieldError(NOT_SUPPORTED, field, value, f"supported values: {listed}" if listed else "")


def forbidden(field: Path | str | None, detail: str) -> FieldError:
    return FieldError(FORBIDDEN, field, "", detail)


def too_long(field: Path | str | None, value: Any, max_length: int) -> FieldError:
    """Counted in bytes; the value itself is never shown."""
    return FieldError(TOO_LONG, field, OMIT_VALUE, _at_most(max_length, "byte"))


def too_many(field: Path | str | None, actual: int, maximum: int) -> FieldError:
    detail = f"must have at most {_count(maximum, 'item')}" if maximum >= 0 else "has too many items"
    return FieldError(TOO_MANY, field, actual if actual >= 0 else OMIT_VALUE, detail)


def invalid_each(field: Path | str | None, value: str, check: Callable[[str], list[str]]) -> ErrorList:
    """One Invalid for each message of a format check such as names.is_dns1123_label."""
    return [invalid(field, value, message) for message in check(value)]


def _at_most(limit: int, unit: str) -> str:
    return f"may not be more than {_count(limit, unit)}" if limit >= 0 else "value is too long"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
