"""YAML to plain values and back, by the rules of the YAML reader that Kubernetes uses.

That is YAML 1.1 with its own idea of numbers: `yes` and `on` are booleans, 0644 is octal, 1e3 is a number, dates stay
strings, 12:30:45 is a string, keys become strings. Python's own loader differs in most of these, so only its event
stream is used. PyYAML is imported on first use: it takes 20 ms, and servers mostly speak JSON.
Path: 6 decode. Upstream: sigs.k8s.io/yaml over go.yaml.in/yaml/v2. Pure.
"""

import binascii
import dataclasses
import functools
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from pybernetes.api.codec import failure, json
from pybernetes.apimachinery import goformat

MAX_DEPTH = 250
REPEATED = "yaml: unmarshal errors:"
_STR, _BINARY = "tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"
_RESOLVABLE = {f"tag:yaml.org,2002:{name}": f"!!{name}" for name in ("bool", "int", "float", "null", "timestamp")}

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
# A plain scalar that begins otherwise is a string.
_TELLING = frozenset("0123456789+-.~yYnNtTfFoO")
_integer = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)").fullmatch
_float = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?").fullmatch
_base60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?").fullmatch
_timestamp = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ]\d\d?:\d\d?:\d\d?(\.\d+)?(Z|[-+]\d\d:\d\d)?)?").fullmatch
_MERGE = object()


@dataclasses.dataclass(slots=True)
class Decoded:
    """A document's value, and what a strict reader would have refused (one text, several lines)."""

    value: Any
    strict_errors: list[str]


def decode(body: bytes) -> Decoded:
    """The first document; DecodeError for what is not YAML."""
    if body[:1] == b"{":
        # Programs that may send YAML mostly send JSON, which means the same and is read thirty times faster.
        value = _decode_json(body)
        if value is not None:
            return Decoded(value, [])
    for decoded in _documents(body):
        return decoded
    return Decoded(None, [])


def _decode_json(body: bytes) -> Any:
    """The value of a body that is plain JSON; None for what must be read with more care."""
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        return None
    try:
        value = msgspec.json.Decoder(float_hook=_resolve_plain).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if json.has_duplicates(body, value) else value


def documents(body: bytes | str) -> list[Any]:
    """All documents that are not empty. A key named twice is an error."""
    found = []
    for decoded in _documents(body.encode() if isinstance(body, str) else body):
        if decoded.strict_errors:
            raise failure.DecodeError(decoded.strict_errors[0])
        if decoded.value is not None:
            found.append(decoded.value)
    return found


def resolve(text: str, tag: str | None = None) -> Any:
    """The value of a plain scalar."""
    if tag in (_STR, _BINARY) or (tag and tag not in _RESOLVABLE):
        return text
    value = _resolve_plain(text)
    if tag is None or tag.endswith("timestamp"):
        return value
    wanted = _RESOLVABLE[tag]
    actual = _short_tag(value)
    if wanted != actual and (wanted, actual) != ("!!float", "!!int"):
        raise failure.DecodeError(f"yaml: cannot decode {actual} `{text}` as a {wanted}")
    return value


def _resolve_plain(text: str) -> Any:
    if not text:
        return None
    first = text[0]
    if first not in _TELLING:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if first == ".":
        return _number(float(text)) if _float(text) else text
    if first in "0123456789+-":
        plain = text.replace("_", "")
        found = _integer(plain)
        if found:
            digits = found[1]
            octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
            number = int(digits, 8) if octal else int(digits, 0)
            number = -number if plain[0] == "-" else number
            if -(1 << 63) <= number < 1 << 64:
                return number
        if _float(plain):
            return _number(float(plain))
    return text


def _number(value: float) -> int | float:
    """Go writes a whole number without a point, so whoever reads the JSON sees an integer."""
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _short_tag(value: Any) -> str:
    if value is None:
        return "!!null"
    if isinstance(value, bool):
        return "!!bool"
    return "!!int" if isinstance(value, int) else "!!float" if isinstance(value, float) else "!!str"


