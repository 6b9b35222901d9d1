"""A store's contents in one file, and from there in another store.

A gzip file of JSON lines: a head with the revision and what the caller adds, a line for each record in key order, a
foot with their number. What was cut off or changed is refused. Files are 0600 and appear whole or not at all.
Upstream: etcdctl snapshot (the idea).
"""

import gzip
import os
import pathlib
import zlib
from typing import Any

import apsw
import msgspec

from pybernetes.aio import tasks
from pybernetes.storage import backend, memory, sqlite, sqlite_log
from pybernetes.storage.backend import Record

FORMAT = "pybernetes.archive/1"
PREFIX = "/registry/"
AT_ONCE = 64
"""Writes under way when a store is filled."""


class ArchiveError(backend.StorageError):
    """A file that is no archive, or not a whole one, or a store that is not empty."""


class _Line(msgspec.Struct, array_like=True):
    key: str
    create_revision: int
    mod_revision: int
    value: msgspec.Raw


_decode_line = msgspec.json.Decoder(_Line).decode


def save(path: pathlib.Path, snapshot: memory.Snapshot, head: dict[str, Any]) -> None:
    """Write an archive. Raises ArchiveError when the file is there already or cannot be written."""
    if path.exists():
        raise ArchiveError(f"{path} exists already")
    encode = msgspec.json.Encoder().encode
    draft = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, filename="", mtime=0) as packed:
                packed.write(encode({"format": FORMAT, "revision": snapshot.revision, **head}) + b"\n")
                for one in snapshot.records:
                    line = _Line(one.key, one.create_revision, one.mod_revision, msgspec.Raw(one.value))
                    packed.write(encode(line) + b"\n")
                packed.write(encode({"records": len(snapshot.records)}) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as failure:
        draft.unlink(missing_ok=True)
        raise ArchiveError(f"cannot write {path}: {failure.strerror}") from failure


def load(path: pathlib.Path) -> tuple[dict[str, Any], memory.Snapshot]:
    """The head and the contents of an archive. Raises ArchiveError."""
    try:
        with gzip.open(path, "rb") as file:
            head, *lines, foot = file.read().splitlines()
        described, end = msgspec.json.decode(head), msgspec.json.decode(foot)
        records = tuple(
            Record(one.key, bytes(one.value), one.create_revision, one.mod_revision) for one in map(_decode_line, lines)
        )
        whole = described["format"] == FORMAT and end["records"] == len(records)
        revision: int = described["revision"]
    except FileNotFoundError as failure:
        raise ArchiveError(f"{path} does not exist") from failure
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error, msgspec.MsgspecError) as failure:
        raise ArchiveError(f"{path} is damaged, or no archive of pybernetes: {failure}") from failure
    if not whole:
        raise ArchiveError(f"{path} is not whole, or of another version")
    return described, memory.Snapshot(records, revision)


async def read(store: backend.Backend) -> memory.Snapshot:
    """Everything in a started store, as of one revision."""
    listed = await store.list(PREFIX)
    return memory.Snapshot(tuple(listed.records), listed.revision)


async def fill(store: backend.Backend, snapshot: memory.Snapshot) -> None:
    """Write everything to a started, empty store, which numbers the writes anew. Raises ArchiveError."""
    if (await store.list(PREFIX, limit=1)).records:
        raise ArchiveError("the store is not empty")
    waiting = sorted(snapshot.records, key=lambda one: one.mod_revision, reverse=True)

    async def write() -> None:
        while waiting:
            one = waiting.pop()
            await store.create(one.key, one.value)

    await tasks.gather(*(write() for _ in range(AT_ONCE)), name="fill")


def read_database(path: pathlib.Path) -> memory.Snapshot:
    """Everything in a SQLite store, which may be in use. Raises Unavailable."""
    try:
        connection = sqlite_log.connect(path, query_only=True)
        try:
            revision = sqlite_log.newest(connection)
            return memory.Snapshot(tuple(sqlite_log.list_(connection, PREFIX, revision, -1, "")), revision)
        finally:
            connection.close()
    except apsw.Error as failure:
        raise backend.Unavailable(sqlite_log.failure_text(failure, path)) from failure


def fill_database(path: pathlib.Path, snapshot: memory.Snapshot) -> None:
    """Make a SQLite store that begins with a snapshot, revisions included. Raises ArchiveError, Unavailable."""
    if path.exists():
        raise ArchiveError(f"{path} exists already")
    held = sqlite.lock(path)
    try:
        connection = sqlite_log.connect(path)
        try:
            sqlite_log.prepare(connection)
            sqlite_log.begin_with(connection, snapshot.records, snapshot.revision)
        finally:
            connection.close()
    except apsw.Error as failure:
        raise backend.Unavailable(sqlite_log.failure_text(failure, path)) from failure
    finally:
        os.close(held)
