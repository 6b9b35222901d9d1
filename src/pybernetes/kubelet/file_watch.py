"""Hearing of changes to files from the kernel: inotify by ctypes, short intervals where there is none.

Upstream: fsnotify.
"""

import asyncio
import ctypes
import ctypes.util
import os
import pathlib

from pybernetes.aio import clock as clocks

_MODIFY, _MOVE_SELF, _DELETE_SELF = 0x2, 0x800, 0x400
_CREATE, _DELETE, _MOVED, _CLOSE_WRITE = 0x100, 0x200, 0xC0, 0x8
_FILE = _MODIFY | _MOVE_SELF | _DELETE_SELF
_DIRECTORY = _CREATE | _DELETE | _MOVED | _CLOSE_WRITE
_CLOEXEC, _NONBLOCK = 0o2000000, 0o4000
_INTERVAL = 0.25


class Watcher:
    """Wakes when one of the files or directories changes."""

    def __init__(self, clock: clocks.Clock, *paths: pathlib.Path) -> None:
        self._clock = clock
        self._woken = asyncio.Event()
        self._fd = _inotify(paths)
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        os.read(self._fd, 65536)
        self._woken.set()

    async def wait(self, at_most: float) -> None:
        """Return when something has changed, at the latest after so many seconds."""
        if self._fd < 0:
            await self._clock.sleep(min(_INTERVAL, at_most))
            return
        timer = self._clock.call_later(at_most, self._woken.set)
        await self._woken.wait()
        timer.cancel()
        self._woken.clear()

    def close(self) -> None:
        """Stop watching."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


def _inotify(paths: tuple[pathlib.Path, ...]) -> int:
    """An inotify descriptor on those that exist; -1 where the system has no inotify."""
    library = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    if not hasattr(library, "inotify_init1"):
        return -1
    fd = int(library.inotify_init1(_CLOEXEC | _NONBLOCK))
    for path in paths if fd >= 0 else ():
        library.inotify_add_watch(fd, os.fsencode(path), _DIRECTORY if path.is_dir() else _FILE)
    return fd
