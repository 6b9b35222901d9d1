"""The watch cache of one resource: its current state and its newest changes; serves get, list and watch.

    EMPTY --start--> READY --changes were lost--> EMPTY --listed again--> READY --stop--> STOPPED

How to use it:

    cache = WatchCache(backend, "/registry/pods/", clock=clock, extract=fields_of, identity=("v1", "Pod"))
    await cache.start()
    cache.get(key)                                 what is cached now: Cached (`.data` is the served JSON) or None
    cache.is_fresh() or await cache.wait_fresh()   before a read that must see every acknowledged write
    await cache.wait_revision(n)                   before a read with resourceVersion=n
    await cache.list(prefix, ListOptions(...))     Page(items, revision, continue_token, remaining)
    watcher = await cache.watch(prefix, WatchOptions(...))
    watcher.attach(deliver, ended)                 deliver(events): synchronous, `event.line` is the encoded frame
    async for events in watcher.batches()          the same for those who rather iterate
    watcher.stop()

`prefix` is the resource's prefix or that of a namespace below it; a watch takes one object's key too. What fails is a
StatusError: Expired, Timeout (too large resource version), BadRequest, TooManyRequests (no state yet). A watch that
raises has passed authorization: upstream answers 200 and sends the Status as an ERROR event.

Changes arrive synchronously, before their writer resumes: over an exclusive backend the cache is always fresh. Over
one that others write too, `wait_fresh` asks for its revision.

Hot path: `get` within 2 us; a change within 3 us for each watcher that it concerns (`tests/bench/storage.py`).
Path: 10 watchers hear of it.
Upstream: k8s.io/apiserver/pkg/storage/cacher (cacher.go, watch_cache.go).
"""

import asyncio
import enum
import logging
from collections.abc import Sequence

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.storage import backend as backends
from pybernetes.storage import cached, contents, listing, watcher, watchers
from pybernetes.storage.cached import Cached
from pybernetes.storage.listing import ListOptions, Page, WatchOptions
from pybernetes.telemetry import traces

Events = list[cached.WatchEvent]

WAIT_SECONDS = 3.0
RESTART_SECONDS = 1.0

logger = logging.getLogger(__name__)


class State(enum.Enum):
    """Whether the cache can answer."""

    EMPTY = "empty"
    READY = "ready"
    STOPPED = "stopped"


