"""The cluster's own processes: started in the background, found again by pid and start time, stopped.

A started process reports on an inherited pipe, a JSON object a line: `{"stage": "API server"}` as it goes,
`{"ready": true}` when it serves, `{"failed": "why"}` when it cannot. What is known of a process stands in
`run/NAME.json`; a pid that another process has taken over since is told apart by its start time.
"""

import asyncio
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.cluster import config as configs

REPORT_VARIABLE = "PYBERNETES_REPORT_FD"
TERM_SECONDS = 20.0
CONTROL_PLANE = "control-plane"


class StartError(RuntimeError):
    """A process did not come up; the text says why and where its log is."""


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


class Processes:
    """The background processes of one cluster."""

    def __init__(self, paths: configs.Paths, clock: clocks.Clock) -> None:
        self._paths = paths
        self._clock = clock

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

    async def start(self, name: str, components: tuple[str, ...], *arguments: str) -> AsyncIterator[dict[str, object]]:
        """Start `python -m pybernetes ARGUMENTS` detached; yields its reports until it is ready. Raises StartError."""
        reader, writer = os.pipe()
        log = self._paths.log(name)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pybernetes", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(writer,),
                env={**os.environ, REPORT_VARIABLE: str(writer)},
            )
        os.close(writer)
        state = State(name=name, pid=process.pid, started=start_time(process.pid) or 0, components=components)
        self._paths.state(name).write_bytes(msgspec.json.encode(state))
        async for report in _reports(reader):
            if "failed" in report:
                raise StartError(f"{name}: {report['failed']} (log: {log})")
            yield report
            if report.get("ready"):
                return
        raise StartError(f"{name} ended before it was ready; the end of its log {log}:\n{_tail(log)}")

    async def stop(self, state: State) -> None:
        """End a process: SIGTERM, and SIGKILL after a while."""
        try:
            os.kill(state.pid, signal.SIGTERM)
            deadline = self._clock.monotonic() + TERM_SECONDS
            # The process is not our child any more, so the kernel tells us nothing: look again.
            while start_time(state.pid) == state.started:
                if self._clock.monotonic() > deadline:
                    os.kill(state.pid, signal.SIGKILL)
                await self._clock.sleep(0.02)
        except ProcessLookupError:
            pass
        self._paths.state(state.name).unlink(missing_ok=True)


async def _reports(descriptor: int) -> AsyncIterator[dict[str, object]]:
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        while line := await stream.readline():
            yield msgspec.json.decode(line, type=dict[str, object])
    finally:
        transport.close()


def _tail(log: pathlib.Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


class Reporter:
    """The child's end of the pipe; silent when nobody listens."""

    def __init__(self) -> None:
        text = os.environ.pop(REPORT_VARIABLE, "")
        self._descriptor = int(text) if text else -1

    def stage(self, name: str) -> None:
        """A part is up."""
        self._send({"stage": name})

    def ready(self) -> None:
        """Everything serves; nothing more will be reported."""
        self._send({"ready": True})
        self._close()

    def failed(self, why: str) -> None:
        """It will not come up."""
        self._send({"failed": why})
        self._close()

    def _send(self, report: dict[str, object]) -> None:
        if self._descriptor >= 0:
            try:
                os.write(self._descriptor, msgspec.json.encode(report) + b"\n")
            except BrokenPipeError:
                self._descriptor = -1

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


async def reporting(work: Coroutine[Any, Any, None], report: Reporter) -> None:
    """Run the work; if it fails before it was ready, say why to whoever started the process."""
    try:
        await work
    except Exception as error:
        report.failed(f"{type(error).__name__}: {error}")
        raise
