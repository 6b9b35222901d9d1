"""Skips, with the reason, what this machine cannot run: real containers, upstream's own programs, etcd."""

import contextlib
import gc
from collections.abc import Callable, Iterator

import pytest

from pybernetes.cluster import machine

from . import etcd


def _no_containers() -> str:
    return machine.hindrance()


def _no_oracle() -> str:
    return (
        ""
        if etcd.built("kube-apiserver").exists()
        else "upstream's programs are not built: python tests/upstream/build.py"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test whose needs are not met a reason to skip."""
    for marker, missing in (("node", _no_containers), ("upstream", _no_oracle)):
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = missing() if marked else ""
        for item in marked if reason else ():
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the garbage collector need not look at it before every few tests."""
    gc.collect()
    gc.freeze()


Etcd = Callable[..., contextlib.AbstractContextManager[list[etcd.Member]]]


@pytest.fixture(scope="session")
def etcd_cluster() -> Etcd:
    """Starts a real etcd: `with etcd_cluster(folder, 3) as members`; skips where there is none."""
    if not etcd.program():
        pytest.skip("no etcd here: python tests/upstream/build.py, or install etcd-server")
    return etcd.cluster


@pytest.fixture(scope="session")
def etcd_url(etcd_cluster: Etcd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An etcd that all tests of a run share."""
    with etcd_cluster(tmp_path_factory.mktemp("etcd")) as members:
        yield members[0].url


@pytest.fixture(scope="session")
def kube_apiserver() -> str:
    """The path of upstream's API server; for tests marked `upstream`."""
    return str(etcd.built("kube-apiserver"))
