"""Archives of clusters: what is in them, what is refused, how Pods of absent nodes are placed again."""

import gzip
import json
import pathlib
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.cluster import config as configs
from pybernetes.cluster import pki, snapshots
from pybernetes.storage import archive, backend, check
from pybernetes.storage.backend import Record
from pybernetes.storage.sqlite import SqliteBackend

CLOCK = clocks.RealClock()


async def a_cluster(root: pathlib.Path) -> tuple[configs.ClusterConfig, configs.Paths]:
    """A stopped cluster with some history."""
    config, paths = configs.ClusterConfig(name="old", nodes=()), configs.Paths(root)
    paths.make()
    configs.save(paths, config)
    pki.Pki(paths.pki, CLOCK).ensure(())
    store = SqliteBackend(paths.database, clock=CLOCK)
    await store.start()
    for name in "abc":
        made = await store.create(f"/registry/configmaps/x/{name}", b'{"metadata":{"name":"%s"}}' % name.encode())
    await store.update(made.key, b'{"metadata":{"name":"c"},"data":{}}', expected=made.mod_revision)
    await store.delete("/registry/configmaps/x/a", expected=2)
    await store.close()
    return config, paths


async def test_a_restored_store_goes_on_where_the_saved_one_was(tmp_path: pathlib.Path) -> None:
    config, paths = await a_cluster(tmp_path / "old")
    path = tmp_path / "archive"
    state = await snapshots.save(config, paths, CLOCK, path)
    assert path.stat().st_mode & 0o777 == 0o600
    other = configs.Paths(tmp_path / "new")
    saved = snapshots.load(path)
    assert await snapshots.restore(saved, saved.config, other, CLOCK) == state
    assert check.check(other.database) == []
    for name in ("ca.crt", "ca.key", "sa.key"):
        assert (other.pki / name).read_text() == (paths.pki / name).read_text()
    store = SqliteBackend(other.database, clock=CLOCK)
    await store.start()
    assert tuple((await store.list("/registry/")).records) == state.records
    assert (await store.create("/registry/configmaps/x/d", b"{}")).mod_revision == state.revision + 1
    with pytest.raises(backend.Compacted):
        await store.list("/registry/", revision=state.revision - 1)
    await store.close()
    assert check.check(other.database) == []
    with pytest.raises(configs.ConfigError, match="there is a cluster"):
        await snapshots.restore(saved, saved.config, other, CLOCK)


async def test_to_etcd_and_back(tmp_path: pathlib.Path, etcd_cluster: Any) -> None:
    config, paths = await a_cluster(tmp_path / "old")
    with etcd_cluster(tmp_path) as members:
        distant = configs.ClusterConfig(name="old", nodes=(), storage="etcd", etcd=backend.Distant((members[0].url,)))
        state = await snapshots.read(config, paths, CLOCK)
        await snapshots.write(distant, paths, CLOCK, state)
        with pytest.raises(archive.ArchiveError, match="not empty"):
            await snapshots.write(distant, paths, CLOCK, state)
        moved = await snapshots.read(distant, paths, CLOCK)
    assert [(one.key, one.value) for one in moved.records] == [(one.key, one.value) for one in state.records]
    back = configs.Paths(tmp_path / "back")
    back.make()
    await snapshots.write(config, back, CLOCK, moved)
    assert await snapshots.read(config, back, CLOCK) == moved


async def test_another_name_gets_an_authority_of_its_own(tmp_path: pathlib.Path) -> None:
    config, paths = await a_cluster(tmp_path / "old")
    await snapshots.save(config, paths, CLOCK, tmp_path / "archive")
    other = configs.Paths(tmp_path / "new")
    await snapshots.restore(snapshots.load(tmp_path / "archive"), configs.ClusterConfig(name="x"), other, CLOCK)
    assert [path.name for path in other.pki.iterdir()] == ["sa.key"]


async def test_what_is_no_archive(tmp_path: pathlib.Path) -> None:
    config, paths = await a_cluster(tmp_path / "old")
    path = tmp_path / "archive"
    await snapshots.save(config, paths, CLOCK, path)
    with pytest.raises(archive.ArchiveError, match="exists already"):
        await snapshots.save(config, paths, CLOCK, path)
    content, lines = path.read_bytes(), gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    for broken in (
        b"",
        b"text",
        content[:-20],
        content[:40] + bytes([content[40] ^ 255]) + content[41:],
        gzip.compress(b"".join([*lines[:1], *lines[2:]])),
        gzip.compress(b'{"format":"other"}\n{"records":0}\n'),
    ):
        path.write_bytes(broken)
        with pytest.raises(archive.ArchiveError, match="archive"):
            snapshots.load(path)
    with pytest.raises(archive.ArchiveError, match="does not exist"):
        snapshots.load(tmp_path / "nothing")


def pod(name: str, node: str, *, metadata: dict[str, Any] | None = None, phase: str = "Running") -> Record:
    value = {"metadata": metadata or {}, "spec": {"nodeName": node}, "status": {"phase": phase, "podIP": "1.2.3.4"}}
    return Record(f"/registry/pods/x/{name}", json.dumps(value).encode(), 5, 5)


def test_pods_of_absent_nodes_are_placed_again() -> None:
    nodes = [Record(f"/registry/{kind}/{name}", b"{}", 4, 4) for kind in ("minions", "csinodes") for name in "ab"]
    records = (
        *nodes,
        Record("/registry/services/specs/x/b", b"{}", 4, 4),
        pod("stays", "a"),
        pod("moves", "b"),
        pod("done", "b", phase="Succeeded"),
        pod("daemon", "b", metadata={"ownerReferences": [{"kind": "DaemonSet"}]}),
        pod("ending", "b", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        pod("mirror", "b", metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}),
    )
    left = {one.key: one for one in snapshots.place_again(records, {"a"}, 9)}
    assert [key.removeprefix("/registry/") for key in left] == [
        *("minions/a", "csinodes/a", "services/specs/x/b", "pods/x/stays", "pods/x/moves", "pods/x/done")
    ]
    moved = left["/registry/pods/x/moves"]
    assert json.loads(moved.value) == {"metadata": {}, "spec": {}, "status": {"phase": "Pending"}}
    assert moved.mod_revision == 10


def test_services_move_to_another_range() -> None:
    specs = ({"clusterIP": "10.96.1.2", "clusterIPs": ["10.96.1.2"]}, {"clusterIP": "None", "clusterIPs": ["None"]}, {})
    services = [
        Record(f"/registry/services/specs/x/{number}", json.dumps({"spec": spec}).encode(), 3, 3)
        for number, spec in enumerate(specs)
    ]
    records = [Record("/registry/ipaddresses/10.96.1.2", b"{}", 2, 2), *services]
    assert list(snapshots.move_services(records, "10.96.0.0/16", "10.96.0.0/16")) == records
    moved = snapshots.move_services(records, "10.96.0.0/16", "10.97.0.0/16")
    assert [json.loads(one.value)["spec"] for one in moved] == [
        {"clusterIP": "10.97.1.2", "clusterIPs": ["10.97.1.2"]},
        *specs[1:],
    ]
    with pytest.raises(configs.ConfigError, match="as big as"):
        list(snapshots.move_services(records, "10.96.0.0/16", "10.97.0.0/20"))
