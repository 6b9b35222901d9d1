"""The cluster's own processes: started in the background, found again by pid and start time, stopped.

A started process reports on an inherited pipe, a JSON object a line: `{"stage": "API server"}` as it goes,
`{"ready": true}` when it serves, `{"failed": "why", "finding": "port"}` when it cannot.
What is known of the others is in `states`.
"""

import asyncio
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
from pybernetes.cluster import findings, states
from pybernetes.storage import backend

REPORT_VARIABLE = "PYBERNETES_REPORT_FD"
TERM_SECONDS = 20.0
_STORAGE = {"the disk is": "disk", "unable to open": "disk", "etcd": "etcd", "": "store"}


class StartError(findings.Failure):
    """A process did not come up; the text says why and where its log is."""

    finding = "process"


class Processes(states.Running):
    """The background processes of one cluster."""

    def __init__(self, paths: configs.Paths, clock: clocks.Clock) -> None:
        super().__init__(paths)
        self._clock = clock

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
        state = states.State(
            name=name, pid=process.pid, started=states.start_time(process.pid) or 0, components=components
        )
        self._paths.state(name).write_bytes(msgspec.json.encode(state))
        async for report in _reports(reader):
            if "failed" in report:
                await self.stop(state)
                raise StartError(f"{name}: {report['failed']} (log: {log})", str(report["finding"]))
            yield report
            if report.get("ready"):
                return
        await self.stop(state)
        raise StartError(f"{name} ended before it was ready; the end of its log {log}:\n{_tail(log)}")

    async def stop(self, state: states.State) -> None:
        """End a process: SIGTERM, and SIGKILL after a while."""
        try:
            os.kill(state.pid, signal.SIGTERM)
            deadline = self._clock.monotonic() + TERM_SECONDS
            # The process is not our child any more, so the kernel tells us nothing: look again.
            while states.start_time(state.pid) == state.started:
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

    def failed(self, why: str, finding: str = "process") -> None:
        """It will not come up; `finding` is the doctor's name for that."""
        self._send({"failed": why, "finding": finding})
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


def cause(error: BaseException) -> str:
    """The finding that the doctor has for an error of a process."""
    if not isinstance(error, backend.StorageError):
        return findings.of(error) or "process"
    return next(finding for words, finding in _STORAGE.items() if words in str(error))


async def reporting(work: Coroutine[Any, Any, None], report: Reporter) -> None:
    """Run the work; if it fails before it was ready, say why to whoever started the process."""
    try:
        await work
    except Exception as error:
        text = str(error) if isinstance(error, findings.Failure) else f"{type(error).__name__}: {error}"
        report.failed(text, cause(error))
        raise
