"""Local caches of the server's objects, with indexes and handlers, shared by everybody in a component.

Cached objects are frozen structs: nobody can change them. Handlers are plain functions, called in the event loop in the
order of the changes; what they learn of is already in the cache. A handler that raises is logged and counted and harms
nobody else. An object that vanished while no watch was open is reported as `DeletedFinalStateUnknown`.

Path: 11 informer caches, handlers enqueue. Upstream: client-go/tools/cache (SharedIndexInformer, Indexer, Store).
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar, Union

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import meta
from pybernetes.apimachinery import labels
from pybernetes.client import decode, reflector, rest
from pybernetes.telemetry import logs, metrics, traces

logger = logs.get("informer")
T = TypeVar("T")
O = TypeVar("O", bound=meta.Object)  # noqa: E741

List = list  # inside Informer the name is a method
IndexFunction = Callable[[T], Iterable[str]]


@dataclasses.dataclass(frozen=True, slots=True)
class DeletedFinalStateUnknown(Generic[T]):
    """The object is gone, but its last state was not seen; `obj` is the last one that was."""

    key: str
    obj: T


Deleted: TypeAlias = Union[T, DeletedFinalStateUnknown[T]]  # noqa: UP007  a subscriptable alias
"""What `on_delete` is given."""


def last_known(obj: Deleted[T]) -> T:
    """The object itself, whether its final state is known or not."""
    return obj.obj if isinstance(obj, DeletedFinalStateUnknown) else obj


@dataclasses.dataclass(frozen=True, slots=True)
class _Handler(Generic[T]):
    on_add: Callable[[T], object] | None
    on_update: Callable[[T, T], object] | None
    on_delete: Callable[[Deleted[T]], object] | None


class Informer(Generic[T]):
    """A cache of one resource (or of a selection of it)."""

    def __init__(
        self,
        resource: rest.Resource[T],
        scope: reflector.Scope,
        *,
        clock: clocks.Clock,
    ) -> None:
        self.resource = resource
        self.kind = resource.kind
        self.reflector = reflector.Reflector(resource, self, clock=clock, scope=scope)
        self._metadata = self.reflector.identify
        self._similar = _Similar(strangers=resource.cls is not meta.PartialObject) if resource.cls is not dict else None
        self._objects: dict[str, dict[str, T]] = {}
        self._indexes: dict[str, tuple[IndexFunction[T], dict[str, dict[str, T]]]] = {}
        self._handlers: list[_Handler[T]] = []
        self._synced = asyncio.Event()
        self._failures = metrics.DEFAULT.counter(
            "informer_handler_failures_total", "Handlers of watch events that raised.", ("kind",)
        ).labels(resource.kind)

    def __repr__(self) -> str:
        return f"<Informer {self.resource.api_version} {self.kind}>"

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    async def run(self) -> None:
        """Follow the server until cancelled."""
        await self.reflector.run()

    # reading

    @property
    def has_synced(self) -> bool:
        """The cache is complete and the handlers know it."""
        return self._synced.is_set()

    async def wait_for_sync(self) -> None:
        """Until the cache is complete for the first time."""
        await self._synced.wait()

    def get(self, namespace: str, name: str) -> T | None:
        """One object ("" as namespace for objects that have none)."""
        objects = self._objects.get(namespace)
        return objects.get(name) if objects else None

    def by_key(self, key: str) -> T | None:
        """One object by `namespace/name`."""
        return self.get(*meta.split_key(key))

    def list(self, namespace: str = "", selector: labels.Selector | None = None) -> "List[T]":
        """Objects of a namespace ("": of all), in no particular order."""
        found: Iterable[T]
        if namespace:
            found = self._objects.get(namespace, {}).values()
        else:
            found = self._all()
        if selector is None:
            return [*found]
        matches = selector.matches
        if self.resource.cls is dict:
            return [obj for obj in found if matches(obj["metadata"].get("labels"))]  # type: ignore[index]
        return [obj for obj in found if matches(obj.metadata.labels)]  # type: ignore[attr-defined]

    def _all(self) -> Iterator[T]:
        for objects in self._objects.values():
            yield from objects.values()

    def by_index(self, index: str, value: str) -> "List[T]":
        """Objects that the index function gave that value."""
        return [*self._indexes[index][1].get(value, {}).values()]

    def index_values(self, index: str) -> "List[str]":
        """All values that some object has."""
        return [*self._indexes[index][1]]

    # wiring

    def add_index(self, name: str, function: IndexFunction[T]) -> None:
        """Find objects by what `function` says of them; adding the same name again changes nothing."""
        if name not in self._indexes:
            self._indexes[name] = (function, {})
            for obj in self._all():
                self._index(function, self._indexes[name][1], obj)

    def add_handler(
        self,
        on_add: Callable[[T], object] | None = None,
        on_update: Callable[[T, T], object] | None = None,
        on_delete: Callable[[Deleted[T]], object] | None = None,
    ) -> None:
        """Be told of changes; objects that are already there are reported as added at once."""
        handler = _Handler(on_add, on_update, on_delete)
        self._handlers.append(handler)
        if on_add is not None:
            for obj in [*self._all()]:
                self._call(on_add, obj)

    # the reflector's side

    def adapt(self, obj: T) -> T:
        """The object with as many parts as possible in common with one that is known."""
        if self._similar is None:
            return obj
        namespace, name, _ = self._metadata(obj)
        shared: T = self._similar.share(obj, self.get(namespace, name))
        return shared

    def replace(self, objects: tuple[T, ...]) -> None:
        """These are all objects: report what differs from the cache."""
        missing = {(namespace, name) for namespace, some in self._objects.items() for name in some}
        for obj in objects:
            namespace, name, version = self._metadata(obj)
            missing.discard((namespace, name))
            old = self.get(namespace, name)
            if old is None or self._metadata(old)[2] != version:
                self._put(obj)
        for namespace, name in sorted(missing):
            gone = self._objects[namespace][name]
            self._remove(gone)
            key = f"{namespace}/{name}" if namespace else name
            self._report_delete(DeletedFinalStateUnknown(key, gone))
        self._synced.set()

    def changed(self, obj: T) -> None:
        """Put a new state into the cache and report it."""
        self._put(self.adapt(obj))

    def _put(self, obj: T) -> None:
        namespace, name, version = self._metadata(obj)
        traces.step(9, (namespace, name), self.kind, version)
        objects = self._objects.get(namespace)
        if objects is None:
            objects = self._objects[namespace] = {}
        old = objects.get(name)
        objects[name] = obj
        for function, index in self._indexes.values():
            if old is not None:
                self._unindex(function, index, old)
            self._index(function, index, obj)
        for handler in self._handlers:
            if old is None:
                if handler.on_add is not None:
                    self._call(handler.on_add, obj)
            elif handler.on_update is not None:
                self._call(handler.on_update, old, obj)

    def deleted(self, obj: T) -> None:
        """Take the object out of the cache and report its last state."""
        self._remove(obj)
        self._report_delete(obj)

    def _remove(self, obj: T) -> None:
        namespace, name, _ = self._metadata(obj)
        objects = self._objects.get(namespace, {})
        old = objects.pop(name, None)
        if not objects:
            self._objects.pop(namespace, None)
        if old is not None:
            for function, index in self._indexes.values():
                self._unindex(function, index, old)

    def _report_delete(self, obj: Deleted[T]) -> None:
        for handler in self._handlers:
            if handler.on_delete is not None:
                self._call(handler.on_delete, obj)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            function(*arguments)
        except Exception:
            self._failures.inc()
            logger.exception("a handler of %s failed", self)

    def _index(self, function: IndexFunction[T], index: dict[str, dict[str, T]], obj: T) -> None:
        key = self._key(obj)
        for value in function(obj):
            index.setdefault(value, {})[key] = obj

    def _unindex(self, function: IndexFunction[T], index: dict[str, dict[str, T]], obj: T) -> None:
        key = self._key(obj)
        for value in function(obj):
            entries = index.get(value)
            if entries is not None:
                entries.pop(key, None)
                if not entries:
                    del index[value]

    def _key(self, obj: T) -> str:
        namespace, name, _ = self._metadata(obj)
        return f"{namespace}/{name}" if namespace else name


class _Similar:
    """Finds for a new object one that most of its parts may be equal to: its old self, a sibling, the last one seen.

    Of `strangers`, objects with no owner in common, mere metadata have nothing worth looking for.
    """

    _LIMIT = 1024
    _PARTS = 2
    """how deep to look for what an object has in common with its old self: most of what has changed lies deeper"""

    def __init__(self, *, strangers: bool) -> None:
        self._strangers = strangers
        self._by_owner: dict[str, Any] = {}

    def share(self, obj: Any, old: Any) -> Any:
        owners = obj.metadata.ownerReferences
        owner = owners[0].uid if owners else ""
        if old is not None:
            obj = decode.share(obj, old, self._PARTS)
        elif not (owner or self._strangers):
            return obj
        elif (like := self._by_owner.get(owner)) is not None:
            obj = decode.share(obj, like)
        if len(self._by_owner) >= self._LIMIT:
            self._by_owner.clear()
        self._by_owner[owner] = obj
        return obj


@dataclasses.dataclass(frozen=True, slots=True)
class _Identity:
    """Informers with the same identity are one."""

    api_version: str
    kind: str
    cls: type[Any]
    namespace: str
    label_selector: str
    field_selector: str


class InformerFactory:
    """The informers of one component: asking twice for the same one gives the same one."""

    def __init__(
        self,
        client: rest.Client,
        clock: clocks.Clock,
        group: tasks.TaskGroup,
    ) -> None:
        self._client = client
        self._clock = clock
        self._group = group
        self._informers: dict[_Identity, Informer[Any]] = {}
        self._running: dict[_Identity, asyncio.Task[Any]] = {}

    def informer(
        self, kind: type[O], *, namespace: str = "", field_selector: str = "", label_selector: str = ""
    ) -> Informer[O]:
        """The informer of a typed kind; `start` sets it going."""
        return self._get(self._client.resource(kind), namespace, label_selector, field_selector)

    def dynamic(
        self, api_version: str, kind: str, *, namespace: str = "", field_selector: str = "", label_selector: str = ""
    ) -> Informer[dict[str, Any]]:
        """The informer of any kind, as plain dicts (which nobody may change)."""
        return self._get(self._client.dynamic(api_version, kind), namespace, label_selector, field_selector)

    def partial(self, api_version: str, kind: str) -> Informer[meta.PartialObject]:
        """The informer of the metadata of any kind."""
        return self._get(self._client.partial(api_version, kind), "", "", "")

    def shared(self, api_version: str, kind: str) -> Informer[Any]:
        """An informer that knows at least the metadata of all objects of a kind: any there is, else a partial one."""
        for identity, informer in self._informers.items():
            whole = not (identity.namespace or identity.label_selector or identity.field_selector)
            if (identity.api_version, identity.kind) == (api_version, kind) and whole and identity.cls is not dict:
                return informer
        return self.partial(api_version, kind)

    def _get(self, resource: rest.Resource[T], namespace: str, label_selector: str, field_selector: str) -> Informer[T]:
        identity = _Identity(
            resource.api_version, resource.kind, resource.cls, namespace, label_selector, field_selector
        )
        informer = self._informers.get(identity)
        if informer is None:
            scope = reflector.Scope(namespace, label_selector, field_selector)
            informer = Informer(resource, scope, clock=self._clock)
            self._informers[identity] = informer
        return informer

    async def start(self) -> None:
        """Set all informers going that do not run yet."""
        for identity, informer in self._informers.items():
            if identity not in self._running:
                self._running[identity] = self._group.start(self._run(identity, informer), f"informer {informer.kind}")

    async def _run(self, identity: _Identity, informer: Informer[Any]) -> None:
        try:
            await informer.run()
        finally:
            self._running.pop(identity, None)

    async def stop(self, informer: Informer[Any]) -> None:
        """Forget an informer that nobody needs any longer."""
        for identity, one in [*self._informers.items()]:
            if one is informer:
                del self._informers[identity]
                if (task := self._running.pop(identity, None)) is not None:
                    task.cancel()
                    await asyncio.wait([task])

    async def wait_for_sync(self) -> None:
        """Until every informer that runs has a complete cache."""
        for identity in [*self._running]:
            if (informer := self._informers.get(identity)) is not None:
                await informer.wait_for_sync()
