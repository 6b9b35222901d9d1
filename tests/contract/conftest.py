"""A started backend of each kind: the same tests run on all of them."""

import functools
import pathlib
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from pybernetes.aio.clock import RealClock
from pybernetes.storage import backend
from pybernetes.storage.etcd import EtcdBackend
from pybernetes.storage.memory import MemoryBackend
from pybernetes.storage.sqlite import SqliteBackend

Make = Callable[[pathlib.Path], backend.Backend]


def _memory(_: pathlib.Path) -> backend.Backend:
    return MemoryBackend()


def _sqlite(folder: pathlib.Path) -> backend.Backend:
    return SqliteBackend(folder / "store.db", clock=RealClock())


def _etcd(_: pathlib.Path, url: str) -> backend.Backend:
    # Each store has keys of its own; revisions they share, so they are used one after another.
    return EtcdBackend(backend.Distant((url,)), clock=RealClock(), root=f"/{uuid.uuid4()}", compact_seconds=0)


@pytest.fixture(params=("memory", "sqlite", "etcd"))
def make(request: pytest.FixtureRequest) -> Make:
    """Makes an empty, unstarted backend of one kind; files go to the folder."""
    if request.param == "etcd":
        return functools.partial(_etcd, url=request.getfixturevalue("etcd_url"))
    return _sqlite if request.param == "sqlite" else _memory


@pytest.fixture
async def store(make: Make, tmp_path: pathlib.Path) -> AsyncIterator[backend.Backend]:
    """An empty, started backend; closed afterwards."""
    store = make(tmp_path)
    await store.start()
    yield store
    await store.close()
