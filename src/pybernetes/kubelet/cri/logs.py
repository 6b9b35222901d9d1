"""Container logs in the CRI's format: `TIME STREAM TAG CONTENT`, TAG is F for a full line and P for a part of one.

Following needs no polling: inotify says when the file has grown or was rotated away.

Upstream: cri-client/pkg/logs/logs.go, cri-client/pkg/logs/tail.go.
"""

import asyncio
import dataclasses
import datetime
import os
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import BinaryIO

from pybernetes.aio import clock as clocks
from pybernetes.kubelet import file_watch

_BLOCK = 64 * 1024
_LOOK_AGAIN = 1.0
"""Seconds after which a follower looks whether the container still runs, if nothing was written."""


@dataclasses.dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log to show; the same names as in PodLogOptions."""

    follow: bool = False
    tail_lines: int | None = None
    since: datetime.datetime | None = None
    limit_bytes: int | None = None
    timestamps: bool = False
    stream: str = "All"
    """All, Stdout or Stderr"""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file."""

    time: bytes
    stream: bytes
    partial: bool
    content: bytes


def parse(line: bytes) -> Entry | None:
    """One line, without its end; None when it is not in the CRI's format."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    tags = parts[2].split(b":")
    return Entry(parts[0], parts[1], tags[0] == b"P", parts[3] if len(parts) > 3 else b"")


def tail_offset(file: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines of a file begin."""
    end = file.seek(0, os.SEEK_END)
    if lines <= 0:
        return end
    wanted, position, first = lines + 1, end, True
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        if first and not block.endswith(b"\n"):
            wanted -= 1
        first = False
        found = len(block)
        while (found := block.rfind(b"\n", 0, found)) >= 0:
            wanted -= 1
            if wanted == 0:
                return position + found + 1
    return 0


class _Writer:
    """Applies the options to entries, one after another."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_bytes
        self._since = options.since.astimezone(datetime.UTC) if options.since is not None else None
        self._continues = False
        """The last entry was a part: what follows is the same line"""

    @property
    def full(self) -> bool:
        return self._left is not None and self._left <= 0

    def render(self, entry: Entry) -> bytes:
        """The text to send for an entry, empty when it is not wanted."""
        if self._options.stream != "All" and self._options.stream.lower().encode() != entry.stream:
            return b""
        if self._since is not None and _parse_time(entry.time) < self._since:
            return b""
        text = entry.content if entry.partial else entry.content + b"\n"
        if self._options.timestamps and not self._continues:
            text = entry.time + b" " + text
        self._continues = entry.partial
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
        return text


def _parse_time(text: bytes) -> datetime.datetime:
    """RFC 3339 with nanoseconds, of which datetime keeps six digits."""
    moment = text.decode("ascii", "replace")
    try:
        head, dot, rest = moment.partition(".")
        if dot:
            digits = len(rest) - len(rest.lstrip("0123456789"))
            moment = f"{head}.{rest[: min(digits, 6)]}{rest[digits:]}"
        return datetime.datetime.fromisoformat(moment).astimezone(datetime.UTC)
    except ValueError:
        return datetime.datetime.max.replace(tzinfo=datetime.UTC)


async def read(
    path: pathlib.Path, options: LogOptions, is_running: Callable[[], bool], clock: clocks.Clock
) -> AsyncIterator[bytes]:
    """The text of a log, in pieces; with `follow` until the container has ended and all is read."""
    writer = _Writer(options)
    watcher = file_watch.Watcher(clock, path, path.parent) if options.follow else None
    try:
        file: BinaryIO = path.open("rb")
        try:
            start = 0
            if options.tail_lines is not None and options.tail_lines >= 0:
                start = tail_offset(file, options.tail_lines)
            file.seek(start)
            pending = b""
            while True:
                running = is_running()  # asked before reading: what was written before the end is read after it
                while block := file.read(_BLOCK):
                    *lines, pending = (pending + block).split(b"\n")
                    text = b"".join(writer.render(entry) for line in lines if (entry := parse(line)) is not None)
                    if text:
                        yield text
                    if writer.full:
                        break
                    await asyncio.sleep(0)
                if writer.full or watcher is None:
                    break
                rotated = _reopened(file, path)
                if rotated is not None:
                    file.close()
                    file, pending = rotated, b""
                    continue
                if not running:
                    break
                await watcher.wait(_LOOK_AGAIN)
        finally:
            file.close()
    finally:
        if watcher is not None:
            watcher.close()


def _reopened(file: BinaryIO, path: pathlib.Path) -> BinaryIO | None:
    """The new file under that name, if the log was rotated."""
    try:
        if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            return None
        return path.open("rb")
    except FileNotFoundError:
        return None


def tail_text(path: pathlib.Path, lines: int, limit: int) -> str:
    """The last lines of a log as text, at most `limit` bytes of them (the last ones)."""
    try:
        with path.open("rb") as file:
            file.seek(tail_offset(file, lines))
            return b"".join(_contents(file))[-limit:].decode("utf-8", "replace")
    except OSError:
        return ""


def _contents(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        entry = parse(line.rstrip(b"\n"))
        if entry is not None:
            yield entry.content if entry.partial else entry.content + b"\n"
