"""Bytes to typed objects: single objects, lists, watch events; equal parts of cached objects are shared.

Ten thousand pods of one Deployment have equal containers, labels, owners and tolerations. `Sharing` keeps one of each,
so a cached pod costs 3.3 KB and not 13. That is safe because structs are frozen.

A `null` where Go would read a zero value is dropped and the object read again: rare, and only then slow.

Upstream: apimachinery/pkg/runtime/serializer/json, client-go/rest/watch. Pure.
"""

import functools
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from pybernetes.api.types import meta

T = TypeVar("T")
_GENERATION = 20_000


class WatchLine(msgspec.Struct, frozen=True, gc=False):
    """One line of a watch, its object still encoded."""

    type: str
    object: msgspec.Raw = msgspec.Raw(b"{}")


class _RawList(msgspec.Struct, frozen=True, gc=False):
    metadata: meta.ListMeta = meta.ListMeta()
    items: list[msgspec.Raw] | None = None
    kind: str = ""
    apiVersion: str = ""


_line_decoder = msgspec.json.Decoder(WatchLine)
_list_decoder = msgspec.json.Decoder(_RawList)
_plain_decoder = msgspec.json.Decoder()


class DecodeError(Exception):
    """The server's answer is not the object that was asked for."""


def watch_line(line: bytes) -> WatchLine:
    """Type and encoded object of a line of a watch."""
    try:
        return _line_decoder.decode(line)
    except msgspec.MsgspecError as error:
        raise DecodeError(f"unable to decode an event from the watch stream: {error}") from error


def plain(data: bytes | msgspec.Raw) -> Any:
    """Plain dicts and lists."""
    try:
        return _plain_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise DecodeError(f"the answer is not JSON: {error}") from error


def without_nulls(value: Any) -> Any:
    """The value less all members that are null."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    return value


class Sharing:
    """Hands out one and the same object for equal frozen values.

    Two generations bound what is remembered: values that were not seen again during a whole generation are forgotten.
    """

    def __init__(self, generation: int = _GENERATION) -> None:
        self._limit = generation
        self._young: dict[int, Any] = {}
        self._old: dict[int, Any] = {}

    def one(self, value: Any) -> Any:
        """The first value seen that equals this one."""
        key = hash((type(value), msgspec.msgpack.encode(value)))
        known = self._young.get(key)
        if known is None and (known := self._old.get(key)) is not None:
            self._young[key] = known
        if known is not None and type(known) is type(value) and known == value:
            return known
        if len(self._young) >= self._limit:
            self._old, self._young = self._young, {}
        self._young[key] = value
        return value

    def share(self, obj: Any) -> None:
        """Share the parts of a freshly decoded object: the fields of metadata, spec, status, or their elements."""
        for name in _parts_of(obj.__class__):
            part = getattr(obj, name)
            if isinstance(part, msgspec.Struct):
                self._share_fields(part)
            elif part:
                msgspec.structs.force_setattr(obj, name, self._one_or_elements(part))

    def _share_fields(self, part: msgspec.Struct) -> None:
        for name in _parts_of(type(part)):
            value = getattr(part, name)
            if value:
                msgspec.structs.force_setattr(part, name, self._one_or_elements(value))

    def _one_or_elements(self, value: Any) -> Any:
        shared = self.one(value)
        if shared is value and isinstance(value, tuple) and len(value) > 1 and isinstance(value[0], msgspec.Struct):
            return tuple(self.one(element) for element in value)
        return shared


@functools.cache
def _parts_of(cls: Any) -> tuple[str, ...]:
    """The fields that hold structs, tuples or maps."""
    return tuple(
        field.name
        for field in msgspec.structs.fields(cls)
        if not (isinstance(field.type, type) and issubclass(field.type, str | int | float | bool))
        and field.type not in (str | None, int | None, bool | None, int | str)
    )


class ObjectDecoder(Generic[T]):
    """Decodes one class; `dict` gives plain dicts. With `sharing`, equal parts are shared."""

    def __init__(self, cls: type[T], sharing: Sharing | None = None) -> None:
        self._cls = cls
        self._sharing = sharing if issubclass(cls, msgspec.Struct) else None
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(cls)

    def one(self, data: bytes | msgspec.Raw) -> T:
        """A single object."""
        try:
            obj = self._decoder.decode(data)
        except msgspec.ValidationError:
            try:
                obj = msgspec.convert(without_nulls(plain(data)), self._cls)
            except msgspec.ValidationError as error:
                raise DecodeError(f"unable to decode a {self._cls.__name__}: {error}") from error
        except msgspec.DecodeError as error:
            raise DecodeError(f"the answer is not JSON: {error}") from error
        if self._sharing is not None:
            self._sharing.share(obj)
        return obj

    def many(self, data: bytes) -> tuple[meta.ListMeta, tuple[T, ...]]:
        """A list: its metadata and its items."""
        try:
            answer = _list_decoder.decode(data)
        except msgspec.MsgspecError:
            answer = _tolerant_list(data)
        items = tuple(self.one(item) for item in answer.items or ())
        if self._cls is dict and answer.kind.endswith("List"):
            # items of typed lists do not say what they are
            for item in items:
                _name_kind(item, answer)
        return answer.metadata, items


def _name_kind(item: Any, answer: _RawList) -> None:
    if "kind" not in item:
        named = {"apiVersion": answer.apiVersion, "kind": answer.kind.removesuffix("List"), **item}
        item.clear()
        item.update(named)


def _tolerant_list(data: bytes) -> _RawList:
    value = without_nulls(plain(data))
    if not isinstance(value, Mapping):
        raise DecodeError("the answer is not a list")
    items = [msgspec.Raw(msgspec.json.encode(item)) for item in value.get("items", ())]
    try:
        metadata = msgspec.convert(value.get("metadata", {}), meta.ListMeta)
    except msgspec.ValidationError as error:
        raise DecodeError(f"unable to decode a list: {error}") from error
    return _RawList(metadata, items, value.get("kind", ""), value.get("apiVersion", ""))
