"""Why a text is not JSON, in the words of Go's scanner. Slow, and only asked once a fast reader has refused the text.

Upstream: encoding/json scanner.go. Pure.
"""

import re

UNEXPECTED_END = "unexpected end of JSON input"

_blank = re.compile(r"[ \t\r\n]*").match
_literal = {"t": "true", "f": "false", "n": "null"}
_string_body = re.compile(r'[^"\\\x00-\x1f]*').match


class _Broken(Exception):
    """The text ends or goes wrong here."""


class _Scanner:
    """Values are walked with an explicit stack: the text may nest as deep as it likes."""

    def __init__(self, text: str, max_depth: int) -> None:
        self.text = text
        self.position = 0
        self.max_depth = max_depth

    def blank(self) -> None:
        found = _blank(self.text, self.position)
        assert found is not None
        self.position = found.end()

    def peek(self) -> str:
        if self.position >= len(self.text):
            raise _Broken(UNEXPECTED_END)
        return self.text[self.position]

    def fail(self, where: str) -> None:
        raise _Broken(f"invalid character {_quote_char(self.peek())} {where}")

    def document(self) -> None:
        self.value()
        self.blank()
        if self.position < len(self.text):
            self.fail("after top-level value")

    def value(self) -> None:
        """One value; `stack` holds the closing character of each object and array that is open."""
        stack: list[str] = []
        while True:
            self.blank()
            char = self.peek()
            if char in "{[":
                self.position += 1
                self.blank()
                closing = "}" if char == "{" else "]"
                if len(stack) >= self.max_depth:
                    self.position -= 1
                    self.fail("exceeded max depth")
                if self.peek() == closing:
                    self.position += 1
                else:
                    stack.append(closing)
                    if closing == "}":
                        self.key()
                    continue
            else:
                self.scalar(char)
            if not self.after_value(stack):
                return

    def after_value(self, stack: list[str]) -> bool:
        """Close what closes here; False once the outermost value is over."""
        while stack:
            self.blank()
            char = self.peek()
            if char == stack[-1]:
                self.position += 1
                stack.pop()
                continue
            if char != ",":
                self.fail("after object key:value pair" if stack[-1] == "}" else "after array element")
            self.position += 1
            if stack[-1] == "}":
                self.key()
            return True
        return False

    def key(self) -> None:
        self.blank()
        if self.peek() != '"':
            self.fail("looking for beginning of object key string")
        self.string()
        self.blank()
        if self.peek() != ":":
            self.fail("after object key")
        self.position += 1

    def scalar(self, char: str) -> None:
        if char == '"':
            self.string()
        elif char in _literal:
            word = _literal[char]
            for index, wanted in enumerate(word):
                if self.peek() != wanted:
                    self.fail(f"in literal {word} (expecting {_quote_char(word[index])})")
                self.position += 1
        elif char == "-" or char in "0123456789":
            self.number()
        else:
            self.fail("looking for beginning of value")

    def string(self) -> None:
        self.position += 1
        while True:
            found = _string_body(self.text, self.position)
            assert found is not None
            self.position = found.end()
            char = self.peek()
            if char == '"':
                self.position += 1
                return
            if char != "\\":
                self.fail("in string literal")
            self.position += 1
            if self.peek() == "u":
                self.position += 1
                for _ in range(4):
                    if self.peek() not in "0123456789abcdefABCDEF":
                        self.fail("in \\u hexadecimal character escape")
                    self.position += 1
            elif self.peek() in 'bfnrt\\/"':
                self.position += 1
            else:
                self.fail("in string escape code")

    def digits(self) -> None:
        while self.position < len(self.text) and self.text[self.position] in "0123456789":
            self.position += 1

    def number(self) -> None:
        if self.peek() == "-":
            self.position += 1
        if self.peek() not in "0123456789":
            self.fail("in numeric literal")
        if self.text[self.position] == "0":
            self.position += 1
        else:
            self.digits()
        if self.text[self.position : self.position + 1] == ".":
            self.position += 1
            if self.peek() not in "0123456789":
                self.fail("after decimal point in numeric literal")
            self.digits()
        if self.text[self.position : self.position + 1] in ("e", "E"):
            self.position += 1
            if self.peek() in "+-":
                self.position += 1
            if self.peek() not in "0123456789":
                self.fail("in exponent of numeric literal")
            self.digits()


def _quote_char(char: str) -> str:
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    shown = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "\x07": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
    if char in shown:
        return f"'{shown[char]}'"
    if char < " " or char == "\x7f":
        return f"'\\x{ord(char):02x}'"
    if ord(char) < 0x80:
        return f"'{char}'"
    # Go looks at one byte, and shows it as the Latin-1 character of that number.
    byte = chr(char.encode("utf-8", "surrogateescape")[0])
    return f"'{byte}'" if byte.isprintable() else f"'\\u{ord(byte):04x}'"


def error(text: str, max_depth: int) -> str:
    """What is wrong with the text; empty if it is JSON after all."""
    scanner = _Scanner(text, max_depth)
    try:
        scanner.document()
    except _Broken as broken:
        return str(broken)
    return ""
