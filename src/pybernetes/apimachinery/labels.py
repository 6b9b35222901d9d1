"""Label selectors: parse, match, print.

    labels.parse("app in (web, api),tier!=cache,!legacy").matches(pod["metadata"].get("labels"))

Selectors are immutable; `parse` keeps the most recent ones, so a hot text is parsed once.

Upstream: pkg/labels, pkg/apis/meta/v1/helpers.go (apimachinery). Pure.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pybernetes.apimachinery import fieldpath, goformat, names

EQUALS = "="
DOUBLE_EQUALS = "=="
NOT_EQUALS = "!="
IN = "in"
NOT_IN = "notin"
EXISTS = "exists"
DOES_NOT_EXIST = "!"
GREATER_THAN = "gt"
LESS_THAN = "lt"

_BINARY = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER_THAN, LESS_THAN)
_ALL_OPERATORS = (*_BINARY, EXISTS, DOES_NOT_EXIST)
_POSITIVE = frozenset({EQUALS, DOUBLE_EQUALS, IN})
_NEGATIVE = frozenset({NOT_EQUALS, NOT_IN})
_SYMBOLS = {EQUALS: "=", DOUBLE_EQUALS: "==", NOT_EQUALS: "!=", GREATER_THAN: ">", LESS_THAN: "<"}
_FROM_SYMBOL = {"=": EQUALS, "==": DOUBLE_EQUALS, "!=": NOT_EQUALS, ">": GREATER_THAN, "<": LESS_THAN}
_FROM_WORD = {"in": IN, "notin": NOT_IN}
_FROM_API = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": DOES_NOT_EXIST}
_CACHED = 4096

_integer = re.compile(r"[+-]?[0-9]+").fullmatch
_token = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^=!(),<> \t\r\n\0]+))?").match


class SelectorError(ValueError):
    """The selector cannot be read; the text is upstream's."""


