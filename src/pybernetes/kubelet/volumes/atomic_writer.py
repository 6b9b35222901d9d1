"""Files of a volume replaced all at once: readers see the old set or the new one, never a mixture.

    volume/..2026_11_23_10_00_00.123456/key     the files of one generation
    volume/..data → ..2026_11_23_…              renamed over the old link: the moment of change
    volume/key → ..data/key                     what the container opens

Upstream: pkg/volume/util/atomic_writer.go.
"""

import dataclasses
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping

_DATA, _NEW = "..data", "..data_tmp"


@dataclasses.dataclass(frozen=True, slots=True)
class Projected:
    """One file of a volume."""

    data: bytes
    mode: int = 0o644
    uid: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Ownership:
    """Who may read besides the owner: a group that gets everything (fsGroup)."""

    gid: int | None = None


Payload = Mapping[str, Projected]


class UnsafePathError(ValueError):
    """A path that leaves the volume."""


def write(target: pathlib.Path, payload: Payload, owner: Ownership) -> bool:
    """Make the volume have exactly these files; False when it had them already."""
    for path in payload:
        _check(path)
    link = target / _DATA
    old = target / os.readlink(link) if link.is_symlink() else None
    if old is not None and _same(old, payload, owner):
        _link_top_level(target, payload)
        return False
    generation = pathlib.Path(tempfile.mkdtemp(prefix="..", dir=target))
    generation.chmod(0o755)
    for path, file in payload.items():
        place = generation / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
        _own(place, file, owner)
    if owner.gid is not None:
        for directory in (target, generation, *(one for one in generation.rglob("*") if one.is_dir())):
            os.chown(directory, -1, owner.gid)
            directory.chmod(0o2775)
    temporary = target / _NEW
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(generation.name)
    temporary.rename(link)
    _link_top_level(target, payload)
    for entry in target.iterdir():
        top = entry.name
        if not top.startswith("..") and entry.is_symlink() and not any(_top(path) == top for path in payload):
            entry.unlink()
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _link_top_level(target: pathlib.Path, payload: Payload) -> None:
    for path in payload:
        link = target / _top(path)
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{_top(path)}")


def _top(path: str) -> str:
    return path.split("/", 1)[0]


def _own(place: pathlib.Path, file: Projected, owner: Ownership) -> None:
    mode = file.mode
    if owner.gid is not None:
        mode |= 0o440
    if file.uid is not None or owner.gid is not None:
        os.chown(place, -1 if file.uid is None else file.uid, -1 if owner.gid is None else owner.gid)
    place.chmod(mode)


def _same(old: pathlib.Path, payload: Payload, owner: Ownership) -> bool:
    present = {str(one.relative_to(old)) for one in old.rglob("*") if one.is_file()}
    if present != set(payload):
        return False
    for path, file in payload.items():
        mode = file.mode | (0o440 if owner.gid is not None else 0)
        place = old / path
        if place.read_bytes() != file.data or place.stat().st_mode & 0o777 != mode & 0o777:
            return False
    return True


def _check(path: str) -> None:
    if not path or path.startswith(("/", "..")) or ".." in path.split("/"):
        raise UnsafePathError(f"invalid path {path!r}")
