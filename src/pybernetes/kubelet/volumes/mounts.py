"""The kernel's mount calls, by ctypes, and paths that cannot leave their volume.

Upstream: k8s.io/mount-utils, pkg/volume/util/subpath/subpath_linux.go.
"""

import ctypes
import ctypes.util
import errno
import os
import pathlib
import stat

_BIND, _REMOUNT_READ_ONLY, _REC = 4096, 4096 | 32 | 1, 16384
_DETACH = 2


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    result = _libc().mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def tmpfs(target: pathlib.Path, size: int | None = None, mode: int = 0o777) -> bool:
    """Mount a tmpfs; False where that is not allowed (the plain directory then serves)."""
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    try:
        _mount("tmpfs", str(target), "tmpfs", 0, options)
    except OSError as failure:
        if failure.errno in (errno.EPERM, errno.EACCES):
            return False
        raise
    return True


def bind(source: str, target: pathlib.Path) -> None:
    """Make `source` appear at `target` too."""
    _mount(source, str(target), "", _BIND | _REC, "")


def unmount(target: pathlib.Path) -> None:
    """Take a mount away; harmless when there is none."""
    if _libc().umount2(os.fsencode(target), _DETACH) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOENT):
            raise OSError(number, os.strerror(number), str(target))


def is_mount_point(path: pathlib.Path) -> bool:
    """Whether something is mounted right there (bind mounts of the same file system included)."""
    wanted = os.path.realpath(path)
    return wanted in mount_points()


def mount_points() -> set[str]:
    """All mount points of this mount namespace."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return {_unescape(line.split(" ", 5)[4]) for line in file}


def _unescape(text: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, character)
    return text


class SubPathError(ValueError):
    """A subPath that leaves its volume, or cannot be made."""


def open_within(base: pathlib.Path, relative: str, create_mode: int) -> int:
    """Open `relative` below `base`, component by component, never through a symbolic link that leaves it.

    A missing last part is made as a directory. The descriptor stays on what was found, whatever the container does to
    the path meanwhile. Links inside the volume are followed by resolving them first and checking where they lead.
    """
    resolved = os.path.realpath(base / relative)
    root = os.path.realpath(base)
    if resolved != root and not resolved.startswith(root + os.sep):
        raise SubPathError(f"subpath {relative!r} is outside of volume")
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    parts = [part for part in os.path.relpath(resolved, root).split(os.sep) if part != "."]
    try:
        for part in parts:
            following = _step(directory, part, create_mode)
            os.close(directory)
            directory = following
    except BaseException:
        os.close(directory)
        raise
    return directory


def _step(directory: int, part: str, create_mode: int) -> int:
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        found = os.open(part, flags, dir_fd=directory)
    except FileNotFoundError:
        os.mkdir(part, create_mode, dir_fd=directory)
        found = os.open(part, flags, dir_fd=directory)
        os.chmod(f"/proc/self/fd/{found}", create_mode)
    if stat.S_ISLNK(os.fstat(found).st_mode):
        os.close(found)
        raise SubPathError(f"{part!r} became a symbolic link")
    return found
