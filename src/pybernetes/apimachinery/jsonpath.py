"""kubectl's JSONPath, as columns of custom resources use it.

    jsonpath.parse_path('.status.conditions[?(@.type=="Ready")].status').find(node)

Names (`.a`, `['a.b']`), `[3]`, `[-1]`, `[0:4:2]`, `[a,b]`, `[*]`, `..a`, filters with == != < <= > >= or mere
existence. What is missing is no error and leads nowhere.

Upstream: client-go/util/jsonpath. Pure.
"""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from pybernetes.apimachinery import goformat


class JSONPathError(ValueError):
    """The path cannot be read, or cannot be followed in the data."""


#: From one value to the values it leads to.
Step: TypeAlias = Callable[[Any], Iterator[Any]]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_name = re.compile(r"(?:\\.|[^\s.,\[\]{}()'\"=!<>$@*?:|&\\])+").match
_number = re.compile(r"[+-]?\d+(?:\.\d+)?(?![\w.-])").match
_comparison = re.compile(r"\s*(==|!=|<=|>=|<|>)\s*").match
_slice = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?").fullmatch
_quoted = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""").match
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Path:
    """The steps from the root to values."""

    __slots__ = ("_steps",)

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps

    def find(self, data: Any) -> list[Any]:
        """The values found, in order."""
        values = [data]
        for step in self._steps:
            values = [found for value in values for found in step(value)]
        return values


class _Literal:
    """A value written out in a filter."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def to_text(value: Any) -> str:
    """One value as it is printed: scalars plain, lists and maps as JSON with sorted keys."""
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return "null" if value is None else goformat.value(value)


