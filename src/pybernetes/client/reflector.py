"""Keeps a store in step with the server: list, then watch, for ever.

    LIST --listed--> WATCH --ended in good order--> WATCH (from the last resourceVersion seen)
      ^                |  \\--no connection, or asked to slow down--> BACK_OFF_WATCH --delay--> WATCH
      |                |--410 Gone: the server has forgotten that resourceVersion--> LIST (from the newest)
      |                `--anything else--> BACK_OFF_LIST
      |--delay-- BACK_OFF_LIST <--any failure-- LIST

The first list may come from the server's cache (resourceVersion 0); later ones must not be older than what was seen.
Bookmarks move the resourceVersion on while nothing happens to the objects themselves.

Path: 11 informer caches. Upstream: client-go/tools/cache/reflector.go.
"""

import enum
from typing import Any, Generic, Protocol, TypeVar

from pybernetes.aio import backoff
from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import errors
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
        self._version_of = _dict_version if resource.cls is dict else _struct_version

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.step()

    async def step(self) -> None:
        """Do what the state says; the one place where the state changes."""
        if self.state is State.LIST:
            self.state = await self._list()
        elif self.state is State.WATCH:
            self.state = await self._watch()
        else:
            await self._clock.sleep(self._delay())
            self.state = State.LIST if self.state is State.BACK_OFF_LIST else State.WATCH

    def _delay(self) -> float:
        now = self._clock.monotonic()
        if now - self._failed_at >= _CALM:
            self._backoff.reset()
        self._failed_at = now
        return self._backoff.next()

    async def _list(self) -> State:
        try:
            page = await pagination.list_all(
                self._resource,
                self._scope.namespace,
                label_selector=self._scope.label_selector,
                field_selector=self._scope.field_selector,
                resource_version=self._list_from,
                adapt=self._sink.adapt,
            )
        except Failure as error:
            if self._list_from and _needs_newest(error):
                self._list_from = ""
                return State.LIST
            logger.warning("failed to list %s: %s", self._resource, error)
            return State.BACK_OFF_LIST
        self._sink.replace(page.items)
        self.resource_version = self._list_from = page.resource_version
        return State.WATCH

    async def _watch(self) -> State:
        try:
            await self._follow()
        except errors.Gone:
            logger.debug("watch of %s from %s is gone, listing again", self._resource, self.resource_version)
            self._list_from = ""
            return State.LIST
        except (transport.TransportError, errors.TooManyRequests) as error:
            logger.info("watch of %s broke: %s", self._resource, error)
            return State.BACK_OFF_WATCH
        except (*Failure, VeryShortWatch) as error:
            logger.warning("watch of %s ended: %s", self._resource, error)
            return State.BACK_OFF_LIST
        return State.WATCH

    async def _follow(self) -> None:
        started, received = self._clock.monotonic(), False
        watch = self._resource.watch(
            self._scope.namespace,
            resource_version=self.resource_version,
            label_selector=self._scope.label_selector,
            field_selector=self._scope.field_selector,
            timeout=MIN_WATCH_TIMEOUT * (1.0 + self._clock.random.random()),
        )
        async with watch:
            async for event in watch:
                received = True
                if event.type == "DELETED":
                    self._sink.deleted(event.object)
                elif event.type != "BOOKMARK":
                    self._sink.changed(event.object)
                self.resource_version = self._list_from = self._version_of(event.object)
        if not received and self._clock.monotonic() - started < _SHORT_WATCH:
            raise VeryShortWatch("very short watch: unexpected close, lasted less than a second and no items received")


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


def _struct_version(obj: Any) -> str:
    version: str = obj.metadata.resourceVersion
    return version


def _dict_version(obj: Any) -> str:
    version: str = obj["metadata"]["resourceVersion"]
    return version
