"""What clients were told, held against what is there: no acknowledged write is lost, no resourceVersion used twice.

Pure but for `stored`, which reads a SQLite store.
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pybernetes.storage import sqlite_log

Object = dict[str, Any]
Key = tuple[str, str]
"""Kind and name; all is in one namespace."""


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """A version of an object as some client saw it."""

    key: Key
    uid: str
    content: bytes


def key_of(obj: Object) -> Key:
    """Where it is counted."""
    return obj["kind"], obj["metadata"]["name"]


class Ledger:
    """Notes of one run; `problems` is what must not be."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.versions: dict[int, Told] = {}
        self.acknowledged = 0
        self._newest: dict[Key, int] = {}
        self._dying: set[str] = set()
        self._doomed: set[str] = set()

    def saw(self, obj: Object) -> int:
        """A watch or an answer showed that version."""
        version = int(obj["metadata"]["resourceVersion"])
        content = msgspec.json.encode(obj, order="sorted")
        told = Told(key_of(obj), obj["metadata"]["uid"], content)
        known = self.versions.setdefault(version, told)
        if known != told:
            self.problems.append(f"resourceVersion {version} was used twice: {known} and {told}")
        return version

    def wrote(self, obj: Object) -> None:
        """A create, an update or a patch was acknowledged with that object."""
        self._newest[key_of(obj)] = self.saw(obj)
        self.acknowledged += 1

    def deleting(self, uid: str) -> None:
        """A delete is about to be sent: from now on the object may be gone."""
        self._dying.add(uid)

    def deleted(self, uid: str) -> None:
        """The delete was acknowledged."""
        self._doomed.add(uid)
        self.acknowledged += 1

    def compare(self, present: Iterable[Object]) -> None:
        """Note what was acknowledged and is not there."""
        found = {key_of(obj): obj for obj in present}
        for key, version in self._newest.items():
            told, obj = self.versions[version], found.get(key)
            if obj is None or obj["metadata"]["uid"] != told.uid:
                if told.uid not in self._dying:
                    self.problems.append(f"{key} was acknowledged at {version} and is gone")
            elif self.saw(obj) < version:
                self.problems.append(f"{key} was acknowledged at {version}, now it is at {self.saw(obj)}")
        for key, obj in found.items():
            if obj["metadata"]["uid"] in self._doomed and "deletionTimestamp" not in obj["metadata"]:
                self.problems.append(f"the deletion of {key} was acknowledged, and it is there")


PLURALS: Mapping[str, str] = {
    "pods": "Pod",
    "configmaps": "ConfigMap",
    "replicasets": "ReplicaSet",
    "events": "Event",
    "minions": "Node",
}


def stored(path: pathlib.Path, ledger: Ledger) -> list[str]:
    """What clients saw and the log does not have: revisions that are missing, or of another key."""
    connection = sqlite_log.connect(path, query_only=True)
    try:
        gone = sqlite_log.compacted(connection)
        rows: dict[int, str] = dict(connection.execute("SELECT revision, key FROM log"))
    finally:
        connection.close()
    problems = []
    for version, told in ledger.versions.items():
        _, _, plural, *_, name = rows.get(version, "/registry/none/none").split("/")
        if version > gone and (PLURALS.get(plural), name) != told.key:
            problems.append(f"{told.key} was seen at {version}, the store has {rows.get(version)!r} there")
    return problems
