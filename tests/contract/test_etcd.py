"""What only a distant store meets: other writers, lost members, certificates, lost history."""

import asyncio
import pathlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from pybernetes.aio.clock import RealClock
from pybernetes.crypto import certs
from pybernetes.storage import backend
from pybernetes.storage.etcd import EtcdBackend
from pybernetes.storage.watchcache import WatchCache

Cluster = Callable[..., AbstractContextManager[list[Any]]]
KEY = "/registry/pods/a/"


def backend_of(*urls: str, **certificates: str) -> EtcdBackend:
    return EtcdBackend(backend.Distant(urls, **certificates), clock=RealClock())


async def test_caches_of_two_servers_read_what_either_wrote(etcd_url: str) -> None:
    stores = backend_of(etcd_url), backend_of(etcd_url)
    caches = [WatchCache(store, KEY, clock=RealClock(), extract=lambda _: {}) for store in stores]
    for store, cache in zip(stores, caches, strict=True):
        await store.start()
        await cache.start()
    for number in range(20):
        record = await stores[number % 2].create(f"{KEY}{number}", b'{"metadata":{}}')
        page = await caches[(number + 1) % 2].list()
        assert page.items[-1].revision <= record.mod_revision <= page.revision
        assert len(page.items) == number + 1
    for store, cache in zip(stores, caches, strict=True):
        await cache.stop()
        await store.close()


async def test_losing_a_member_loses_no_write(etcd_cluster: Cluster, tmp_path: pathlib.Path) -> None:
    with etcd_cluster(tmp_path, 3) as members:
        store = backend_of(*(one.url for one in members))
        await store.start()
        told: list[str] = []
        store.subscribe(KEY, lambda batch: told.extend(one.record.key for one in batch.events))
        acknowledged = [f"{KEY}{number}" for number in range(10)]
        for key in acknowledged:
            await store.create(key, b"{}")
        members[0].kill()
        while len(acknowledged) < 20:
            key = f"{KEY}later-{len(acknowledged)}"
            try:
                await store.create(key, b"{}")
            except (backend.Unavailable, backend.KeyExists):
                # It may have happened or not; the key must not be counted twice.
                if await store.get(key) is None:
                    continue
            acknowledged.append(key)
        await store.revision()
        assert told == acknowledged
        assert [one.key for one in (await store.list(KEY)).records] == sorted(acknowledged)
        await store.close()


async def test_lost_history_is_told(etcd_cluster: Cluster, tmp_path: pathlib.Path) -> None:
    with etcd_cluster(tmp_path) as members:
        url, store = members[0].url, backend_of(members[0].url)
        await store.start()
        cache = WatchCache(store, KEY, clock=RealClock(), extract=lambda _: {})
        await cache.start()
        assert not store.problem
        members[0].kill()
        with pytest.raises(backend.Unavailable, match="etcd http://127"):
            await store.create(f"{KEY}x", b"{}")
        for answer in await asyncio.gather(*(store.revision() for _ in range(3)), return_exceptions=True):
            assert isinstance(answer, backend.Unavailable)
    with etcd_cluster(tmp_path) as elsewhere:
        other = backend_of(elsewhere[0].url)
        await other.start()
        for number in range(3):
            written = await other.create(f"{KEY}{number}", b'{"metadata":{}}')
        await other.compact(written.mod_revision)
        await other.close()
    lost = asyncio.Event()
    store.subscribe("", lambda _: None, lost.set)
    with etcd_cluster(tmp_path, urls=[url]):
        assert store.problem
        await asyncio.wait_for(lost.wait(), 20)
        assert not store.problem
        await cache.start()
        assert len((await cache.list()).items) == 3
        await cache.stop()
        await store.close()


async def test_etcd_with_certificates(etcd_cluster: Cluster, tmp_path: pathlib.Path) -> None:
    now = RealClock().now()
    authority = certs.new_authority("etcd-ca", now=now)
    paths = {name: str(tmp_path / name) for name in ("ca", "crt", "key", "other")}
    pair = certs.issue(authority, certs.Request("etcd", addresses=("127.0.0.1",), server=True), now=now)
    contents = (authority.certificate, pair.certificate, pair.key, certs.new_authority("x", now=now).certificate)
    for path, content in zip(paths.values(), contents, strict=True):
        pathlib.Path(path).write_bytes(content)
    options = ("--cert-file", paths["crt"], "--key-file", paths["key"])
    options += ("--client-cert-auth", "--trusted-ca-file", paths["ca"])
    with etcd_cluster(tmp_path, scheme="https", options=options) as members:
        store = backend_of(members[0].url, cafile=paths["ca"], certfile=paths["crt"], keyfile=paths["key"])
        await store.start()
        assert await store.create(f"{KEY}x", b"{}") == await store.get(f"{KEY}x")
        await store.close()
        shown = {"certfile": paths["crt"], "keyfile": paths["key"]}
        for wrong in ({"cafile": paths["ca"]}, {"cafile": paths["other"], **shown}, {"keyfile": paths["key"]}):
            with pytest.raises(backend.Unavailable):
                await backend_of(members[0].url, **wrong).start()


async def test_an_endpoint_that_nobody_serves() -> None:
    with pytest.raises(backend.Unavailable, match=r"etcd http://127\.0\.0\.1:1: "):
        await backend_of("http://127.0.0.1:1").start()
    with pytest.raises(backend.Unavailable, match="use http://HOST:PORT"):
        await backend_of("ftp://x").start()
    with pytest.raises(backend.Unavailable, match="No such file"):
        await backend_of("https://127.0.0.1:1", cafile="/nonexistent").start()