class Requirement(NamedTuple):
    """A key, an operator, and the values they relate it to."""

    key: str
    operator: str
    values: tuple[str, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        present = labels.get(self.key)
        operator = self.operator
        if operator in _POSITIVE:
            return present is not None and present in self.values
        if operator in _NEGATIVE:
            return present is None or present not in self.values
        if operator == EXISTS:
            return present is not None
        if operator == DOES_NOT_EXIST:
            return present is None
        return present is not None and self._compares(present)

    def _compares(self, present: str) -> bool:
        actual = _parse_int64(present)
        wanted = _parse_int64(self.values[0]) if len(self.values) == 1 else None
        if actual is None or wanted is None:
            return False
        return actual > wanted if self.operator == GREATER_THAN else actual < wanted

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == DOES_NOT_EXIST:
            return f"!{self.key}"
        listed = ",".join(sorted(self.values))
        if self.operator in {IN, NOT_IN}:
            return f"{self.key} {self.operator} ({listed})"
        return f"{self.key}{_SYMBOLS[self.operator]}{listed}"


class Selector:
    """All requirements must hold. `selectable` is False only for NOTHING, which no object matches."""

    __slots__ = ("_equal", "_others", "_text", "requirements", "selectable")

    def __init__(self, requirements: Iterable[Requirement] = (), *, selectable: bool = True) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda requirement: requirement.key))
        self.selectable = selectable
        self._equal = tuple(
            (req.key, req.values[0]) for req in self.requirements if req.operator in _POSITIVE and len(req.values) == 1
        )
        self._others = tuple(
            req for req in self.requirements if not (req.operator in _POSITIVE and len(req.values) == 1)
        )
        self._text: str | None = None

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is selected; None is no labels."""
        if not self.selectable:
            return False
        if labels is None:
            labels = {}
        for key, value in self._equal:
            if labels.get(key) != value:
                return False
        return all(requirement.matches(labels) for requirement in self._others) if self._others else True

    @property
    def empty(self) -> bool:
        """Restricts nothing."""
        return self.selectable and not self.requirements

    def requires_exact(self, key: str) -> str | None:
        """The only value of this label that can match, if there is one."""
        for requirement in self.requirements:
            if requirement.key == key:
                exact = requirement.operator in _POSITIVE and len(requirement.values) == 1
                return requirement.values[0] if exact else None
        return None

    def add(self, *requirements: Requirement) -> Selector:
        return Selector((*self.requirements, *requirements)) if self.selectable else self

    def __str__(self) -> str:
        if self._text is None:
            self._text = ",".join(map(str, self.requirements))
        return self._text

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


def requirement(key: str, operator: str, values: Iterable[str] = ()) -> Requirement:
    """A checked requirement; SelectorError lists everything wrong with it."""
    listed = tuple(values)
    errors: fieldpath.ErrorList = []
    at_values = fieldpath.Path("values")
    key_messages = names.is_qualified_name(key)
    if key_messages:
        errors.append(fieldpath.invalid(fieldpath.Path("key"), key, "; ".join(key_messages)))
    if operator in {IN, NOT_IN}:
        if not listed:
            errors.append(fieldpath.invalid(at_values, None, "for 'in', 'notin' operators, values set can't be empty"))
    elif operator in _SYMBOLS and operator not in {GREATER_THAN, LESS_THAN}:
        if len(listed) != 1:
            errors.append(
                fieldpath.invalid(at_values, listed or None, "exact-match compatibility requires one single value")
            )
    elif operator in {EXISTS, DOES_NOT_EXIST}:
        if listed:
            errors.append(
                fieldpath.invalid(at_values, listed, "values set must be empty for exists and does not exist")
            )
    elif operator in {GREATER_THAN, LESS_THAN}:
        errors += _check_comparison(listed, at_values)
    else:
        errors.append(fieldpath.not_supported(fieldpath.Path("operator"), operator, _ALL_OPERATORS))
    for index, value in enumerate(listed):
        messages = names.is_label_value(value)
        if messages:
            errors.append(fieldpath.invalid(at_values.index(index).key(key), value, "; ".join(messages)))
    if errors:
        raise SelectorError(fieldpath.aggregate(errors))
    return Requirement(key, operator, listed)


def _check_comparison(values: tuple[str, ...], path: fieldpath.Path) -> fieldpath.ErrorList:
    errors: fieldpath.ErrorList = []
    if len(values) != 1:
        errors.append(
            fieldpath.invalid(path, values or None, "for 'Gt', 'Lt' operators, exactly one value is required")
        )
    for index, value in enumerate(values):
        if _parse_int64(value) is None:
            message = "for 'Gt', 'Lt' operators, the value must be an integer"
            errors.append(fieldpath.invalid(path.index(index), value, message))
    return errors


@functools.lru_cache(maxsize=_CACHED)
def parse(text: str) -> Selector:
    """The selector of a query parameter or a command line; SelectorError if it cannot be read."""
    return Selector(_Parser(text).parse())


def from_set(labels: Mapping[str, str] | None) -> Selector:
    """Each of these labels with exactly this value, unchecked; none of them selects everything."""
    if not labels:
        return EVERYTHING
    return Selector(Requirement(key, EQUALS, (value,)) for key, value in labels.items())


def from_validated_set(labels: Mapping[str, str] | None) -> Selector:
    """As from_set, but SelectorError for a key or value that no label can have."""
    if not labels:
        return EVERYTHING
    return Selector(requirement(key, EQUALS, (value,)) for key, value in labels.items())


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """The LabelSelector of an API object: None selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    match_labels = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    if not match_labels and not expressions:
        return EVERYTHING
    return _from_label_selector(
        tuple(match_labels.items()),
        tuple(
            (expression.get("key") or "", expression.get("operator") or "", tuple(expression.get("values") or ()))
            for expression in expressions
        ),
    )


