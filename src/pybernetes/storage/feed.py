"""Who hears of committed changes, synchronously and in order: the part that all backends share.

A backend publishes each commit once; every subscriber's function is called before `publish` returns, so before the
writer learns that its write is done. That makes the watch cache read-your-writes without asking the backend.
Path: 9 a new revision is stored, 10 watchers hear of it.
"""

import asyncio
import collections
from collections.abc import Callable, Sequence
from typing import Self

from pybernetes.storage import backend

Deliver = backend.Deliver
Lost = Callable[[], None]


def nothing() -> None:
    """For subscribers of a backend that loses nobody."""


class Subscription:
    """One subscriber; `cancel` ends it at once."""

    __slots__ = ("_feed", "deliver", "lost", "prefix")

    def __init__(self, feed: "Feed", prefix: str, deliver: Deliver, lost: Lost) -> None:
        self._feed = feed
        self.prefix = prefix
        self.deliver = deliver
        self.lost = lost

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
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def subscribe(self, prefix: str, deliver: Deliver, lost: Lost = nothing) -> Subscription:
        """Add a subscriber for changes newer than `newest`."""
        subscription = Subscription(self, prefix, deliver, lost)
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
        self._wake(revision)

    def reached(self, revision: int) -> "asyncio.Future[None]":
        """Done when `newest` is at least that, or the feed is closed; the caller may cancel it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((revision, future))
        if revision <= self.newest:
            self._wake(self.newest)
        return future

    def _wake(self, reached: float) -> None:
        if self._waiting:
            for revision, future in self._waiting:
                if revision <= reached and not future.done():
                    future.set_result(None)
            self._waiting = [one for one in self._waiting if not one[1].done()]

    def lose(self, newest: int) -> None:
        """Tell every subscriber that changes before that revision cannot be told any more."""
        self.newest = newest
        for subscription in [*self._loose, *(one for folder in self._folders.values() for one in folder)]:
            subscription.lost()
        self._wake(newest)

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
        self._wake(float("inf"))


class Fed:
    """The part of every backend that its subscribers see: what they know, what they can ask for, whether it is open."""

    def __init__(self, newest: int = 0, compacted: int = 0) -> None:
        self._feed = Feed(newest)
        self._compacted = compacted
        self._open = False

    @property
    def newest(self) -> int:
        """The newest revision that every subscriber has heard of."""
        return self._feed.newest

    @property
    def compacted(self) -> int:
        """The revision up to which history is gone, as far as is known."""
        return self._compacted

    def subscribe(self, prefix: str, deliver: Deliver, lost: Lost = nothing) -> Subscription:
        """Have `deliver` called with all later changes under `prefix`, `lost` when some cannot be told."""
        self._check_open()
        return self._feed.subscribe(prefix, deliver, lost)

    def _check_open(self) -> None:
        if not self._open:
            raise backend.Unavailable("the store was closed")


class FeedWatch:
    """Batches from a feed as an asynchronous iterator; `aclose` when done with it."""

    def __init__(self, feed: Feed, prefix: str) -> None:
        self._feed = feed
        self._batches: collections.deque[backend.Batch] = collections.deque()
        self._wake = asyncio.Event()
        self._failure: backend.StorageError | None = None
        self._ended = False
        self._subscription = feed.subscribe(prefix, self.put, self._lost)

    def _lost(self) -> None:
        self.end(backend.Compacted(self._feed.newest))

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
