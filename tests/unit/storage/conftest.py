"""A memory backend and a started watch cache on it, under a virtual clock."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from pybernetes.aio.clock import VirtualClock
from pybernetes.storage.memory import MemoryBackend
from pybernetes.storage.watchcache import WatchCache

PREFIX = "/registry/pods/"


def extract(obj: dict[str, Any]) -> Mapping[str, str]:
    """The selectable fields of the pods in these tests."""
    metadata = obj["metadata"]
    return {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "spec.nodeName": obj.get("spec", {}).get("nodeName", ""),
    }


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def store() -> AsyncIterator[MemoryBackend]:
    store = MemoryBackend()
    await store.start()
    yield store
    await store.close()


@pytest.fixture
async def cache(store: MemoryBackend, clock: VirtualClock) -> AsyncIterator[WatchCache]:
    cache = WatchCache(store, PREFIX, clock=clock, extract=extract, window=5, identity=("v1", "Pod"))
    await cache.start()
    yield cache
    await cache.stop()
