"""Keeps a flood of Events small: equal ones are counted, similar ones combined, spam is dropped.

Upstream: client-go/tools/record/events_cache.go (EventCorrelator).
"""

import collections
import dataclasses
from typing import Any, Generic, TypeVar

from pybernetes.aio import clock as clocks

Event = dict[str, Any]
V = TypeVar("V")

CACHE_SIZE = 4096
MAX_SIMILAR = 10
"""So many different messages for one object and reason; those after them are combined."""
SIMILAR_INTERVAL = 600.0
SPAM_BURST = 25
SPAM_PER_SECOND = 1.0 / 300.0


class Recent(Generic[V]):
    """The entries used last."""

    def __init__(self, size: int = CACHE_SIZE) -> None:
        self._size = size
        self._entries: collections.OrderedDict[tuple[str, ...], V] = collections.OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        """The entry, now the most recent one."""
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: tuple[str, ...], value: V) -> None:
        """Add or replace; the oldest entry makes room."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)


@dataclasses.dataclass(slots=True)
class _Similar:
    messages: set[str]
    last: float


@dataclasses.dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


@dataclasses.dataclass(slots=True)
class _Sent:
    count: int
    first: str
    name: str
    version: str


@dataclasses.dataclass(frozen=True, slots=True)
class Correlated:
    """What to send: the whole event, and if it was sent before, the patch that says it happened again."""

    event: Event
    key: tuple[str, ...]
    patch: dict[str, Any] | None


class Correlator:
    """Remembers what was sent."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._similar: Recent[_Similar] = Recent()
        self._sent: Recent[_Sent] = Recent()
        self._spam: Recent[_Bucket] = Recent()

    def correlate(self, event: Event) -> Correlated | None:
        """What becomes of a new event; None: nothing."""
        event, key = self._aggregate(event)
        known = self._sent.get(key)
        patch = None
        if known is not None and known.count > 0:
            event["metadata"]["name"] = known.name
            event["metadata"]["resourceVersion"] = known.version
            event["firstTimestamp"] = known.first
            event["count"] = known.count + 1
            patch = {name: event[name] for name in ("count", "lastTimestamp", "message")}
        self._remember(key, event)
        return Correlated(event, key, patch) if self._allowed(event) else None

    def stored(self, key: tuple[str, ...], event: Event) -> None:
        """The server's answer: the next one of the kind patches this object."""
        self._remember(key, event)

    def _remember(self, key: tuple[str, ...], event: Event) -> None:
        metadata = event["metadata"]
        sent = _Sent(event["count"], event["firstTimestamp"], metadata["name"], metadata.get("resourceVersion", ""))
        self._sent.put(key, sent)

    def _aggregate(self, event: Event) -> tuple[Event, tuple[str, ...]]:
        group = (*_object_key(event), event["type"], event["reason"])
        now = self._clock.monotonic()
        similar = self._similar.get(group)
        if similar is None or now - similar.last > SIMILAR_INTERVAL:
            similar = _Similar(set(), now)
            self._similar.put(group, similar)
        similar.messages.add(event["message"])
        similar.last = now
        if len(similar.messages) < MAX_SIMILAR:
            field_path = event["involvedObject"].get("fieldPath", "")
            return event, (*group, field_path, event["message"])
        similar.messages.pop()
        combined = {**event, "message": f"(combined from similar events): {event['message']}"}
        combined["involvedObject"] = dict(event["involvedObject"])
        return combined, group

    def _allowed(self, event: Event) -> bool:
        """A bucket for each source and object."""
        key = _object_key(event)
        now = self._clock.monotonic()
        bucket = self._spam.get(key)
        if bucket is None:
            bucket = _Bucket(float(SPAM_BURST), now)
            self._spam.put(key, bucket)
        bucket.tokens = min(float(SPAM_BURST), bucket.tokens + (now - bucket.filled_at) * SPAM_PER_SECOND)
        bucket.filled_at = now
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True


def _object_key(event: Event) -> tuple[str, ...]:
    source, about = event["source"], event["involvedObject"]
    return (
        source.get("component", ""),
        source.get("host", ""),
        *(about.get(name, "") for name in ("kind", "namespace", "name", "uid", "apiVersion")),
    )
