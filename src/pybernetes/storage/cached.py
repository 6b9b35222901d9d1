"""Objects as the watch cache holds them, and changes as watchers get them: encoded once, decoded only when asked.

Memory: a cached object is its served JSON and a few words; labels and selectable fields are drawn out when the first
selector asks and stay. Hot path: `WatchEvent.line` is made once for an event and shared by all watchers.
Path: 10 watchers hear of it. Pure.
Upstream: k8s.io/apiserver/pkg/storage/cacher (caching_object.go, watch_cache.go).
"""

import enum
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pybernetes.apimachinery import fields, labels, meta

Extract = Callable[[dict[str, Any]], Mapping[str, str]]
"""The selectable fields of a decoded object: `{"metadata.name": …, "spec.nodeName": …}`."""

Upgrade = Callable[[bytes], bytes]
"""From a stored value to how it is read now: in another version, with members that a new schema adds."""

# Anything else may hold another "metadata" before its own.
_HEAD = re.compile(rb'\{(?:"(?:kind|apiVersion)":"[^"\\]*",)*"metadata":\{').match
_NOTHING: Mapping[str, str] = {}
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Metadata(msgspec.Struct, gc=False):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct, gc=False):
    """Of a whole object only the labels: three times faster than all of it."""

    metadata: _Metadata


_decode_labels = msgspec.json.Decoder(_Labelled).decode


