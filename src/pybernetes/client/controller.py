"""THE control loop: keys come in from informers, workers call `sync(key)`, failures come back later and later.

    controller = Controller("replicaset", self.sync_replica_set, clock=clock, workers=5)
    controller.watches(replica_sets)
    controller.watches(pods, key=owner_key)
    await controller.run()

`sync` observes, compares and acts, whatever caused it. It returns a number of seconds to be called again then, None if
there is nothing to wait for, and raises to be called again after a delay that doubles from 5 ms to 1000 s.

Path: 12 controllers. Upstream: the worker loop of every controller in pkg/controller, controller-runtime.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import meta
from pybernetes.client import informer as informers
from pybernetes.client import workqueue
from pybernetes.telemetry import logs, metrics, traces

T = TypeVar("T")
Sync = Callable[[str], Awaitable[float | None]]
Keys = Callable[[Any], str | Iterable[str] | None]
"""From an object to the keys that need a look because of it."""


def namespaced_key(obj: Any) -> str:
    """`namespace/name` of a typed object or a plain dict."""
    if isinstance(obj, dict):
        metadata = obj["metadata"]
        namespace = metadata.get("namespace")
        return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])
    return meta.key(obj)


class Controller:
    """A queue, its workers, and what feeds it."""

    def __init__(
        self,
        name: str,
        sync: Sync,
        *,
        clock: clocks.Clock,
        workers: int = 1,
        max_retries: int | None = None,
        limit: workqueue.RateLimit | None = None,
        registry: metrics.Registry = metrics.DEFAULT,
    ) -> None:
        self.name = name
        self.sync = sync
        self.queue: workqueue.WorkQueue[str] = workqueue.WorkQueue(name, clock=clock, limit=limit, registry=registry)
        self._workers = workers
        self._busy = 0
        self._max_retries = max_retries
        self._informers: list[informers.Informer[Any]] = []
        self._logger = logs.get(name)
        total = registry.counter(
            "controller_reconcile_total", "Total number of reconciliations per controller", ("controller", "result")
        )
        self._succeeded, self._failed = total.labels(name, "success"), total.labels(name, "error")

    def enqueue(self, key: str) -> None:
        """The key needs a look."""
        self.queue.add(key)

    def enqueue_after(self, key: str, seconds: float, *, upkeep: str = "") -> None:
        """The key needs a look then; see `Clock.call_later` for `upkeep`."""
        self.queue.add_after(key, seconds, upkeep=upkeep)

    def watches(
        self,
        informer: informers.Informer[T],
        *,
        key: Keys | None = namespaced_key,
        on_add: Callable[[T], object] | None = None,
        on_update: Callable[[T, T], object] | None = None,
        on_delete: Callable[[informers.Deleted[T]], object] | None = None,
    ) -> None:
        """Wait for that cache before the first sync, and hear of its changes.

        Without handlers of its own each change enqueues what `key` says of the object, of an update before and after.
        """
        self._informers.append(informer)
        if on_add is not None or on_update is not None or on_delete is not None or key is None:
            informer.add_handler(on_add, on_update, on_delete)
            return
        keys = key

        def enqueue(*objects: Any) -> None:
            for obj in objects:
                self._enqueue_all(keys(informers.last_known(obj)))

        informer.add_handler(enqueue, enqueue, enqueue)

    def _enqueue_all(self, keys: str | Iterable[str] | None) -> None:
        if isinstance(keys, str):
            self.queue.add(keys)
        else:
            for key in keys or ():
                self.queue.add(key)

    async def run(self) -> None:
        """Wait for the caches, then work until cancelled."""
        self._logger.info("Waiting for caches to sync")
        for informer in self._informers:
            await informer.wait_for_sync()
        self._logger.info("Caches are synced")
        traces.started(5, self.name)
        async with tasks.TaskGroup(self.name) as group:
            try:
                group.start(self._worker(group), "worker 0")
                await group.wait()
            finally:
                self.queue.shut_down()

    async def _worker(self, group: tasks.TaskGroup) -> None:
        """One of up to so many: the next is started when a key might come and all are at work."""
        while True:
            try:
                key = await self.queue.get()
            except workqueue.ShutDown:
                return
            self._busy += 1
            if self._busy == len(group) < self._workers:
                group.start(self._worker(group), f"worker {len(group)}")
            try:
                await self.process_next_work_item(key)
            finally:
                self._busy -= 1

    async def process_next_work_item(self, key: str) -> None:
        """Sync a key, and see to its future; the one place that catches what a sync raises."""
        traces.step(10, key, self.name)
        try:
            delay = await self.sync(key)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  retried here and nowhere else
            self._failed.inc()
            self._retry(key, error)
        else:
            self._succeeded.inc()
            traces.step(38, key, self.name)
            self.queue.forget(key)
            if delay is not None:
                self.queue.add_after(key, delay)
        finally:
            self.queue.done(key)

    def _retry(self, key: str, error: Exception) -> None:
        if self._max_retries is not None and self.queue.requeues(key) >= self._max_retries:
            self._logger.error("Dropping %r out of the queue: %s", key, error)
            self.queue.forget(key)
            return
        expected = type(error).__module__.startswith("pybernetes.")
        # errors of ours say what they mean; anything else is a bug and needs its trace
        self._logger.error("Error syncing %r: %s", key, error, exc_info=None if expected else error)
        self.queue.add_rate_limited(key)
