"""The log table in SQL, over one connection, without threads or an event loop.

WAL with synchronous=FULL: a transaction is on the disk when its COMMIT returns. Raises what `apsw` raises.
Upstream: k3s-io/kine (the idea of a log table).
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw

from pybernetes.storage import backend
from pybernetes.storage.backend import Event, EventType, Record

FIRST_REVISION = 1
"""The revision of an empty store, as etcd counts: resourceVersion "0" is never served."""
SCHEMA_VERSION = 1
APPLICATION_ID = 0x50794B38
BUSY_MILLISECONDS = 200
COMPACT_STEP = 1000
"""Revisions compacted in one transaction, so that writers wait little for it."""

_COLUMNS = "key, value, create_revision, revision"
_NEWEST = f"SELECT {_COLUMNS}, deleted FROM log WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1"
_INSERT = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)"
_AS_OF = "(SELECT MAX(revision) AS at FROM log WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key ORDER BY key)"
# CROSS JOIN keeps the order of the index; an ORDER BY outside would sort the values, ten times slower.
_LIST = f"SELECT {_COLUMNS} FROM {_AS_OF} CROSS JOIN log ON revision = at WHERE deleted = 0 LIMIT ?"
_COUNT = f"SELECT COUNT(*) FROM {_AS_OF} CROSS JOIN log ON revision = at WHERE deleted = 0"
_HISTORY = """
    SELECT n.key, n.value, n.create_revision, n.revision, n.deleted, o.key, o.value, o.create_revision, o.revision
    FROM log n LEFT JOIN log o ON o.revision = n.previous
    WHERE n.revision > ? AND n.revision <= ? AND n.key >= ? AND n.key < ? ORDER BY n.revision
"""
_REASONS: dict[type[Exception], str] = {
    apsw.FullError: "the disk is full",
    apsw.ReadOnlyError: "the disk is read-only",
    apsw.CorruptError: "the store is damaged (database disk image is malformed): restore a backup",
}
_ANY = (1 << 63) - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """A create (`expected` None), an update, or a delete (`value` None)."""

    key: str
    value: bytes | None
    expected: int | None


def connect(path: pathlib.Path, *, query_only: bool = False) -> Any:
    """A connection to an existing file, with our settings."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    for pragma in ("synchronous = FULL", "cache_size = -8192", "journal_size_limit = 67108864"):
        connection.execute(f"PRAGMA {pragma}")
    if query_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def prepare(connection: Any) -> None:
    """Check the file's integrity and make the tables of a new one. Raises Unavailable for files that are not ours."""
    connection.execute("PRAGMA journal_mode = WAL")
    for (finding,) in connection.execute("PRAGMA quick_check(1)"):
        if finding != "ok":
            raise backend.Unavailable(f"the store is damaged ({' '.join(finding.split())}): restore a backup")
    version = connection.execute("PRAGMA user_version").get
    if version == SCHEMA_VERSION:
        _check_values(connection)
        return
    if version > SCHEMA_VERSION:
        raise backend.Unavailable(f"the store was written by a newer version (schema {version})")
    if connection.execute("SELECT COUNT(*) FROM sqlite_schema").get:
        raise backend.Unavailable("the store is some other program's database")
    with transaction(connection):
        connection.execute((pathlib.Path(__file__).parent / "schema.sql").read_text())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check_values(connection: Any) -> None:
    """A page of a value may be damaged without a trace in the file's structure: every value must be JSON."""
    damaged = "SELECT key, revision FROM log WHERE NOT json_valid(CAST(value AS TEXT)) LIMIT 1"
    for key, revision in connection.execute(damaged):
        raise backend.Unavailable(f"the store is damaged ({key} at revision {revision}): restore a backup")


