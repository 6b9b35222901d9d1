"""A cluster's state in a file, and a cluster that begins with such a state.

An archive holds the store, the cluster's configuration, its authority and the key that signs service account tokens:
all that cannot be made anew. A cluster of the same name gets all of it back. One of another name gets an authority and
nodes of its own: Pods of nodes that it does not have are placed again.
"""

import contextlib
import dataclasses
import ipaddress
import pathlib
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import meta
from pybernetes.cluster import config as configs
from pybernetes.cluster import pki
from pybernetes.storage import archive, backend, etcd, memory
from pybernetes.storage.backend import Record

AUTHORITY = ("ca.crt", "ca.key")
SIGNING = ("sa.key",)
OF_NODES = ("/registry/minions/", "/registry/csinodes/", "/registry/leases/kube-node-lease/")
OF_RANGES = ("/registry/ipaddresses/", "/registry/servicecidrs/")
SERVICES = "/registry/services/specs/"
PODS = "/registry/pods/"


@dataclasses.dataclass(frozen=True, slots=True)
class Saved:
    """What an archive holds."""

    config: configs.ClusterConfig
    keys: dict[str, str] = dataclasses.field(repr=False)
    state: memory.Snapshot


async def read(config: configs.ClusterConfig, paths: configs.Paths, clock: clocks.Clock) -> memory.Snapshot:
    """The state of a cluster, which may be running. Raises StorageError."""
    if config.storage == "memory":
        raise archive.ArchiveError("a cluster with --storage memory keeps nothing that could be read from outside")
    if config.etcd is None:
        return archive.read_database(paths.database)
    async with _etcd(config.etcd, clock) as store:
        return await archive.read(store)


async def write(
    config: configs.ClusterConfig, paths: configs.Paths, clock: clocks.Clock, state: memory.Snapshot
) -> None:
    """Begin the store that the configuration names with that state. Raises StorageError if it is not empty."""
    if config.storage == "memory":
        raise archive.ArchiveError("--storage memory cannot begin with a saved state; use sqlite or etcd")
    if config.etcd is None:
        archive.fill_database(paths.database, state)
        return
    async with _etcd(config.etcd, clock) as store:
        await archive.fill(store, state)


@contextlib.asynccontextmanager
async def _etcd(distant: backend.Distant, clock: clocks.Clock) -> AsyncIterator[backend.Backend]:
    store = etcd.EtcdBackend(distant, clock=clock, compact_seconds=0)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


async def save(
    config: configs.ClusterConfig, paths: configs.Paths, clock: clocks.Clock, path: pathlib.Path
) -> memory.Snapshot:
    """Write an archive of the cluster; what was saved. Raises StorageError."""
    state = await read(config, paths, clock)
    keys = {name: (paths.pki / name).read_text() for name in (*AUTHORITY, *SIGNING)}
    archive.save(path, state, {"config": config, "keys": keys, "time": clock.now().isoformat()})
    return state


def load(path: pathlib.Path) -> Saved:
    """Read an archive of a cluster. Raises ArchiveError."""
    head, state = archive.load(path)
    try:
        return Saved(msgspec.convert(head["config"], configs.ClusterConfig), dict(head["keys"]), state)
    except (KeyError, msgspec.ValidationError) as failure:
        raise archive.ArchiveError(f"{path} does not hold a cluster that this version can read: {failure}") from failure


async def restore(
    saved: Saved, config: configs.ClusterConfig, paths: configs.Paths, clock: clocks.Clock
) -> memory.Snapshot:
    """Make the files of a cluster, which must not be there yet; `up` starts it. Raises StorageError, ConfigError."""
    if paths.config.exists():
        raise configs.ConfigError(f"there is a cluster in {paths.root} already")
    config.check()
    existed = paths.root.exists()
    nodes = set(config.node_names())
    ranges = saved.config.service_range, config.service_range
    records = tuple(place_again(move_services(saved.state.records, *ranges), nodes, saved.state.revision))
    state = memory.Snapshot(records, saved.state.revision)
    paths.make()
    try:
        await write(config, paths, clock, state)
    except backend.StorageError:
        if not existed:
            shutil.rmtree(paths.root)
        raise
    for name in (*SIGNING, *(AUTHORITY if config.name == saved.config.name else ())):
        pki.write_private(paths.pki / name, saved.keys[name].encode())
    configs.save(paths, config)
    return state


def move_services(records: Iterable[Record], old: str, new: str) -> Iterator[Record]:
    """The records with Services at the same places of another range. Raises ConfigError if that has fewer places.

    What says who has which address, and what the range is, the API server makes anew when it starts.
    """
    before, after = ipaddress.ip_network(old), ipaddress.ip_network(new)
    moved = before != after
    if moved and (before.version, before.num_addresses) != (after.version, after.num_addresses):
        raise configs.ConfigError(f"--service-range {new}: use one as big as {old}, where the saved Services are")
    for record in records:
        if not moved or not record.key.startswith((*OF_RANGES, SERVICES)):
            yield record
        elif record.key.startswith(SERVICES):
            service = msgspec.json.decode(record.value)
            spec = service["spec"]
            for one in [one for one in spec.get("clusterIPs") or () if one != "None"]:
                address = str(after[int(ipaddress.ip_address(one)) - int(before.network_address)])
                spec["clusterIPs"] = [address if other == one else other for other in spec["clusterIPs"]]
                spec["clusterIP"] = spec["clusterIPs"][0]
            yield dataclasses.replace(record, value=msgspec.json.encode(service))


def place_again(records: Iterable[Record], nodes: set[str], revision: int) -> Iterator[Record]:
    """The records without nodes that are not among these; Pods bound to others are as if not bound yet."""
    for record in records:
        if record.key.startswith(PODS):
            yield from _placed_again(record, nodes, revision)
        elif not record.key.startswith(OF_NODES) or record.key.rpartition("/")[2] in nodes:
            yield record


def _placed_again(record: Record, nodes: set[str], revision: int) -> Iterable[Record]:
    pod: dict[str, Any] = msgspec.json.decode(record.value)
    facts, spec = pod["metadata"], pod["spec"]
    if spec.get("nodeName", "") in {"", *nodes} or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return [record]
    owned = any(owner["kind"] == "DaemonSet" for owner in facts.get("ownerReferences") or ())
    if owned or facts.get("deletionTimestamp") or meta.is_mirror(pod):
        # Nobody is left to end it, and it belongs to that node.
        return []
    del spec["nodeName"]
    pod["status"] = {key: value for key, value in pod.get("status", {}).items() if key == "qosClass"}
    pod["status"]["phase"] = "Pending"
    return [dataclasses.replace(record, value=msgspec.json.encode(pod), mod_revision=revision + 1)]


def find(name: str, paths: configs.Paths) -> pathlib.Path:
    """The archive meant: a file, a snapshot of this cluster, or CLUSTER/SNAPSHOT. Raises ArchiveError."""
    cluster, _, short = name.rpartition("/")
    places = [pathlib.Path(name), paths.snapshot(name)]
    if cluster:
        places.append(configs.Paths.default(cluster).snapshot(short))
    for place in places:
        if place.is_file():
            return place
    raise archive.ArchiveError(f"no snapshot {name!r}: `pybernetes snapshot list` shows those of a cluster")
