"""GET a collection and what becomes of it: a stream of events, one JSON object a line.

Hot path: an event's line exists once for all watchers of a resource; here it is handed to the connection, nothing
more (budget 1 us an event and watcher; bench tests/bench/api.py). A reader that is megabytes behind is cut: it will
list again.
Path: 10 watchers hear of it.
Upstream: k8s.io/apiserver/pkg/endpoints/handlers/watch.go.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.api import kinds
from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import get, negotiate, options, selecting, table
from pybernetes.http import messages
from pybernetes.storage import cached, listing, watcher
from pybernetes.telemetry import metrics

MIN_SECONDS = 1800
MAX_BEHIND = 32 * 1024 * 1024
HEADERS = b"Cache-Control: no-cache, private\r\nContent-Type: application/json\r\n"

_EVENTS = metrics.DEFAULT.counter(
    "apiserver_watch_events_total", "Number of events sent in watch clients", ("group", "version", "resource")
)
_SIZES = metrics.DEFAULT.histogram(
    "apiserver_watch_events_sizes",
    "Watch event size distribution in bytes",
    ("group", "version", "resource"),
    (1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072),
)
_WATCHERS = metrics.DEFAULT.gauge(
    "apiserver_longrunning_requests",
    "Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and "
    "component.",
    ("verb", "group", "version", "resource"),
)
_encode = msgspec.json.Encoder().encode

_BOOKMARK = cached.WatchType.BOOKMARK

Frame = Callable[[cached.WatchEvent], bytes]


async def watch(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Answer with a stream. What the cache refuses comes as an ERROR event: authorization has passed."""
    asked = options.list_request(context, context.kind)
    negotiate.output(context)
    if asked.resource_version:
        get.parse_revision(asked.resource_version)
    timeout = float(asked.timeout) if asked.timeout > 0 else MIN_SECONDS * (1.0 + context.clock.random.random())
    cache = await store.ready()
    kind = context.kind
    early, late = selecting.split(store, asked.selection)
    wanted = listing.WatchOptions(
        resource_version=asked.resource_version,
        send_initial_events=asked.initial_events,
        allow_bookmarks=asked.bookmarks,
        timeout=timeout,
        selection=early,
    )
    known: _Known = {}
    try:
        if late is not None and not wanted.wants_state:
            known = await _known_at(context, store, asked)
        source = await cache.watch(_scope(context, store), wanted)
    except errors.StatusError as error:
        if isinstance(error, errors.BadRequest | errors.TooManyRequests):
            raise
        return _refused(error)
    if kind.custom and not store.as_stored(kind):
        return _converted(context, store, source, late, known, timeout)
    stream = _Stream(source, _frame(context, store), context.clock, timeout)
    stream.count = _EVENTS.labels(kind.group, kind.version, kind.plural)
    stream.sizes = _SIZES.labels(kind.group, kind.version, kind.plural)
    stream.gauge = _WATCHERS.labels("WATCH", kind.group, kind.version, kind.plural)
    return messages.StreamResponse(200, [], stream.run, raw_headers=HEADERS)


def _scope(context: contexts.RequestContext, store: stores.Store) -> str:
    """The prefix to watch, or one object's key."""
    info = context.info
    if info.name and (info.namespace or not store.kind.namespaced):
        return store.key(info.namespace, info.name)
    if info.namespace and store.kind.namespaced:
        return f"{store.prefix}{info.namespace}/"
    return ""


def _refused(error: errors.StatusError) -> messages.StreamResponse:
    line = _encode({"type": "ERROR", "object": error.status()}) + b"\n"

    async def run(writer: messages.StreamWriter) -> None:
        await writer.write(line)

    return messages.StreamResponse(200, [], run, raw_headers=HEADERS)


def _frame(context: contexts.RequestContext, store: stores.Store) -> Frame | None:
    """How an event becomes a line; None for the shared line of the event itself."""
    form, kind = negotiate.output(context), context.kind
    same = kind.api_version == store.kind.api_version
    if same and not form.transform:
        return None
    show = _shape(context)

    def frame(event: cached.WatchEvent) -> bytes:
        obj = event.cached.object()
        if not same:
            obj = _relabelled(obj, kind) if event.type is _BOOKMARK else store.shown_now(obj, kind)
        return _encode({"type": event.type.value, "object": show(event, obj)}) + b"\n"

    if form.transform == negotiate.TABLE:
        return frame
    shape = f"{kind.api_version} {form.transform} {form.version}"
    return lambda event: event.encoded(shape, frame)


def _shape(context: contexts.RequestContext) -> Callable[[cached.WatchEvent, Any], Any]:
    """A function that gives an object the form the client wants; a Table has its columns in the first event only."""
    form = negotiate.output(context)
    headers = [True]

    def show(event: cached.WatchEvent, obj: Any) -> Any:
        if event.type is _BOOKMARK or not form.transform:
            return obj
        if form.transform == negotiate.TABLE:
            made = table.of(context, [obj], obj["metadata"], headers=headers[0])
            headers[0] = False
            return made
        return table.partial(obj, form.version)

    return show


