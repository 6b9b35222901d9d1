"""Keeps a store in step with the server: the present objects, then every change, for ever.

    LIST --all heard--> WATCH --ended in good order--> WATCH (from the last resourceVersion seen)
      ^                |  \\--no connection, or asked to slow down--> BACK_OFF_WATCH --delay--> WATCH
      |                |--410 Gone: the server has forgotten that resourceVersion--> LIST (from the newest)
      |                `--anything else--> BACK_OFF_LIST
      |--delay-- BACK_OFF_LIST <--any failure-- LIST

The present objects are the first events of the watch (a streaming list: one request instead of two), and a bookmark
says where they end. From a server that refuses that they come from a list, before the watch. The first ones may come
from the server's cache (resourceVersion 0); later ones must not be older than what was seen.
Bookmarks move the resourceVersion on while nothing happens to the objects themselves.

Path: 11 informer caches. Upstream: client-go/tools/cache/reflector.go.
"""

import enum
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from pybernetes.aio import backoff
from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import errors, meta
from pybernetes.client import decode, mapping, pagination, rest, transport
from pybernetes.telemetry import logs

logger = logs.get("reflector")
T = TypeVar("T")

MIN_WATCH_TIMEOUT = 300.0
_CALM = 120.0
"""After so long without a failure the next one is a first one."""
_SHORT_WATCH = 1.0

Failure = (errors.StatusError, transport.TransportError, decode.DecodeError, mapping.NoMatch)


class State(enum.Enum):
    """What the reflector does."""

    LIST = "list"
    WATCH = "watch"
    BACK_OFF_LIST = "back off, then list"
    BACK_OFF_WATCH = "back off, then watch"


class Sink(Protocol[T]):
    """Where the objects go."""

    def adapt(self, obj: T) -> T:
        """The object as it is to be kept; asked for each object of a list as soon as it is read."""

    def replace(self, objects: tuple[T, ...]) -> None:
        """These, and no others, are all objects there are."""

    def changed(self, obj: T) -> None:
        """The object is new or different."""

    def deleted(self, obj: T) -> None:
        """The object is gone; this was its last state."""


class VeryShortWatch(Exception):
    """The server ended a watch at once; something is wrong with it."""


