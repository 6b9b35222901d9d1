"""Reads the simple YAML that kubectl and we write into kubeconfig files, without importing a YAML library.

The command line starts in a few hundredths of a second; importing a YAML library would be a good part of that. This
reader knows block maps and lists, one scalar to a line, and nothing that could be read in two ways: for everything else
it says so (`NotSimple`), and the caller asks the library.

Pure.
"""

import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./:@=+%~-]*")
_KEY = re.compile(r"([A-Za-z0-9_./-]+):(?: +(.*))?")
_WORDS = re.compile(r"(?i)y|n|yes|no|on|off|null|true|false")
_EMPTY: dict[str, type[Any]] = {"{}": dict, "[]": list}


class NotSimple(Exception):
    """More than this reader knows."""


def parse(text: str) -> Any:
    """The document; `NotSimple` unless every line of it is simple."""
    lines: list[tuple[int, str]] = []
    for raw in text.split("\n"):
        line = raw.rstrip(" \r")
        body = line.lstrip(" ")
        if not body or body[0] == "#" or (line == "---" and not lines):
            continue
        if "\t" in line:
            raise NotSimple(line)
        lines.append((len(line) - len(body), body))
    if not lines:
        return None
    reader = _Reader(lines)
    value = reader.block(lines[0][0])
    if reader.position != len(lines):
        raise NotSimple(lines[reader.position][1])
    return value


class _Reader:
    """Goes through lines of (indentation, text)."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self.lines = lines
        self.position = 0

    def _at(self, indent: int) -> str | None:
        if self.position < len(self.lines) and self.lines[self.position][0] == indent:
            return self.lines[self.position][1]
        return None

    def block(self, indent: int) -> Any:
        """A map or a list whose lines start at that column."""
        first = self._at(indent)
        return self._list(indent) if first is not None and _is_item(first) else self._map(indent)

    def _list(self, indent: int) -> list[Any]:
        items: list[Any] = []
        while (line := self._at(indent)) is not None and _is_item(line):
            rest = line[1:].lstrip(" ")
            inner = indent + len(line) - len(rest)
            if not rest:
                raise NotSimple(line)
            if _KEY.fullmatch(rest):
                # the item is a map whose first line stands behind the dash
                self.lines[self.position] = (inner, rest)
                items.append(self._map(inner))
            else:
                self.position += 1
                items.append(_scalar(rest))
        return items

    def _map(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (line := self._at(indent)) is not None and not _is_item(line):
            match = _KEY.fullmatch(line)
            if match is None or match[1] in found or not _is_word(match[1]):
                raise NotSimple(line)
            self.position += 1
            found[match[1]] = _scalar(match[2]) if match[2] else self._below(indent)
        if not found:
            raise NotSimple("empty block")
        return found

    def _below(self, indent: int) -> Any:
        """What belongs to a key without a value of its own: deeper lines, or list items at the same column."""
        if self.position < len(self.lines):
            column, line = self.lines[self.position]
            if column > indent or (column == indent and _is_item(line)):
                return self.block(column)
        return None


def _is_item(line: str) -> bool:
    return line == "-" or line.startswith("- ")


def _is_word(text: str) -> bool:
    """A plain scalar that is a string and nothing else in every version of YAML."""
    return _PLAIN.fullmatch(text) is not None and _WORDS.fullmatch(text) is None


def _scalar(text: str) -> Any:
    if text in _EMPTY:
        return _EMPTY[text]()
    if text in ("true", "false"):
        return text == "true"
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        inner = text[1:-1]
        if text[0] in inner or "\\" in inner or not inner.isascii() or not inner.isprintable():
            raise NotSimple(text)
        return inner
    if _is_word(text) and not text.endswith(":"):
        return text
    raise NotSimple(text)