@functools.lru_cache(maxsize=_CACHED)
def _from_label_selector(
    match_labels: tuple[tuple[str, str], ...], expressions: tuple[tuple[str, str, tuple[str, ...]], ...]
) -> Selector:
    requirements = [requirement(key, EQUALS, (value,)) for key, value in match_labels]
    for key, word, values in expressions:
        operator = _FROM_API.get(word)
        if operator is None:
            raise SelectorError(f"{goformat.quote(word)} is not a valid label selector operator")
        requirements.append(requirement(key, operator, values))
    return Selector(requirements)


def format_label_selector(selector: Mapping[str, Any] | None) -> str:
    """As columns and descriptions show it."""
    try:
        text = str(from_label_selector(selector))
    except SelectorError:
        return "<error>"
    return text or "<none>"


def _parse_int64(text: str) -> int | None:
    if not _integer(text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


class _Parser:
    """Recursive descent over the tokens; `in` and `notin` are operators only where one is expected."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while True:
            found = _token(text, position)
            symbol, word = found.groups() if found else (None, None)
            if found is None or not (symbol or word):
                break
            position = found.end()
            self._tokens.append((symbol or "word", symbol or word or ""))
        self._tokens.append(("end", ""))
        self._next = 0

    def _peek(self) -> str:
        return self._tokens[self._next][0]

    def _take(self) -> tuple[str, str]:
        self._next += 1
        return self._tokens[self._next - 1]

    def parse(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        while True:
            kind, literal = self._tokens[self._next]
            if kind == "end":
                return requirements
            if kind not in {"word", "!"}:
                raise SelectorError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                requirements.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            kind, literal = self._take()
            if kind == "end":
                return requirements
            if kind != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self._tokens[self._next]
            if kind not in {"word", "!"}:
                raise SelectorError(f"found '{literal}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        kind, key = self._take()
        absent = kind == "!"
        if absent:
            kind, key = self._take()
        if kind != "word":
            raise SelectorError(f"found '{key}', expected: identifier")
        messages = names.is_qualified_name(key)
        if messages:
            raise SelectorError(str(fieldpath.invalid(None, key, "; ".join(messages))))
        if absent:
            return requirement(key, DOES_NOT_EXIST)
        if self._peek() in {"end", ","}:
            return requirement(key, EXISTS)
        operator = self._operator()
        values = self._values() if operator in {IN, NOT_IN} else self._exact_value()
        return requirement(key, operator, sorted(values))

    def _operator(self) -> str:
        kind, literal = self._take()
        operator = _FROM_WORD.get(literal) if kind == "word" else _FROM_SYMBOL.get(kind)
        if operator is None:
            raise SelectorError(f"found '{literal}', expected: {', '.join(_BINARY)}")
        return operator

    def _values(self) -> set[str]:
        kind, literal = self._take()
        if kind != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        kind, literal = self._tokens[self._next]
        if kind == ")":
            self._take()
            return {""}
        if kind not in {"word", ","}:
            raise SelectorError(f"found '{literal}', expected: ',', ')' or identifier")
        values = self._identifiers()
        self._take()
        return values

    def _identifiers(self) -> set[str]:
        """The list before the closing parenthesis, where an empty place is the empty value."""
        values: set[str] = set()
        while True:
            kind, literal = self._take()
            following, following_literal = self._tokens[min(self._next, len(self._tokens) - 1)]
            if kind == "word":
                values.add(literal)
                if following == ")":
                    return values
                if following != ",":
                    raise SelectorError(f"found '{following_literal}', expected: ',' or ')'")
            elif kind == ",":
                if not values or following in {",", ")"}:
                    values.add("")
                if following == ")":
                    return values
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")

    def _exact_value(self) -> set[str]:
        if self._peek() in {"end", ","}:
            return {""}
        kind, literal = self._take()
        if kind != "word":
            raise SelectorError(f"found '{literal}', expected: identifier")
        return {literal}
