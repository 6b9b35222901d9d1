"""Field selectors: `status.phase=Running,spec.nodeName!=n1`, with \\ before a comma, an equals sign or itself.

Upstream: pkg/fields (apimachinery). Pure.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

EQUALS = "="
NOT_EQUALS = "!="
_OPERATORS = (("!=", NOT_EQUALS), ("==", EQUALS), ("=", EQUALS))
_ESCAPED = str.maketrans({"\\": "\\\\", ",": "\\,", "=": "\\="})

Transform = Callable[[str, str], tuple[str, str]]


class SelectorError(ValueError):
    """The selector cannot be read; the text is upstream's."""


class Requirement(NamedTuple):
    """A field that must, or must not, have a value."""

    field: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{escape(self.value)}"


class Selector:
    """All requirements must hold; a field that is not there counts as empty."""

    __slots__ = ("requirements", "selectable")

    def __init__(self, requirements: tuple[Requirement, ...] = (), *, selectable: bool = True) -> None:
        self.requirements = requirements
        self.selectable = selectable

    def matches(self, fields: Mapping[str, str]) -> bool:
        return self.selectable and all(
            (fields.get(req.field, "") == req.value) == (req.operator == EQUALS) for req in self.requirements
        )

    @property
    def empty(self) -> bool:
        return self.selectable and not self.requirements

    def requires_exact(self, field: str) -> str | None:
        """The only value of this field that can match, if there is one."""
        for req in self.requirements:
            if req.field == field and req.operator == EQUALS:
                return req.value
        return None

    def transform(self, function: Transform) -> Selector:
        """Rename fields and values; a requirement that becomes empty is dropped."""
        renamed = ((req, function(req.field, req.value)) for req in self.requirements)
        kept = tuple(Requirement(pair[0], req.operator, pair[1]) for req, pair in renamed if pair != ("", ""))
        return Selector(kept, selectable=self.selectable)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return f"Selector({str(self)!r})" if self.selectable else "NOTHING"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selector):
            return NotImplemented
        return (self.selectable, self.requirements) == (other.selectable, other.requirements)

    def __hash__(self) -> int:
        return hash((self.selectable, self.requirements))


EVERYTHING = Selector()
NOTHING = Selector(selectable=False)


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """The selector of a query parameter; SelectorError if it cannot be read."""
    terms = (_parse_term(text, term) for term in sorted(_split(text)) if term)
    return Selector(tuple(term for term in terms if term.field or term.value))


def escape(value: str) -> str:
    return value.translate(_ESCAPED)


def unescape(text: str) -> str:
    value: list[str] = []
    escaped = False
    for char in text:
        if escaped:
            if char not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{char}")
            value.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            value.append(char)
    if escaped:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    return "".join(value)


def _split(text: str) -> list[str]:
    terms: list[str] = []
    start = 0
    escaped = False
    for position, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ",":
            terms.append(text[start:position])
            start = position + 1
    terms.append(text[start:])
    return terms


def _parse_term(text: str, term: str) -> Requirement:
    """Split at the first operator: field names need no escapes."""
    for position in range(len(term)):
        for symbol, operator in _OPERATORS:
            if term.startswith(symbol, position):
                return Requirement(term[:position], operator, unescape(term[position + len(symbol) :]))
    raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
