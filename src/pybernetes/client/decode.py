"""Bytes to typed objects: single objects, lists, watch events; equal parts of similar objects are shared.

Ten thousand pods of one ReplicaSet have equal containers, labels, owners and tolerations. `share` lets a new object use
the parts of a similar one, so a cached pod costs 5 KB and not 14. That is safe because structs are frozen.

A `null` where Go would read a zero value is dropped and the object read again: rare, and only then slow.

Upstream: apimachinery/pkg/runtime/serializer/json, client-go/rest/watch. Pure.
"""

import itertools
import operator
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import structs

from pybernetes.api import types
from pybernetes.api.types import meta

T = TypeVar("T")
_SIMPLE = frozenset((str, dict, int, float, bool))


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


def share(new: Any, like: Any, depth: int = 100) -> Any:
    """`new`, with every part that equals the same part of `like` replaced by that part; `like` if all of it is equal.

    Comparing is done in C; all in all it costs about as much as decoding.
    """
    if new.__class__ is not like.__class__:
        return new
    return like if new == like else _share_parts(new, like, depth)


def _share_parts(new: Any, like: Any, depth: int) -> Any:
    """Both are of one class and not equal: look at what they are made of."""
    if not depth:
        return new
    if isinstance(new, tuple):
        common = [share(mine, other, depth - 1) for mine, other in zip(new, like, strict=False)]
        return (*common, *new[len(common) :])
    if not isinstance(new, msgspec.Struct):
        return new
    mine, others = structs.astuple(new), structs.astuple(like)
    # most fields are absent in both, which is the same object: leave those out at the speed of C
    for position in itertools.compress(range(len(mine)), map(operator.is_not, mine, others)):
        one, other = mine[position], others[position]
        if one == other:
            structs.force_setattr(new, new.__struct_fields__[position], other)
        elif one.__class__ is other.__class__ and one.__class__ not in _SIMPLE:
            structs.force_setattr(new, new.__struct_fields__[position], _share_parts(one, other, depth - 1))
    return new


class ObjectDecoder(Generic[T]):
    """Decodes one class; `dict` gives plain dicts. An object that says it is of another kind is refused."""

    def __init__(self, cls: type[T]) -> None:
        self._cls = cls
        self._kind = types.identity(cls)[1] if issubclass(cls, meta.Object) else ""
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
        if self._kind and obj.kind != self._kind:  # type: ignore[attr-defined]
            raise DecodeError(f"expected a {self._kind}, got a {obj.kind}")  # type: ignore[attr-defined]
        return obj

    def many(self, data: bytes, adapt: Callable[[T], T] | None = None) -> tuple[meta.ListMeta, tuple[T, ...]]:
        """A list: its metadata and its items, each as `adapt` makes it."""
        try:
            answer = _list_decoder.decode(data)
        except msgspec.MsgspecError:
            answer = _tolerant_list(data)
        if not answer.kind.endswith("List"):
            raise DecodeError(f"expected a list, got {answer.kind or 'something else'}")
        raw = answer.items or ()
        items = tuple([self.one(item) for item in raw] if adapt is None else [adapt(self.one(item)) for item in raw])
        if self._cls is dict:
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
