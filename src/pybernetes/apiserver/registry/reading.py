"""The objects of one resource as they are stored and read: keys, the watch cache, versions, encoding.

`store.Store` adds the writes. Path: 9 a new revision is stored, 10 watchers hear of it.
Upstream: k8s.io/apiserver/pkg/registry/generic/registry/store.go (Get, List), runtime.Codec.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.api import kinds
from pybernetes.api.codec import structure
from pybernetes.apimachinery import errors
from pybernetes.apiserver.admission import attributes
from pybernetes.apiserver.admission import chain as chains
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.registry import metadata, selectable, strategy
from pybernetes.apiserver.registry import rules as rule_sets
from pybernetes.storage import backend as backends
from pybernetes.storage import cached, watchcache

Object = dict[str, Any]

_encode = msgspec.json.Encoder().encode


@dataclasses.dataclass(slots=True)
class Environment:
    """What all stores of a server share."""

    backend: backends.Backend
    clock: clocks.Clock
    objects: strategy.Objects
    admission: chains.Chain
    rules: rule_sets.Rules = rule_sets.BUILT_IN
    prefix: str = "/registry"
    authorizer: questions.Authorizer = dataclasses.field(default_factory=questions.Undecided)
    webhooks: attributes.WebhookDispatcher | None = None


class StoredObjects:
    """See the module. `kind` is the row in whose version objects are stored."""

    def __init__(self, kind: kinds.Kind, rules: strategy.Strategy, environment: Environment) -> None:
        self.kind = kind
        self.strategy = rules
        self.environment = environment
        self.resource = kind.group_resource
        self.prefix = f"{environment.prefix}/{kind.storage_key}/"
        self._extract = selectable.extractor(kind, rules.selectable_fields)
        self.cache = watchcache.WatchCache(
            environment.backend,
            self.prefix,
            clock=environment.clock,
            extract=self._extract,
            identity=(kind.api_version, kind.kind),
        )
        self.cache.read_by(rules.upgrade)
        self._loading = asyncio.Lock()
        self._started = False

    async def ready(self) -> watchcache.WatchCache:
        """The watch cache, started by the first who asks; if that one goes away meanwhile, by the next."""
        if not self._started:
            async with self._loading:
                if not self._started:
                    try:
                        await self.cache.start()
                    except backends.StorageError as failure:
                        raise errors.InternalError(failure) from failure
                    self._started = True
        return self.cache

    async def stop(self) -> None:
        """End the cache's watches."""
        await self.cache.stop()

    def key(self, namespace: str, name: str) -> str:
        """Where an object is stored."""
        return f"{self.prefix}{namespace}/{name}" if self.kind.namespaced else f"{self.prefix}{name}"

    async def get(self, namespace: str, name: str) -> cached.Cached:
        """One object as of every acknowledged write. Raises NotFound."""
        found = await self.find(namespace, name)
        if found is None:
            raise errors.NotFound(self.resource, name)
        return found

    async def find(self, namespace: str, name: str) -> cached.Cached | None:
        """The same, or None."""
        cache = self.cache
        if cache.state is not watchcache.State.READY:
            await self.ready()
        if not cache.is_fresh():
            await cache.wait_fresh()
        return cache.get(self.key(namespace, name))

    async def current(self, key: str) -> cached.Cached | None:
        """What a write starts from: the newest state."""
        cache = await self.ready()
        if cache.is_fresh():
            return cache.get(key)
        record = await self.environment.backend.get(key)
        return None if record is None else self.served(record)

    async def convert(self, obj: Object, to: kinds.Kind) -> Object:
        """The object in another version of its kind."""
        if obj.get("apiVersion") == to.api_version:
            return obj
        if to.custom:
            return (await self.strategy.convert([obj], to))[0]
        return self.environment.rules.convert(obj, to)

    def complete(self, kind: kinds.Kind, obj: Object) -> None:
        """Hold a changed object to its kind: unknown fields go, defaults come. Raises DecodeError."""
        obj.setdefault("metadata", {})
        if kind.custom and obj.get("kind") == kind.kind:
            structure.conform_metadata(obj["metadata"])
            self.strategy.read(kind, obj)
        else:
            structure.conform(obj, obj.get("apiVersion") or "", obj.get("kind") or "")
        if obj.get("kind") == kind.kind:
            self.environment.rules.default(kind, obj)

    def as_stored(self, kind: kinds.Kind) -> bool:
        """Whether clients of that version see objects just as they are stored."""
        return kind.api_version == self.kind.api_version and not self.strategy.mixed

    async def shown(self, objects: Sequence[Object], to: kinds.Kind) -> Sequence[Object]:
        """Stored objects as clients of that version see them."""
        if to.custom:
            return await self.strategy.convert(objects, to)
        return [self.shown_now(obj, to) for obj in objects]

    async def in_version(self, items: Sequence[cached.Cached], to: kinds.Kind) -> list[cached.Cached]:
        """The same, still with their keys, and with that version's selectable fields."""
        made = await self.shown([item.object() for item in items], to)
        pairs = zip(items, made, strict=True)
        return [cached.Cached(item.key, item.revision, _encode(obj), self._extract) for item, obj in pairs]

    def shown_now(self, obj: Object, to: kinds.Kind) -> Object:
        """The same for built-in kinds, whose conversion asks nobody."""
        if obj.get("apiVersion") == to.api_version:
            return obj
        new = self.environment.rules.convert(obj, to)
        structure.complete(new, to.api_version, to.kind)
        return new

    def encode(self, obj: Object, known: Object | None = None) -> bytes:
        """An object in the storage version as it is stored; it may have parts of `known`, one that was."""
        kind = self.kind
        if not kind.custom and structure.knows(kind.api_version, kind.kind):
            structure.complete(obj, kind.api_version, kind.kind, known)
        facts = metadata.ordered(obj["metadata"])
        facts.pop("resourceVersion", None)
        data: Object = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": facts}
        return _encode(data | {name: value for name, value in obj.items() if name not in data})

    def served(self, record: backends.Record) -> cached.Cached:
        """A record of the backend in the form in which it is served."""
        return self.as_cached(record.key, record.value, record.mod_revision)

    def as_cached(self, key: str, value: bytes, revision: int) -> cached.Cached:
        """A stored value with its revision; 0 for one that is not stored (yet)."""
        # What the cache has just been told of need not be put together again.
        if self.cache.state is watchcache.State.READY and (known := self.cache.get(key)) is not None:
            if known.revision == revision:
                return known
        if self.strategy.upgrade is not None:
            value = self.strategy.upgrade(value)
        data = cached.with_revision(value, revision) if revision else value
        return cached.Cached(key, revision, data, self._extract)