class WatchCache:
    """See the module. `identity` (apiVersion, kind) is what bookmarks carry; `window` bounds the changes kept."""

    def __init__(
        self,
        backend: backends.Backend,
        prefix: str,
        *,
        clock: clocks.Clock,
        extract: cached.Extract,
        window: int = contents.WINDOW_MOST,
        identity: tuple[str, str] = ("", ""),
    ) -> None:
        self.prefix = folder(prefix)
        self.state = State.EMPTY
        self._backend = backend
        self._clock = clock
        self._identity = identity
        self._contents = contents.Contents(extract, window)
        self._revision = 0
        self._watchers = watchers.Watchers(self.prefix)
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._group = tasks.TaskGroup(f"watchcache {self.prefix}")
        self._subscription: backends.Subscription | None = None

    def read_by(self, upgrade: cached.Upgrade | None) -> None:
        """Before the start: how stored values are read, if not as they are."""
        self._contents.upgrade = upgrade

    async def start(self) -> None:
        """Load the state and follow the backend; raises StorageError if that fails."""
        # Subscribed before listing, so that nothing between the two is lost.
        early: list[backends.Batch] = []
        lost: list[bool] = []
        first = self._backend.subscribe(self.prefix, early.append, lambda: lost.append(True))
        try:
            await self._load()
        finally:
            first.cancel()
        if lost:
            self.state = State.EMPTY
            raise backends.Unavailable("changes were lost while listing")
        self._subscription = self._backend.subscribe(self.prefix, self._apply, self._lost)
        for batch in early:
            self._apply(batch)

    async def stop(self) -> None:
        """End every watch and stop following."""
        self.state = State.STOPPED
        if self._subscription is not None:
            self._subscription.cancel()
        await self._group.cancel()
        self.end_watches()
        self._wake(0)

    async def _load(self) -> None:
        listed = await self._backend.list(self.prefix)
        self._contents.load(listed)
        self._revision = listed.revision
        self.state = State.READY
        self._wake(listed.revision)

    def _lost(self) -> None:
        """Some changes will never be told: end all watches and start again."""
        logger.warning("watch cache of %s lost changes, it lists again", self.prefix)
        assert self._subscription is not None
        self._subscription.cancel()
        self.state = State.EMPTY
        self.end_watches()
        self._group.start(self._start_again(), "start again")

    async def _start_again(self) -> None:
        while self.state is State.EMPTY:
            try:
                await self.start()
            except backends.StorageError as failure:
                logger.warning("watch cache of %s cannot list: %s", self.prefix, failure)
                await self._clock.sleep(RESTART_SECONDS)

    def end_watches(self) -> None:
        """Have all watchers come again: what they are told now is not what they would be told."""
        for one in self._watchers:
            one.end()

    def _apply(self, batch: backends.Batch) -> None:
        """Take over committed changes and tell the watchers, each once however many changes concern it."""
        told: dict[watcher.Watcher, list[cached.WatchEvent]] = {}
        changes: list[cached.Change] = []
        now = self._clock.monotonic()
        apply, interested = self._contents.apply, self._watchers.interested
        for event in batch.events:
            change = apply(event, now)
            if change is None:
                continue
            changes.append(change)
            traces.step(8, event.record.key, event.type.value, event.record.mod_revision)
            for one in interested(change):
                news = one.judge(change)
                if news is None:
                    continue
                if one in told:
                    told[one].append(news)
                else:
                    told[one] = [news]
        self._revision = max(self._revision, batch.revision)
        for one, events in told.items():
            one.receive(events)
        for change in changes:
            change.forget_events()
        if self._waiting:
            self._wake(self._revision)

    @property
    def revision(self) -> int:
        """The newest revision up to which the cache is complete."""
        return max(self._revision, self._backend.newest)

    def is_fresh(self) -> bool:
        """Whether the cache holds every acknowledged write, as far as can be told without asking."""
        return self._backend.exclusive and self.state is State.READY

    async def wait_fresh(self) -> None:
        """Return when the cache holds every write acknowledged before the call. Raises Timeout."""
        if not self.is_fresh():
            self._check_ready()
            await self.wait_revision(await self._backend.revision())

    async def wait_revision(self, revision: int) -> None:
        """Return when the cache is at least there, within 3 seconds. Raises Timeout (too large resource version)."""
        self._check_ready()
        if revision <= self.revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((revision, future))
        timer = self._clock.call_later(WAIT_SECONDS, lambda: None if future.done() else future.set_result(None))
        # The revision moves with other resources too, of which this cache hears nothing.
        others = self._backend.subscribe("", lambda batch: self._wake(batch.revision))
        try:
            await future
        finally:
            timer.cancel()
            others.cancel()
            self._waiting = [one for one in self._waiting if one[1] is not future]
        self._check_ready()
        if revision > self.revision:
            raise listing.too_large(revision, self.revision)

    def _wake(self, reached: int) -> None:
        for wanted, future in self._waiting:
            if (wanted <= reached or self.state is not State.READY) and not future.done():
                future.set_result(None)

    def _check_ready(self) -> None:
        if self.state is not State.READY:
            raise listing.not_ready()

    def get(self, key: str) -> Cached | None:
        """What is cached under that key now."""
        if self.state is not State.READY:
            raise listing.not_ready()
        return self._contents.items.get(key)

    def current(self, prefix: str) -> Sequence[Cached]:
        """What is cached under that prefix now, in key order."""
        self._check_ready()
        return self._contents.range(prefix)

    def __len__(self) -> int:
        return len(self._contents.items)

    async def list(self, prefix: str = "", options: ListOptions = ListOptions()) -> Page:  # noqa: B008 - frozen
        """Objects under `prefix` (unless given: all of the resource) as the options want them."""
        self._check_ready()
        prefix = folder(prefix) if prefix else self.prefix
        plan = listing.plan(prefix, options)
        if plan.fresh:
            await self.wait_fresh()
        elif max(plan.exact, plan.minimum) > self.revision:
            await self.wait_revision(max(plan.exact, plan.minimum))
        revision = self.revision
        if plan.exact and plan.exact != revision:
            past = await self._past(prefix, plan, paging=bool(options.continue_token))
            return listing.page(past, plan.exact, prefix, plan, options.selection)
        if options.selection.empty and plan.limit:
            items, remaining = self._contents.page(prefix, plan.start, plan.limit)
            return listing.cut(items, revision, prefix, remaining)
        return listing.page(self._present(prefix, plan, options), revision, prefix, plan, options.selection)

    def _present(self, prefix: str, plan: listing.Plan, options: ListOptions) -> Sequence[Cached]:
        name = options.selection.exact("metadata.name")
        if name is not None and (one := self._contents.items.get(prefix + name)) is not None:
            return [one] if one.key >= plan.start else []
        return self._contents.range(prefix, plan.start)

    async def _past(self, prefix: str, plan: listing.Plan, *, paging: bool) -> Sequence[Cached]:
        """The state at an exact revision: from the window if it reaches there, else from the backend's history."""
        if plan.exact >= max(self._contents.floor, self._backend.compacted):
            return self._contents.past(prefix, plan.start, plan.exact)
        try:
            listed = await self._backend.list(prefix, revision=plan.exact, start=plan.start)
        except backends.Compacted as failure:
            if not paging:
                raise errors.Expired(listing.LIST_EXPIRED) from failure
            raise listing.ContinueExpired(listing.encode_continue(plan.start, prefix, -1)) from failure
        except backends.FutureRevision as failure:
            raise listing.too_large(plan.exact, failure.current) from failure
        return self._contents.cache(listed.records)

    async def watch(self, scope: str = "", options: WatchOptions = WatchOptions()) -> watcher.Watcher:  # noqa: B008 - frozen
        """A watcher on a prefix or one object's key (unless given: the whole resource). Raises Expired."""
        self._check_ready()
        after = listing.parse_revision(options.resource_version)
        if options.send_initial_events is not None and not options.resource_version:
            await self.wait_fresh()
            after = self.revision
        elif options.send_initial_events:
            await self.wait_revision(after)
        one = watcher.Watcher(scope or self.prefix, options, self._clock)
        # From here to the registration nothing may give way to another task, or changes would be lost.
        initial = self._initial_state(one) if options.wants_state else self._changes(one, after)
        if options.send_initial_events and options.allow_bookmarks:
            initial.append(cached.bookmark(*self._identity, self.revision, initial_events_end=True))
        one.register(self._watchers.remove, self._bookmark if options.allow_bookmarks else None, initial)
        self._watchers.add(one)
        return one

    def _bookmark(self) -> cached.WatchEvent:
        return cached.bookmark(*self._identity, self.revision)

    def _initial_state(self, one: watcher.Watcher) -> Events:
        one.after = self._contents.revision
        known = self._contents.items.get(one.scope)
        state = self._contents.range(one.scope) if known is None and one.scope.endswith("/") else [known]
        matches = one.selection.matches
        return [cached.WatchEvent(cached.WatchType.ADDED, item) for item in state if item is not None and matches(item)]

    def _changes(self, one: watcher.Watcher, after: int) -> Events:
        one.after = after or self._contents.revision
        if one.after < self._contents.floor:
            raise listing.too_old(one.after, self._contents.floor)
        news = (one.judge(change) for change in self._contents.since(one.after) if one.covers(change.key))
        return [event for event in news if event is not None]


def folder(prefix: str) -> str:
    """The prefix with one slash at its end: `/registry/pods` must not reach `/registry/podsets/…`."""
    return prefix if prefix.endswith("/") else prefix + "/"