class Reflector(Generic[T]):
    """Lists and watches one resource into a sink."""

    def __init__(
        self,
        resource: rest.Resource[T],
        sink: Sink[T],
        *,
        clock: clocks.Clock,
        scope: "Scope",
    ) -> None:
        self.state = State.LIST
        self.resource_version = ""
        self._resource = resource
        self._sink = sink
        self._clock = clock
        self._scope = scope
        self._backoff = backoff.Backoff(0.8, 30.0, jitter=1.0, rng=clock.random)
        self._failed_at = -_CALM
        self._list_from = "0"
        self._streams = True
        self.identify: Callable[[T], tuple[str, str, str]] = _of_dict if resource.cls is dict else _of_struct
        """Namespace, name and resourceVersion."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.step()

    async def step(self) -> None:
        """Do what the state says."""
        if self.state in (State.BACK_OFF_LIST, State.BACK_OFF_WATCH):
            await self._clock.sleep(self._delay())
            self.state = State.LIST if self.state is State.BACK_OFF_LIST else State.WATCH
            return
        try:
            if self.state is State.LIST and not self._streams:
                await self._list()
            else:
                await self._follow()
        except (*Failure, VeryShortWatch) as error:
            self.state = self._after(error)

    def _after(self, error: Exception) -> State:
        """What to do when a list or a watch has failed."""
        if self.state is State.LIST and self._streams and isinstance(error, errors.Invalid):
            logger.debug("%s cannot be streamed: %s", self._resource, error)
            self._streams = False
            return State.LIST
        if self._list_from and _needs_newest(error):
            logger.debug("%s from %s: %s", self._resource, self._list_from, error)
            self._list_from = ""
            return State.LIST
        if self.state is State.WATCH and isinstance(error, (transport.TransportError, errors.TooManyRequests)):
            logger.info("watch of %s broke: %s", self._resource, error)
            return State.BACK_OFF_WATCH
        logger.warning("failed to %s %s: %s", self.state.value, self._resource, error)
        return State.BACK_OFF_LIST

    def _delay(self) -> float:
        now = self._clock.monotonic()
        if now - self._failed_at >= _CALM:
            self._backoff.reset()
        self._failed_at = now
        return self._backoff.next()

    async def _list(self) -> None:
        page = await pagination.list_all(
            self._resource,
            self._scope.namespace,
            label_selector=self._scope.label_selector,
            field_selector=self._scope.field_selector,
            resource_version=self._list_from,
            adapt=self._sink.adapt,
        )
        self._have_all(page.items, page.resource_version)

    def _have_all(self, objects: tuple[T, ...], version: str) -> None:
        self._sink.replace(objects)
        self.resource_version = self._list_from = version
        self.state = State.WATCH

    async def _follow(self) -> None:
        """Hear of changes until the watch ends; in state LIST of the present objects before."""
        started, received = self._clock.monotonic(), False
        present: dict[tuple[str, str], T] | None = {} if self.state is State.LIST else None
        watch = self._resource.watch(
            self._scope.namespace,
            resource_version=self.resource_version if present is None else self._list_from,
            label_selector=self._scope.label_selector,
            field_selector=self._scope.field_selector,
            timeout=MIN_WATCH_TIMEOUT * (1.0 + self._clock.random.random()),
            send_initial_events=None if present is None else True,
        )
        async with watch:
            async for event in watch:
                received = True
                if present is not None:
                    if self._gather(event, present):
                        self._have_all(tuple(present.values()), self.identify(event.object)[2])
                        present = None
                    continue
                if event.type == "DELETED":
                    self._sink.deleted(event.object)
                elif event.type != "BOOKMARK":
                    self._sink.changed(event.object)
                self.resource_version = self._list_from = self.identify(event.object)[2]
        if present is not None:
            raise VeryShortWatch("the watch ended before it had told of all objects")
        if not received and self._clock.monotonic() - started < _SHORT_WATCH:
            raise VeryShortWatch("very short watch: unexpected close, lasted less than a second and no items received")

    def _gather(self, event: rest.WatchEvent[T], present: dict[tuple[str, str], T]) -> bool:
        """Take in one event of a streaming list; whether it is the last one."""
        if event.type == "BOOKMARK":
            return _ends_list(event.object)
        namespace, name, _ = self.identify(event.object)
        if event.type == "DELETED":
            present.pop((namespace, name), None)
        else:
            present[namespace, name] = self._sink.adapt(event.object)
        return False


class Scope:
    """Which objects of a resource are meant."""

    __slots__ = ("field_selector", "label_selector", "namespace")

    def __init__(self, namespace: str = "", label_selector: str = "", field_selector: str = "") -> None:
        self.namespace = namespace
        self.label_selector = label_selector
        self.field_selector = field_selector


def _needs_newest(error: Exception) -> bool:
    """The server cannot list from that resourceVersion: it has forgotten it, or not heard of it yet."""
    if isinstance(error, errors.Gone):
        return True
    return isinstance(error, errors.StatusError) and error.has_cause(errors.CAUSE_RESOURCE_VERSION_TOO_LARGE)


def _ends_list(bookmark: Any) -> bool:
    found = meta.annotations(bookmark) if isinstance(bookmark, dict) else bookmark.metadata.annotations
    return bool(found.get(meta.INITIAL_EVENTS_END) == "true")


def _of_struct(obj: Any) -> tuple[str, str, str]:
    metadata = obj.metadata
    return metadata.namespace, metadata.name, metadata.resourceVersion


def _of_dict(obj: Any) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata.get("name", ""), metadata.get("resourceVersion", "")
