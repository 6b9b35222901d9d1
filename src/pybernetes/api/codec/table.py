"""Kubernetes' Go types as facts: the fields of every message, their numbers, JSON names and Go's rules for each.

Read from `data/protobuf.txt.gz`, which scripts/make-protobuf-table makes and explains. Shared by the protobuf decoder
and by structure.py, which holds JSON to the same types. Upstream: k8s.io/api types.go and generated.proto. Pure.
"""

import functools
import gzip
import pathlib
from typing import NamedTuple

TABLE = pathlib.Path(__file__).parent.parent / "data" / "protobuf.txt.gz"
META_PACKAGE = "k8s.io.apimachinery.pkg.apis.meta.v1"
CORE_PACKAGE = "k8s.io.api.core.v1"
OPTIONS = frozenset({"CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions"})
SCALARS = frozenset("sbilutd")
GO_SCALARS = {"s": "string", "b": "[]uint8", "i": "int32", "l": "int64", "u": "uint32", "t": "bool", "d": "float64"}


class Name(NamedTuple):
    """A message: the protobuf package it is in, and its name there."""

    package: str
    message: str

    @property
    def go_type(self) -> str:
        """As Go's reflection names the type."""
        return f"{self.package.rpartition('.')[2]}.{self.message}"


class Field(NamedTuple):
    """One field of a message. `scalar` is a letter of SCALARS, or empty where `message` says what it holds."""

    number: int
    json_name: str
    repeated: bool
    mapped: bool
    scalar: str
    message: Name | None
    drop_zero: bool
    always_present: bool
    own_go_type: str

    @property
    def inline(self) -> bool:
        return not self.json_name

    @property
    def element_go_type(self) -> str:
        if self.own_go_type.startswith(("[]", "map[")) and (self.repeated or self.mapped):
            return self.own_go_type.partition("]")[2]
        return GO_SCALARS[self.scalar] if self.message is None else self.message.go_type

    @property
    def go_type(self) -> str:
        if self.own_go_type:
            return self.own_go_type
        return ("[]" if self.repeated else "map[string]" if self.mapped else "") + self.element_go_type


class Message(NamedTuple):
    """A message; `typed` says that its Go type carries apiVersion and kind of its own."""

    name: Name
    typed: bool
    fields: tuple[Field, ...]


class _Table:
    """The lines, by package and message, still as text: most messages are never asked for."""

    def __init__(self) -> None:
        self.packages: list[str] = []
        self.package_of: dict[str, str] = {}
        self.lines: dict[tuple[str, str], str] = {}
        self.enums: dict[tuple[str, str], str] = {}
        package = ""
        for line in gzip.decompress(TABLE.read_bytes()).decode().splitlines():
            name, _, rest = line.partition(" ")
            if name == "@":
                package, _, version = rest.partition(" ")
                self.packages.append(package)
                self.package_of[version] = package
            elif name == "=":
                go_type, _, values = rest.partition(" ")
                self.enums[package, go_type] = values
            else:
                self.lines[package, name] = rest


@functools.cache
def _table() -> _Table:
    return _Table()


def find(api_version: str, kind: str) -> Name | None:
    """The message of a built-in kind; options travel under the apiVersion of whichever group is asked."""
    table = _table()
    package = table.package_of.get(api_version)
    if package is not None and (package, kind) in table.lines:
        return Name(package, kind)
    if kind in OPTIONS or (api_version == "v1" and (META_PACKAGE, kind) in table.lines):
        return Name(META_PACKAGE, kind)
    return None


def enum(package: str, go_type: str) -> tuple[str, ...]:
    """The values a Go type may have, if it is an enumeration; `package` is where it is used.

    A type of another package is looked for where such types are shared: core/v1 and meta/v1.
    """
    enums = _table().enums
    for owner in (package, CORE_PACKAGE, META_PACKAGE):
        values = enums.get((owner, go_type))
        if values is not None:
            return tuple(values.split())
    return ()


def has(name: Name) -> bool:
    """Whether there is such a message."""
    return name in _table().lines


@functools.cache
def message(name: Name) -> Message:
    """The fields of a message, in the order of their numbers."""
    words = _table().lines[name].split()
    typed = words[:1] == ["+"]
    return Message(name, typed, tuple(_field(word, name.package) for word in words[typed:]))


def _field(word: str, package: str) -> Field:
    number, json_name, shape = word.split(":")
    shape, _, go_type = shape.partition("=")
    drop, always = shape.endswith("?"), shape.endswith("!")
    shape = shape.rstrip("?!")
    repeated, mapped = shape.startswith("*"), shape.startswith("%")
    base = shape[1:] if repeated or mapped else shape
    scalar = base if base in SCALARS else ""
    target = None if scalar else _reference(base, package)
    return Field(int(number), json_name, repeated, mapped, scalar, target, drop, always, go_type)


def _reference(base: str, package: str) -> Name:
    number, dot, name = base.partition(".")
    return Name(_table().packages[int(number)], name) if dot else Name(package, base)
