"""What a set of processes used, read from /proc."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of all threads of these processes together."""
    total = 0
    for pid in pids:
        # The name in parentheses may hold spaces: count fields from the last parenthesis.
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def pin(pids: Iterable[int], cpu: int) -> None:
    """Keeps all threads of these processes, and those they will start, on one CPU."""
    for pid in pids:
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cpu})


def rss_mib(pids: Iterable[int]) -> float:
    """Resident memory of these processes together."""
    pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
