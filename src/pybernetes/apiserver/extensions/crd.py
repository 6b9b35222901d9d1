"""Follows the CustomResourceDefinitions: judges their names, serves their versions, ends them with their objects.

    created --names accepted--> Established: rows in the table of kinds --deleted--> Terminating: objects go --> gone

Every server of a cluster follows them by itself; the statuses they write are the same.
Upstream: apiextensions-apiserver pkg/apiserver/customresource_handler.go, pkg/controller/{status,establish,finalizer}.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api import kinds
from pybernetes.api.openapi import custom
from pybernetes.apimachinery import errors, meta, timestamps
from pybernetes.apimachinery.patch import values
from pybernetes.apiserver import webhooks
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.extensions import conversion, definition, definition_rules, resource, rows
from pybernetes.apiserver.registry import deleter, follower, managers, operation, store
from pybernetes.apiserver.registry import stores as all_stores
from pybernetes.storage import backend as backends
from pybernetes.storage import cached, listing

Object = dict[str, Any]

RETRY_SECONDS = 1.0
RETIRE_SECONDS = 5.0
"""How long requests on their way may still use the store that a change of the definition replaced."""

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Served:
    """What of a definition is served: `state` is what its store was made of."""

    state: tuple[Any, ...]
    terminating: bool
    rows: list[kinds.Kind]


def schema_of(kind: kinds.Kind) -> Mapping[str, Any] | None:
    """The schema that OpenAPI shows of a custom resource; None for a built-in kind."""
    if kind.custom is None:
        return None
    chosen = [{"fieldPath": path} for path in kind.custom.selectable_fields]
    return {**kind.custom.schema, custom.SELECTABLE: chosen} if chosen else kind.custom.schema


class Definitions:
    """See the module."""

    def __init__(
        self, served: kinds.KindTable, stores: all_stores.Stores, clock: clocks.Clock, hooks: webhooks.Webhooks
    ) -> None:
        self._table = served
        self._stores = stores
        self._clock = clock
        self._hooks = hooks
        self._known: dict[str, Object] = {}
        self._served: dict[str, _Served] = {}
        self._pending: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._ending: set[str] = set()
        self._group = tasks.TaskGroup("custom resources")

    async def start(self, group: tasks.TaskGroup) -> None:
        """Serve what is established, and hear of every change until the group ends."""
        await follower.Follower(self._store(), self._put, self._remove, group).attach()
        self._group.start(self._work(), "definitions")

    async def stop(self) -> None:
        """Work no more."""
        await self._group.cancel()

    def _store(self) -> store.Store:
        found = self._stores.by_resource(definition.GROUP, definition.PLURAL)
        assert found is not None
        return found

    def _put(self, one: cached.Cached) -> None:
        obj = one.object()
        name = obj["metadata"]["name"]
        self._known[name] = obj
        self._serve(name, obj)
        self._enqueue(name)

    def _remove(self, one: cached.Cached) -> None:
        name = one.object()["metadata"]["name"]
        self._known.pop(name, None)
        self._forget(name)

    def _enqueue(self, name: str) -> None:
        self._pending[name] = None
        self._wake.set()

    def _enqueue_later(self, name: str) -> None:
        self._clock.call_later(RETRY_SECONDS, lambda: self._enqueue(name))

    def _enqueue_group(self, name: str) -> None:
        """Names have become free: others may want them."""
        group = name.partition(".")[2]
        for other, obj in self._known.items():
            if obj["spec"]["group"] == group and other != name:
                self._enqueue(other)

    # --- rows and stores

    def _serve(self, name: str, obj: Object) -> None:
        if not definition_rules.established(obj):
            return
        state = (obj["spec"], obj["status"]["acceptedNames"], obj["metadata"]["uid"])
        before = self._served.get(name)
        served, stored, every = rows.of(obj)
        assert stored.custom is not None
        terminating = stored.custom.terminating
        if before is not None and (before.state, before.terminating) == (state, terminating):
            return
        for row in before.rows if before is not None else ():
            self._table.remove(row)
        served = [row for row in served if self._table.by_resource(row.group, row.version, row.plural) is None]
        for row in served:
            self._table.add(row)
        self._served[name] = _Served(state, terminating, served)
        if before is None or before.state != state:
            given = obj["spec"]["conversion"]
            webhook = None
            if given["strategy"] == "Webhook":
                webhook = conversion.Webhook(self._hooks, given["webhook"], self._clock.random)
            strategy = resource.CustomResourceStrategy(every, stored, webhook)
            self._replace(stored.group, stored.plural, store.Store(stored, strategy, self._stores.environment))
        else:
            self._stores.forget_rows()

    def _forget(self, name: str) -> None:
        gone = self._served.pop(name, None)
        if gone is not None:
            for row in gone.rows:
                self._table.remove(row)
            plural, _, group = name.partition(".")
            self._replace(group, plural, None)
        self._enqueue_group(name)

    def _replace(self, group: str, plural: str, made: store.Store | None) -> None:
        gone = self._stores.replace(group, plural, made)
        if gone is not None:
            gone.cache.end_watches()
            self._group.start(self._retire(gone), "retire")

    async def _retire(self, gone: store.Store) -> None:
        await self._clock.sleep(RETIRE_SECONDS, upkeep="retired custom resource")
        await gone.stop()

    # --- status

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                name = next(iter(self._pending))
                del self._pending[name]
                try:
                    await self._sync(name)
                except (errors.StatusError, backends.StorageError) as failure:
                    logger.warning("custom resource definition %s: %s", name, failure)
                    self._enqueue_later(name)

    async def _sync(self, name: str) -> None:
        obj = self._known.get(name)
        if obj is None:
            return
        if meta.is_deleting(obj):
            if meta.has_finalizer(obj, definition.CLEANUP) and name not in self._ending:
                self._ending.add(name)
                self._group.start(self._end(name), f"end {name}")
            return
        accepted, conditions = self._judge(obj)
        had = (obj.get("status") or {}).get("acceptedNames")
        if accepted == had and all(_holds(obj, one) for one in conditions):
            return

        def change(new: Object) -> None:
            new["status"]["acceptedNames"], found = self._judge(new)
            self._set(new, *found)

        await self._write(name, change)
        self._enqueue_group(name)

    def _judge(self, obj: Object) -> tuple[Object, list[Object]]:
        group, name = obj["spec"]["group"], obj["metadata"]["name"]
        others = (one for key, one in self._known.items() if key != name and one["spec"]["group"] == group)
        return rows.judge_names(obj, others)

    def _set(self, obj: Object, *conditions: Object) -> None:
        now = timestamps.format_time(self._clock.now())
        for one in conditions:
            definition.set_condition(obj, one, now)

    async def _write(self, name: str, change: Callable[[Object], None]) -> None:
        target = self._store()
        op = operation.Operation(target.kind, users.SERVER, name=name, subresource="status", manager="kube-apiserver")

        async def mutate(current: Object | None) -> Object:
            assert current is not None
            new = values.copy(current)
            change(new)
            return managers.update(target, op, current, new)

        try:
            await target.update(op, mutate)
        except errors.NotFound:
            return

    # --- the end

    async def _end(self, name: str) -> None:
        """Delete every object of the resource, then let the definition go."""
        try:
            obj = self._known[name]
            if definition_rules.established(obj):
                text = "CustomResource deletion is in progress"
                await self._terminating(name, "True", "InstanceDeletionInProgress", text)
                await self._delete_all(obj)
                reason, text = "InstanceDeletionCompleted", "removed all instances"
            else:
                reason, text = "NeverEstablished", "resource was never established"
            await self._terminating(name, "False", reason, text)
        except (errors.StatusError, backends.StorageError) as failure:
            logger.warning("deletion of custom resource definition %s: %s", name, failure)
            self._enqueue_later(name)
        finally:
            self._ending.discard(name)

    async def _terminating(self, name: str, status: str, reason: str, text: str) -> None:
        def change(new: Object) -> None:
            self._set(new, definition.condition("Terminating", status, reason, text))
            if status == "False":
                meta.remove_finalizer(new, definition.CLEANUP)

        await self._write(name, change)

    async def _delete_all(self, obj: Object) -> None:
        """Return when the last object is gone, however long finalizers hold it."""
        target = self._stores.by_resource(obj["spec"]["group"], obj["status"]["acceptedNames"]["plural"])
        if target is None:
            return
        cache = await target.ready()
        page = await cache.list("", listing.ListOptions())
        op = operation.Operation(target.kind, users.SERVER)
        await deleter.delete_collection(target, op, {}, page.items)
        source = await cache.watch("", listing.WatchOptions(resource_version="0"))
        try:
            if len(cache):
                async for _ in source.batches():
                    if not len(cache):
                        break
        finally:
            source.stop()


def _holds(obj: Object, wanted: Object) -> bool:
    there = meta.condition(obj, wanted["type"])
    return there is not None and all(there.get(name) == value for name, value in wanted.items())
