"""Does the log obey its invariants: a reader for `pybernetes storage check` and for tests.

1. The file is sound for SQLite.
2. Revisions are above that of the empty store.
3. A row that made its key has its own revision as create revision, and the key was not there before.
4. Any other row names the key's row before it, carries the same create revision, and that row is no deletion.
   Only compaction may have removed the row before, so only up to the compacted revision.
5. Up to the compacted revision a key has one row at most, and no deletion.
6. Values are JSON objects without `metadata.resourceVersion`.
"""

import dataclasses
import pathlib
from typing import Any

import apsw
import msgspec

from pybernetes.storage import sqlite_log


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be: where, and what."""

    revision: int
    key: str
    problem: str

    def __str__(self) -> str:
        return f"revision {self.revision}, key {self.key!r}: {self.problem}" if self.revision else self.problem


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of the log."""

    revision: int
    key: str
    value: bytes
    create_revision: int
    previous: int
    deleted: int


class _Metadata(msgspec.Struct):
    resourceVersion: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_decode = msgspec.json.Decoder(_Object).decode


def check(path: pathlib.Path) -> list[Finding]:
    """Everything wrong with the store in that file; it may be in use."""
    try:
        connection = sqlite_log.connect(path, query_only=True)
    except apsw.Error as failure:
        return [Finding(0, "", sqlite_log.failure_text(failure, path))]
    try:
        with sqlite_log.transaction(connection, "DEFERRED"):
            return _check(connection)
    except apsw.Error as failure:
        return [Finding(0, "", sqlite_log.failure_text(failure, path))]
    finally:
        connection.close()


def _check(connection: Any) -> list[Finding]:
    findings = [
        Finding(0, "", f"file: {text}") for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"
    ]
    compacted = sqlite_log.compacted(connection)
    last: dict[str, Row] = {}
    for columns in connection.execute("SELECT * FROM log ORDER BY revision"):
        row = Row(*columns)
        before = last.get(row.key)
        problems = [*_chain(row, before, compacted), *_kept(row, before, compacted), *_content(row.value)]
        findings += [Finding(row.revision, row.key, problem) for problem in problems]
        # Values are big, and nobody asks for them again.
        last[row.key] = dataclasses.replace(row, value=b"")
    return findings


def _chain(row: Row, before: Row | None, compacted: int) -> list[str]:
    if row.revision <= sqlite_log.FIRST_REVISION:
        return [f"revision is not above {sqlite_log.FIRST_REVISION}"]
    alive = before is not None and not before.deleted
    if row.previous == 0:
        problems = ["creates a key that is there"] if alive else []
        if row.create_revision != row.revision:
            problems.append(f"creates the key, but says it was created at {row.create_revision}")
        return problems + (["deletes a key that is not there"] if row.deleted else [])
    if before is None:
        return [] if row.revision <= compacted else [f"the row before it ({row.previous}) is missing"]
    problems = []
    if before.revision != row.previous:
        problems.append(f"follows {row.previous}, but the key's row before it is {before.revision}")
    if not alive:
        problems.append("changes a key that was deleted")
    if before.create_revision != row.create_revision:
        problems.append(f"created at {row.create_revision}, but the row before it at {before.create_revision}")
    return problems


def _kept(row: Row, before: Row | None, compacted: int) -> list[str]:
    if row.revision > compacted:
        return []
    problems = ["a deletion that compaction should have removed"] if row.deleted else []
    if before is not None:
        problems.append(f"compaction should have removed the row before it ({before.revision})")
    return problems


def _content(value: bytes) -> list[str]:
    try:
        obj = _decode(value)
    except msgspec.ValidationError:
        return ["the value is not a JSON object"]
    except msgspec.DecodeError as failure:
        return [f"the value is not JSON: {failure}"]
    return ["the value holds a resourceVersion"] if obj.metadata.resourceVersion else []
