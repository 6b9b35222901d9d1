"""Hears of every object of a resource inside the server, and has whoever answers from memory told of it.

    await Follower(store, put, remove, group).attach()

`put` hears of what is there and of each change, `remove` of the last state of what is gone. A watch that ends (its
cache lost track of the store, or the rows of its kind changed) is opened again, and what vanished meanwhile is removed.
Upstream: the shared informers of k8s.io/apiserver's own components.
"""

import logging
from collections.abc import Callable, Sequence

from pybernetes.aio import tasks
from pybernetes.apimachinery import errors
from pybernetes.apiserver.registry import store
from pybernetes.storage import backend as backends
from pybernetes.storage import cached, listing

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0

Tell = Callable[[cached.Cached], None]


class Follower:
    """See the module."""

    def __init__(self, source: store.Store | None, put: Tell, remove: Tell, group: tasks.TaskGroup) -> None:
        assert source is not None
        self._store = source
        self._put = put
        self._remove = remove
        self._group = group
        self._known: dict[str, cached.Cached] = {}

    async def attach(self) -> None:
        """Tell of what is there now, and no longer there, then of every change."""
        watch = await (await self._store.ready()).watch("", listing.WatchOptions(resource_version="0"))
        before, self._known = self._known, {}
        watch.attach(self._deliver, self._ended)
        for key, one in before.items():
            if key not in self._known:
                self._remove(one)

    def _deliver(self, events: Sequence[cached.WatchEvent]) -> None:
        for event in events:
            one = event.cached
            if event.type is cached.WatchType.DELETED:
                self._known.pop(one.key, None)
                self._remove(one)
            else:
                self._known[one.key] = one
                self._put(one)

    def _ended(self) -> None:
        self._group.start(self._again(), "follow again")

    async def _again(self) -> None:
        while True:
            await self._store.environment.clock.sleep(AGAIN_SECONDS)
            try:
                await self.attach()
                return
            except (errors.StatusError, backends.StorageError) as failure:
                logger.warning("cannot follow %s: %s", self._store.resource, failure)