def with_revision(value: bytes, revision: int) -> bytes:
    """A stored value (which has no resourceVersion) as it is served: `metadata.resourceVersion` comes first."""
    head = _HEAD(value)
    if head is None:
        return _with_revision_slowly(value, revision)
    at = head.end()
    comma = b"" if value[at : at + 1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (value[:at], revision, comma, value[at:])


def _with_revision_slowly(value: bytes, revision: int) -> bytes:
    """For values that somebody else wrote, with blanks or without metadata."""
    obj = _decode(value)
    metadata = {"resourceVersion": str(revision), **(obj.get("metadata") or {})}
    return _encode({**obj, "metadata": metadata})


class Cached:
    """One object at one revision. `data` is the JSON that is served, in the version in which it is stored."""

    __slots__ = ("_extract", "_fields", "_labels", "data", "derived", "key", "revision")

    def __init__(self, key: str, revision: int, data: bytes, extract: Extract) -> None:
        self.key = key
        self.revision = revision
        self.data = data
        self._extract = extract
        self.derived: Any = None
        """What a reader worked out of this revision and wants to find again (a row of a table)."""
        self._labels: Mapping[str, str] | None = None
        self._fields: Mapping[str, str] | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`."""
        if self._labels is None:
            self._labels = _decode_labels(self.data).metadata.labels or _NOTHING
        return self._labels

    @property
    def fields(self) -> Mapping[str, str]:
        """What field selectors can ask for."""
        if self._fields is None:
            self._fields = self._extract(self.object())
        return self._fields

    def object(self) -> dict[str, Any]:
        """The object decoded, resourceVersion included; a new one each time, the caller's to change."""
        decoded: dict[str, Any] = _decode(self.data)
        return decoded

    def at(self, revision: int) -> "Cached":
        """The same content with another resourceVersion: how a deletion is told."""
        old, new = f'"resourceVersion":"{self.revision}"', f'"resourceVersion":"{revision}"'
        other = Cached(self.key, revision, self.data.replace(old.encode(), new.encode(), 1), self._extract)
        other._labels, other._fields = self._labels, self._fields
        return other

    def __repr__(self) -> str:
        return f"Cached({self.key!r}, {self.revision})"


class WatchType(enum.Enum):
    """The `type` of a watch event."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


_HEADS = {one: f'{{"type":"{one.value}","object":'.encode() for one in WatchType}


class WatchEvent:
    """What one or many watchers are told. `line` is the frame as it goes to the socket."""

    __slots__ = ("_encodings", "_line", "cached", "type")

    def __init__(self, kind: WatchType, cached: Cached) -> None:
        self.type = kind
        self.cached = cached
        self._line: bytes | None = None
        self._encodings: dict[str, bytes] | None = None

    @property
    def revision(self) -> int:
        """The resourceVersion of the object told of."""
        return self.cached.revision

    @property
    def line(self) -> bytes:
        """`{"type":"ADDED","object":{…}}` and a newline, made once."""
        if self._line is None:
            self._line = b"%b%b}\n" % (_HEADS[self.type], self.cached.data)
        return self._line

    def encoded(self, form: str, encode: "Callable[[WatchEvent], bytes]") -> bytes:
        """The frame in another form (another version, a Table): made by the first who asks, shared with the others."""
        if self._encodings is None:
            self._encodings = {}
        frame = self._encodings.get(form)
        if frame is None:
            frame = self._encodings[form] = encode(self)
        return frame

    def __repr__(self) -> str:
        return f"WatchEvent({self.type.value}, {self.cached!r})"


class Change:
    """One change of one key, and the events it means to different watchers, each made once for all that watch now."""

    __slots__ = ("_added", "_deleted", "_modified", "current", "key", "previous", "revision", "time")

    def __init__(self, key: str, revision: int, current: Cached | None, previous: Cached | None, time: float) -> None:
        self.key = key
        self.revision = revision
        self.current = current
        self.previous = previous
        self.time = time
        self._added: WatchEvent | None = None
        self._modified: WatchEvent | None = None
        self._deleted: WatchEvent | None = None

    def event(self, now: bool, before: bool) -> WatchEvent | None:
        """What a watcher is told whose selection matches the new state (`now`) and matched the old one (`before`)."""
        if now:
            return self.modified if before else self.added
        return self.deleted if before else None

    @property
    def plain(self) -> WatchEvent | None:
        """What a watcher without a selection is told."""
        if self.current is None:
            return None if self.previous is None else self.deleted
        return self.added if self.previous is None else self.modified

    def forget_events(self) -> None:
        """Every watcher has them: whoever comes later makes its own, and the window does not hold each line too."""
        self._added = self._modified = self._deleted = None

    @property
    def added(self) -> WatchEvent:
        """The new state, to those who did not know the object."""
        if self._added is None:
            assert self.current is not None
            self._added = WatchEvent(WatchType.ADDED, self.current)
        return self._added

    @property
    def modified(self) -> WatchEvent:
        """The new state, to those who knew the old one."""
        if self._modified is None:
            assert self.current is not None
            self._modified = WatchEvent(WatchType.MODIFIED, self.current)
        return self._modified

    @property
    def deleted(self) -> WatchEvent:
        """The old state with the revision of this change: the object is gone, or gone from the selection."""
        if self._deleted is None:
            assert self.previous is not None
            self._deleted = WatchEvent(WatchType.DELETED, self.previous.at(self.revision))
        return self._deleted


class Selection:
    """Which objects a list or a watch wants."""

    __slots__ = ("empty", "fields", "labels")

    def __init__(
        self, label_selector: labels.Selector = labels.EVERYTHING, field_selector: fields.Selector = fields.EVERYTHING
    ) -> None:
        self.labels = None if label_selector.empty else label_selector
        self.fields = None if field_selector.empty else field_selector
        self.empty = self.labels is None and self.fields is None

    def matches(self, cached: Cached) -> bool:
        """Whether the object is wanted."""
        if self.labels is not None and not self.labels.matches(cached.labels):
            return False
        return self.fields is None or self.fields.matches(cached.fields)

    def exact(self, field: str) -> str | None:
        """The one value of that field which can match, if the selection says so."""
        return None if self.fields is None else self.fields.requires_exact(field)

    def exact_fields(self) -> Mapping[str, str]:
        """Every field for which only one value can match."""
        if self.fields is None:
            return {}
        return {one.field: one.value for one in self.fields.requirements if one.operator == fields.EQUALS}


EVERYTHING = Selection()


def bookmark(api_version: str, kind: str, revision: int, *, initial_events_end: bool = False) -> WatchEvent:
    """The event that only says how far the watch is; `initial_events_end` marks the end of the initial state."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if initial_events_end:
        metadata["annotations"] = {meta.INITIAL_EVENTS_END: "true"}
    data = _encode({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return WatchEvent(WatchType.BOOKMARK, Cached("", revision, data, lambda _: _NOTHING))