class _Open:
    """A collection whose end is still to come, and the key that waits for its value."""

    __slots__ = ("anchor", "collection", "event", "has_key", "key")

    def __init__(self, collection: Any, event: Any) -> None:
        self.collection = collection
        self.anchor = event.anchor
        self.event = event
        self.key: Any = None
        self.has_key = False


class _Builder:
    """Values from events; open collections are on a stack, so depth costs nothing and is limited."""

    def __init__(self) -> None:
        self.anchors: dict[str, Any] = {}
        self.repeated: list[str] = []
        self.decoded = 0
        self.from_aliases = 0
        # A number that JSON cannot write.
        self.infinite = ""
        self.stack: list[_Open] = []
        self.open_anchors: set[str] = set()

    def begin(self, collection: Any, event: Any) -> None:
        self.count(1, 0)
        if len(self.stack) >= MAX_DEPTH:
            raise failure.DecodeError(f"yaml: exceeded max depth of {MAX_DEPTH}")
        if event.anchor:
            self.open_anchors.add(event.anchor)
        self.stack.append(_Open(collection, event))

    def end(self) -> Any:
        closed = self.stack.pop()
        collection = closed.collection
        if isinstance(collection, dict) and len(collection) > 1:
            # Upstream makes JSON of the document, and Go writes maps in the order of their keys.
            names = list(collection)
            if names != sorted(names):
                collection = {name: collection[name] for name in sorted(names)}
        if closed.anchor:
            self.open_anchors.discard(closed.anchor)
            self.anchors[closed.anchor] = collection
        return self.put(collection, closed.event)

    def put(self, value: Any, event: Any) -> Any:
        """Place a finished value in the collection that is open; it is the document's if none is."""
        if not self.stack:
            return value
        parent = self.stack[-1]
        if isinstance(parent.collection, list):
            parent.collection.append(value)
        elif not parent.has_key:
            if isinstance(value, dict | list):
                raise failure.DecodeError(f"yaml: invalid map key: {goformat.to_json(value)}")
            parent.key, parent.has_key = value, True
        else:
            parent.has_key = False
            if parent.key is _MERGE:
                self.merge(parent.collection, value, event)
            else:
                self.set(parent.collection, parent.key, value, event)
        return None

    def set(self, mapping: dict[str, Any], key: Any, value: Any, event: Any) -> None:
        name = _key(key)
        if name in mapping:
            shown = goformat.quote(key) if isinstance(key, str) else goformat.value(key)
            self.repeated.append(f"line {event.start_mark.line + 1}: key {shown} already set in map")
        mapping[name] = value

    def merge(self, mapping: dict[str, Any], value: Any, event: Any) -> None:
        sources = [value] if isinstance(value, dict) else list(reversed(value)) if isinstance(value, list) else [None]
        for source in sources:
            if not isinstance(source, dict):
                raise failure.DecodeError("yaml: map merge requires map or sequence of maps as the value")
            for name, item in source.items():
                self.set(mapping, name, item, event)

    def alias(self, name: str) -> Any:
        if name in self.open_anchors:
            raise failure.DecodeError(f"yaml: anchor '{name}' value contains itself")
        if name not in self.anchors:
            raise failure.DecodeError(f"yaml: unknown anchor '{name}' referenced")
        return self.copy(self.anchors[name])

    def copy(self, value: Any) -> Any:
        """Aliased values are copies: whoever changes one must not change the other."""
        self.count(1, 1)
        if isinstance(value, dict):
            self.count(len(value), len(value))
            return {key: self.copy(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.copy(item) for item in value]
        return value

    def count(self, decoded: int, from_aliases: int) -> None:
        """Refuse documents that consist of aliases of aliases."""
        self.decoded += decoded
        self.from_aliases += from_aliases
        if self.from_aliases > 100 and self.decoded > 1000:
            share = min(0.99, max(0.10, 0.99 - 0.89 * (self.decoded - 400_000) / 3_600_000))
            if self.from_aliases / self.decoded > share:
                raise failure.DecodeError("yaml: document contains excessive aliasing")

    def scalar(self, event: Any) -> Any:
        self.count(1, 0)
        tag = event.tag
        if tag is None and not event.implicit[0]:
            value: Any = event.value
        elif event.value == "<<" and tag is None:
            parent = self.stack[-1] if self.stack else None
            is_key = parent is not None and isinstance(parent.collection, dict) and not parent.has_key
            value = _MERGE if is_key else "<<"
        else:
            value = resolve(event.value, None if tag == "!" else tag)
            if tag == _BINARY:
                value = _binary(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            self.infinite = goformat.value(value)
        if event.anchor:
            self.anchors[event.anchor] = value
        return value


def _binary(text: str) -> str:
    try:
        return binascii.a2b_base64(text.replace("\n", ""), strict_mode=True).decode("utf-8", "replace")
    except binascii.Error:
        raise failure.DecodeError("yaml: !!binary value contains invalid base64 data") from None


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        if isinstance(key, float) and not math.isfinite(key):
            return ".nan" if math.isnan(key) else ".inf" if key > 0 else "-.inf"
        return goformat.value(key)
    raise failure.DecodeError("error converting YAML to JSON: unsupported map key of type: %!s(<nil>)")


def _documents(body: bytes) -> Iterator[Decoded]:
    import yaml  # slow to import, see above

    loader = getattr(yaml, "CLoader", yaml.Loader)
    builder = _Builder()
    root: Any = None
    try:
        events: Iterator[Any] = yaml.parse(body, Loader=loader)
        for event in events:
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                value = event.value
                if event.tag is None and event.anchor is None and _is_text(value, event.implicit[0]):
                    builder.decoded += 1
                else:
                    value = builder.scalar(event)
                root = builder.put(value, event)
            elif kind is yaml.MappingStartEvent:
                builder.begin({}, event)
            elif kind is yaml.SequenceStartEvent:
                builder.begin([], event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                root = builder.end()
            elif kind is yaml.AliasEvent:
                root = builder.put(builder.alias(event.anchor), event)
            elif kind is yaml.DocumentEndEvent:
                if builder.infinite:
                    raise failure.DecodeError(f"json: unsupported value: {builder.infinite}")
                yield Decoded(root, _strict(builder.repeated))
                builder, root = _Builder(), None
    except yaml.YAMLError as error:
        raise failure.DecodeError(_problem(error)) from None


def _strict(repeated: list[str]) -> list[str]:
    return [REPEATED + "".join(f"\n  {line}" for line in repeated)] if repeated else []


def _is_text(value: str, plain: bool) -> bool:
    """Whether a scalar without tag and anchor is a string at first sight."""
    return not plain or (value != "" and value[0] not in _TELLING and value != "<<")


def _problem(error: Any) -> str:
    """As go-yaml says it: its parser's line numbers are one behind its scanner's."""
    problem = getattr(error, "problem", None)
    if problem is None:
        return f"yaml: {getattr(error, 'reason', None) or 'unknown problem parsing YAML content'}"
    line = 0
    if error.problem_mark is not None and error.problem_mark.line:
        line = error.problem_mark.line + (type(error).__name__ == "ScannerError")
    elif error.context_mark is not None:
        line = error.context_mark.line
    return f"yaml: line {line}: {problem}" if line else f"yaml: {problem}"


# --- writing


def encode(value: Any) -> str:
    """One document as kubectl prints it: keys in order, lists not indented, no line wrapped."""
    import yaml  # slow to import, see above

    text: str = yaml.dump(
        value, Dumper=_dumper(), default_flow_style=False, allow_unicode=True, width=1 << 30, sort_keys=True
    )
    return text.removesuffix("...\n")


@functools.cache
def _dumper() -> Any:
    import yaml  # slow to import, see above

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumper_class: Any = type("Dumper", (base,), {"ignore_aliases": lambda self, data: True})

    def represent(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar(_STR, text, style=_style(text))

    def represent_float(dumper: Any, number: float) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:float", goformat.to_json(number))

    dumper_class.add_representer(str, represent)
    dumper_class.add_representer(float, represent_float)
    return dumper_class


def _style(text: str) -> str | None:
    if "\n" in text:
        return "|"
    ambiguous = not isinstance(_resolve_plain(text), str) or text == "<<" or _base60(text) or _timestamp(text)
    return '"' if ambiguous else None
