"""Who hears of committed changes, synchronously and in order: the part that the embedded backends share.

A backend publishes each commit once; every subscriber's function is called before `publish` returns, so before the
writer learns that its write is done. That makes the watch cache read-your-writes without asking the backend.
Path: 9 a new revision is stored, 10 watchers hear of it.
"""

import asyncio
import collections
from collections.abc import Callable, Sequence
from typing import Protocol, Self, runtime_checkable

from pybernetes.storage import backend

Deliver = Callable[[backend.Batch], None]


@runtime_checkable
class Embedded(Protocol):
    """A backend in this process: besides `backend.Backend` it can tell of changes synchronously."""

    @property
    def newest(self) -> int:
        """The newest revision that every subscriber has heard of."""

    @property
    def compacted(self) -> int:
        """The revision up to which history is gone."""

    def subscribe(self, prefix: str, deliver: Deliver) -> "Subscription":
        """Have `deliver` called with all changes under `prefix` newer than `newest`, in the event loop."""


class Subscription:
    """One subscriber; `cancel` ends it at once."""

    __slots__ = ("_feed", "deliver", "prefix")

    def __init__(self, feed: "Feed", prefix: str, deliver: Deliver) -> None:
        self._feed = feed
        self.prefix = prefix
        self.deliver = deliver

    def cancel(self) -> None:
        """Hear no more; harmless when repeated."""
        self._feed.remove(self)


class Feed:
    """Subscribers by prefix, and the newest revision they all know.

    Prefixes that end in a slash are found by cutting the key at its slashes, so that a hundred of them cost an event
    no more than one; others are compared one by one.
    """

    def __init__(self, newest: int = 0) -> None:
        self.newest = newest
        self._folders: dict[str, list[Subscription]] = {}
        self._loose: list[Subscription] = []
        self._watches: set[FeedWatch] = set()

    def subscribe(self, prefix: str, deliver: Deliver) -> Subscription:
        """Add a subscriber for changes newer than `newest`."""
        subscription = Subscription(self, prefix, deliver)
        if prefix.endswith("/"):
            self._folders.setdefault(prefix, []).append(subscription)
        else:
            self._loose.append(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber."""
        folder = self._folders.get(subscription.prefix, self._loose)
        if subscription in folder:
            folder.remove(subscription)
            if not folder and folder is not self._loose:
                del self._folders[subscription.prefix]

    def publish(self, events: Sequence[backend.Event], revision: int) -> None:
        """Tell every subscriber of its part of a commit; then `newest` is `revision`."""
        parts: dict[Subscription, list[backend.Event]] = {}
        for event in events:
            for subscription in self._interested(event.record.key):
                parts.setdefault(subscription, []).append(event)
        for subscription, part in parts.items():
            subscription.deliver(backend.Batch(part, revision))
        self.newest = revision

    def _interested(self, key: str) -> list[Subscription]:
        found: list[Subscription] = []
        at = key.find("/")
        while at >= 0:
            found += self._folders.get(key[: at + 1], ())
            at = key.find("/", at + 1)
        if self._loose:
            found += [one for one in self._loose if key.startswith(one.prefix)]
        return found

    def watch(self, prefix: str, history: Sequence[backend.Event] = ()) -> "FeedWatch":
        """An iterator over `history` and whatever is published from now on."""
        watch = FeedWatch(self, prefix)
        if history:
            watch.put(backend.Batch(history, self.newest))
        self._watches.add(watch)
        return watch

    def forget(self, watch: "FeedWatch") -> None:
        """A watch was closed by its reader."""
        self._watches.discard(watch)

    def close(self) -> None:
        """End every watch and forget every subscriber."""
        for watch in list(self._watches):
            watch.end(backend.Unavailable("the store was closed"))
        self._folders.clear()
        self._loose.clear()


class FeedWatch:
    """Batches from a feed as an asynchronous iterator; `aclose` when done with it."""

    def __init__(self, feed: Feed, prefix: str) -> None:
        self._feed = feed
        self._batches: collections.deque[backend.Batch] = collections.deque()
        self._wake = asyncio.Event()
        self._failure: backend.StorageError | None = None
        self._ended = False
        self._subscription = feed.subscribe(prefix, self.put)

    def put(self, batch: backend.Batch) -> None:
        """Queue a batch for the reader."""
        self._batches.append(batch)
        self._wake.set()

    def end(self, failure: backend.StorageError | None = None) -> None:
        """No more batches: the reader gets what is queued, then the failure or the end."""
        self._subscription.cancel()
        self._feed.forget(self)
        self._failure = failure
        self._ended = True
        self._wake.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> backend.Batch:
        while not self._batches:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._batches.popleft()

    async def aclose(self) -> None:
        """Stop listening; queued batches are dropped."""
        self._batches.clear()
        self.end()
