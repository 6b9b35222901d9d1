"""What is known of a cluster's processes: `run/NAME.json` in its data directory, and what the kernel says of the pid.

A pid that another process has taken over since is told apart by its start time. Small, so that `pybernetes status`
answers at once.
"""

import dataclasses
import os
import pathlib

import msgspec

from pybernetes.cluster import config as configs

CONTROL_PLANE = "control-plane"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down about a running process."""

    name: str
    pid: int
    started: int
    components: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used: resident memory in bytes, CPU seconds so far."""

    rss: int
    cpu_seconds: float


def start_time(pid: int) -> int | None:
    """The kernel's start time of a process in clock ticks; None when there is none (or only its remains)."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def usage(pid: int) -> Usage | None:
    """Memory and CPU of a process."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return Usage(pages * os.sysconf("SC_PAGE_SIZE"), (int(fields[11]) + int(fields[12])) / ticks)


class Running:
    """The background processes of one cluster as they are now."""

    def __init__(self, paths: configs.Paths) -> None:
        self._paths = paths

    def running(self) -> list[State]:
        """Those that live now, the control plane first."""
        directory = self._paths.root / "run"
        found = [self._read(path) for path in sorted(directory.glob("*.json"))] if directory.exists() else []
        alive = [state for state in found if state is not None and start_time(state.pid) == state.started]
        return sorted(alive, key=lambda state: (state.name != CONTROL_PLANE, state.name))

    def find(self, name: str) -> State | None:
        """The running process of that name."""
        return next((state for state in self.running() if state.name == name), None)

    @staticmethod
    def _read(path: pathlib.Path) -> State | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=State)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