def rollback(connection: Any) -> None:
    """End a transaction that failed; SQLite may have done so by itself (disk full)."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def transaction(connection: Any, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commit at the end; roll back whatever goes wrong, the commit itself included."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        rollback(connection)


def newest(connection: Any) -> int:
    """The newest revision; never less than what was compacted, so that no revision is used twice."""
    last = connection.execute("SELECT MAX(revision) FROM log").get or 0
    return max(FIRST_REVISION, int(last), compacted(connection))


def compacted(connection: Any) -> int:
    """The revision up to which history is gone."""
    return int(connection.execute("SELECT revision FROM compaction").get)


def get(connection: Any, key: str, revision: int = _ANY) -> Record | None:
    """The key's record as of a revision."""
    for key_, value, created, modified, deleted in connection.execute(_NEWEST, (key, revision)):
        return None if deleted else Record(key_, value, created, modified)
    return None


def list_(connection: Any, prefix: str, revision: int, limit: int, start: str) -> Sequence[Record]:
    """At most `limit` records under a prefix as of a revision. Raises Compacted."""
    with transaction(connection, "DEFERRED"):
        if revision < (gone := compacted(connection)):
            raise backend.Compacted(gone)
        rows = connection.execute(_LIST, (max(prefix, start), backend.prefix_end(prefix), revision, limit))
        return [Record(*row) for row in rows]


def count(connection: Any, prefix: str, revision: int, start: str) -> int:
    """How many records there are under a prefix from the key `start` on, as of a revision."""
    found = connection.execute(_COUNT, (max(prefix, start), backend.prefix_end(prefix), revision)).get
    return int(found)


def history(connection: Any, prefix: str, after: int, until: int) -> Sequence[Event]:
    """The changes under a prefix with `after` < revision <= `until`."""
    rows = connection.execute(_HISTORY, (after, until, prefix, backend.prefix_end(prefix)))
    return [
        Event(
            EventType.DELETE if row[4] else EventType.PUT,
            Record(*row[:4]),
            Record(*row[5:]) if row[5] is not None else None,
        )
        for row in rows
    ]


def write(connection: Any, one: Write, revision: int) -> Event:
    """Check and insert one write, inside the caller's transaction. Raises KeyExists, CompareFailed."""
    current = get(connection, one.key)
    if one.expected is None:
        if current is not None:
            raise backend.KeyExists(one.key)
        assert one.value is not None
        record = Record(one.key, one.value, revision, revision)
        connection.execute(_INSERT, (revision, one.key, one.value, revision, 0, 0))
        return Event(EventType.PUT, record, None)
    if current is None or current.mod_revision != one.expected:
        raise backend.CompareFailed(one.key, current)
    value = current.value if one.value is None else one.value
    record = Record(one.key, value, current.create_revision, revision)
    deleted = int(one.value is None)
    connection.execute(_INSERT, (revision, one.key, value, current.create_revision, current.mod_revision, deleted))
    return Event(EventType.DELETE if deleted else EventType.PUT, record, current)


def begin_with(connection: Any, records: Iterable[Record], revision: int) -> None:
    """Fill an empty log with records as they were at a revision, as if it had been compacted there.

    A revision that several records share (one transaction of etcd) becomes several.
    """
    last = FIRST_REVISION
    with transaction(connection):
        for one in sorted(records, key=lambda record: record.mod_revision):
            last = max(last + 1, one.mod_revision)
            changed = one.create_revision < one.mod_revision
            created, previous = (one.create_revision, one.create_revision) if changed else (last, 0)
            connection.execute(_INSERT, (last, one.key, one.value, created, previous, 0))
        connection.execute("UPDATE compaction SET revision = ?", (max(last, revision),))


def compact(connection: Any, revision: int) -> Iterator[int]:
    """Forget history up to a revision, a transaction for each step; yields how far it is."""
    at = compacted(connection)
    while at < revision:
        before, at = at, min(revision, at + COMPACT_STEP)
        with transaction(connection):
            connection.execute("UPDATE compaction SET revision = ?", (at,))
            connection.execute(
                "DELETE FROM log WHERE revision IN "
                "(SELECT previous FROM log WHERE revision > ? AND revision <= ? AND previous > 0)",
                (before, at),
            )
            connection.execute("DELETE FROM log WHERE revision > ? AND revision <= ? AND deleted = 1", (before, at))
        yield at


def failure_text(failure: Exception, path: pathlib.Path) -> str:
    """What to tell of an error of the database."""
    reason = _REASONS.get(type(failure), str(failure))
    return f"storage {path.name}: {reason}"