def _relabelled(obj: dict[str, Any], kind: kinds.Kind) -> dict[str, Any]:
    return {**obj, "kind": kind.kind, "apiVersion": kind.api_version}


_Known = dict[str, cached.Cached]


async def _known_at(context: contexts.RequestContext, store: stores.Store, asked: options.ListRequest) -> _Known:
    """What a watch that is judged by converted objects starts from: those its client has heard of, by key."""
    then = dataclasses.replace(asked, match=listing.EXACT, limit=0)
    page = await selecting.page(context, store, then)
    return {one.key: one for one in await store.in_version(page.items, context.kind)}


def _converted(
    context: contexts.RequestContext,
    store: stores.Store,
    source: watcher.Watcher,
    late: cached.Selection | None,
    known: _Known,
    timeout: float,
) -> messages.StreamResponse:
    """A watch on a custom resource in a version that has to be asked of somebody for each object."""
    kind, show = context.kind, _shape(context)

    async def lines(events: Sequence[cached.WatchEvent]) -> AsyncIterator[bytes]:
        objects = [event.cached for event in events if event.type is not _BOOKMARK]
        made = iter(await store.in_version(objects, kind))
        for event in events:
            if event.type is _BOOKMARK:
                obj = _relabelled(event.cached.object(), kind)
                yield _encode({"type": event.type.value, "object": obj}) + b"\n"
            elif (news := _judge(event, next(made), late, known)) is not None:
                yield _encode({"type": news.type.value, "object": show(news, news.cached.object())}) + b"\n"

    async def run(writer: messages.StreamWriter) -> None:
        timer = context.clock.call_later(timeout, source.end, upkeep="watch")
        writer.closed.add_done_callback(lambda _: source.end())
        try:
            async for events in source.batches():
                async for line in lines(events):
                    await writer.write(line)
        finally:
            timer.cancel()
            source.stop()

    return messages.StreamResponse(200, [], run, raw_headers=HEADERS)


def _judge(
    event: cached.WatchEvent, one: cached.Cached, late: cached.Selection | None, known: _Known
) -> cached.WatchEvent | None:
    """What an event means to a client that has heard of `known`, and wants what `late` matches; `one` is converted."""
    if late is None:
        return cached.WatchEvent(event.type, one)
    before = known.pop(one.key, None)
    now = event.type is not cached.WatchType.DELETED and late.matches(one)
    if now:
        known[one.key] = one
    return cached.Change(one.key, one.revision, one, before, 0.0).event(now, before is not None)


class _Stream:
    """One watch on its connection: written through while the reader keeps up, held back while it does not."""

    def __init__(self, source: watcher.Watcher, frame: Frame | None, clock: clocks.Clock, timeout: float) -> None:
        self._source = source
        self._frame = frame
        self._clock = clock
        self._timeout = timeout
        self._held: list[bytes] = []
        self._behind = 0
        self._stalled = False
        self._over = False
        self._wake: asyncio.Future[None] | None = None
        self._writer: messages.StreamWriter | None = None
        self.count = metrics.Value()
        self.sizes = metrics.Distribution(())
        self.gauge = metrics.Value()

    async def run(self, writer: messages.StreamWriter) -> None:
        """Send events until the time is over, the reader is gone or too slow, or the cache ends the watch."""
        self._writer = writer
        timer = self._clock.call_later(self._timeout, self._end, upkeep="watch")
        writer.closed.add_done_callback(self._closed)
        self.gauge.inc()
        try:
            self._source.attach(self._deliver, self._end)
            while not self._over:
                if self._stalled:
                    await writer.drain()
                    self._catch_up(writer)
                else:
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
        finally:
            self.gauge.dec()
            timer.cancel()
            writer.closed.remove_done_callback(self._closed)
            self._source.stop()

    def _deliver(self, events: Sequence[cached.WatchEvent]) -> None:
        frame = self._frame
        lines = [event.line for event in events] if frame is None else [frame(event) for event in events]
        self.count.value += len(lines)
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        self.sizes.observe(len(data) / len(lines))
        assert self._writer is not None
        if self._stalled:
            self._held.append(data)
            self._behind += len(data)
            if self._behind > MAX_BEHIND:
                self._end()
        elif not self._writer.write_nowait(data):
            self._stalled = True
            self._notify()

    def _catch_up(self, writer: messages.StreamWriter) -> None:
        held, self._held = self._held, []
        self._behind = 0
        self._stalled = bool(held) and not writer.write_nowait(b"".join(held))

    def _closed(self, _: "asyncio.Future[None]") -> None:
        self._end()

    def _end(self) -> None:
        self._over = True
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