@functools.lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """A single expression with or without its braces and leading dot, as columns give it."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    if inner and inner[0] not in ".[$@":
        inner = f".{inner}"
    parser = _Parser(inner)
    path = parser.path()
    if parser.position != len(inner):
        raise JSONPathError(f"unrecognized character in action: {inner[parser.position]!r}")
    return path


# Steps


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _path_step(text: str) -> Step:
    """A quoted member: dots in it part names unless escaped."""
    path = _Parser(f".{text}").path()

    def step(value: Any) -> Iterator[Any]:
        yield from path.find(value)

    return step


def _union(steps: list[Step]) -> Step:
    def step(value: Any) -> Iterator[Any]:
        for each in steps:
            yield from each(value)

    return step


def _wildcard(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        # Go walks maps in random order; sorted keys at least give one answer.
        yield from (value[key] for key in sorted(value))


def _recursive(value: Any) -> Iterator[Any]:
    """The value and everything inside it."""
    yield value
    for inner in _wildcard(value):
        if isinstance(inner, dict | list):
            yield from _recursive(inner)


def _index(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if value is None:
            return
        if not isinstance(value, list):
            raise JSONPathError(f"{to_text(value)} is not array or slice")
        if -len(value) <= index < len(value):
            yield value[index]

    return step


def _slice_of(low: int | None, high: int | None, stride: int | None) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if value is None:
            return
        if not isinstance(value, list):
            raise JSONPathError(f"{to_text(value)} is not array or slice")
        yield from value[slice(low, high, stride)]

    return step


def _filter(left: Path | _Literal, symbol: str | None, right: Path | _Literal | None) -> Step:
    def step(value: Any) -> Iterator[Any]:
        for item in _wildcard(value):
            found = _operand(left, item)
            if symbol is None or right is None:
                if found:
                    yield item
                continue
            wanted = _operand(right, item)
            if len(found) > 1 or len(wanted) > 1:
                raise JSONPathError("can only compare one element at a time")
            if found and wanted and _holds(symbol, found[0], wanted[0]):
                yield item

    return step


def _operand(side: Path | _Literal, item: Any) -> list[Any]:
    return [side.value] if isinstance(side, _Literal) else side.find(item)


def _holds(symbol: str, left: Any, right: Any) -> bool:
    """Values of different kinds are unequal and have no order."""
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if isinstance(left, bool) != isinstance(right, bool) or not (numbers or type(left) is type(right)):
        return symbol == "!="
    if symbol not in {"==", "!="} and isinstance(left, dict | list | bool | None):
        return False
    return _COMPARISONS[symbol](left, right)


class _Parser:
    """Reads a path from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    def path(self) -> Path:
        steps: list[Step] = []
        if self._peek() in {"$", "@"}:
            self.position += 1
        elif self._peek() not in {".", "["}:
            steps.append(_field(self._identifier()))
        while True:
            char = self._peek()
            if char == "[":
                steps.append(self._brackets())
            elif char == ".":
                self.position += 1
                self._dot(steps)
            else:
                return Path(tuple(steps))

    def _dot(self, steps: list[Step]) -> None:
        if self._peek() == ".":
            self.position += 1
            steps.append(_recursive)
        char = self._peek()
        if char == "*":
            self.position += 1
            steps.append(_wildcard)
        elif char == "[" or _name(self._text, self.position) is None:
            return
        else:
            steps.append(_field(self._identifier()))

    def _brackets(self) -> Step:
        self.position += 1
        self._blanks()
        if self._text.startswith("?(", self.position):
            self.position += 2
            return self._filter()
        steps = [self._member()]
        while self._peek() == ",":
            self.position += 1
            self._blanks()
            steps.append(self._member())
        self._expect("]", "unterminated array")
        return steps[0] if len(steps) == 1 else _union(steps)

    def _member(self) -> Step:
        quoted = _quoted(self._text, self.position)
        if quoted:
            self.position = quoted.end()
            self._blanks()
            return _path_step(quoted[0][1:-1])
        end = self.position
        while end < len(self._text) and self._text[end] not in ",]":
            end += 1
        text = self._text[self.position : end].strip()
        self.position = end
        if text == "*":
            return _wildcard
        if re.fullmatch(r"-?\d+", text):
            return _index(int(text))
        found = _slice(text)
        if found:
            low, high, stride = (int(part) if part else None for part in found.groups())
            if stride == 0:
                raise JSONPathError("step must be > 0")
            return _slice_of(low, high, stride)
        if text and _name(text) and not re.search(r"[\s()?]", text):
            return _field(text.removeprefix("."))
        raise JSONPathError(f"invalid array index {text}")

    def _filter(self) -> Step:
        self._blanks()
        left = self._side()
        found = _comparison(self._text, self.position)
        right: Path | _Literal | None = None
        if found:
            self.position = found.end()
            right = self._side()
        self._blanks()
        self._expect(")", "unterminated filter")
        self._expect("]", "unclosed array expect ]")
        return _filter(left, found[1] if found else None, right)

    def _side(self) -> Path | _Literal:
        literal = self._literal()
        return literal if literal is not None else self.path()

    def _literal(self) -> _Literal | None:
        quoted = _quoted(self._text, self.position)
        if quoted:
            self.position = quoted.end()
            return _Literal(_unquote(quoted[0]))
        number = _number(self._text, self.position)
        if number:
            self.position = number.end()
            return _Literal(float(number[0]) if "." in number[0] else int(number[0]))
        for word, value in (("true", True), ("false", False)):
            if self._word(word):
                return _Literal(value)
        return None

    def _identifier(self) -> str:
        found = _name(self._text, self.position)
        if found is None:
            raise JSONPathError(f"unrecognized character in action: {self._peek()!r}")
        self.position = found.end()
        return re.sub(r"\\(.)", r"\1", found[0])

    def _word(self, word: str) -> bool:
        end = self.position + len(word)
        if self._text.startswith(word, self.position) and self._text[end : end + 1] in {"", " ", "}", ")", "\t", "\n"}:
            self.position = end
            return True
        return False

    def _expect(self, char: str, message: str) -> None:
        if self._peek() != char:
            raise JSONPathError(message)
        self.position += 1

    def _peek(self) -> str:
        return self._text[self.position : self.position + 1]

    def _blanks(self) -> None:
        while self._peek() in {" ", "\t", "\n", "\r"}:
            self.position += 1


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1])
