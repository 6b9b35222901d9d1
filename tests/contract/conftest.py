"""A started backend of each kind: the same tests run on all of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pybernetes.aio.clock import RealClock
from pybernetes.storage import backend
from pybernetes.storage.memory import MemoryBackend
from pybernetes.storage.sqlite import SqliteBackend

KINDS = ("memory", "sqlite")


def make(kind: str, path: Path) -> backend.Backend:
    """An unstarted backend of that kind."""
    if kind == "sqlite":
        return SqliteBackend(path / "store.db", clock=RealClock())
    assert kind == "memory"
    return MemoryBackend()


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[backend.Backend]:
    """An empty, started backend; closed afterwards."""
    store = make(request.param, tmp_path)
    await store.start()
    yield store
    await store.close()
