"""Steps of a journey brought together from all processes of a cluster, while somebody wants to see them.

Whoever wants to listens on `run/trace.sock` and sends each process SIGUSR1 (`Collector`); a process so called connects,
tells its steps as lines of JSON, and falls silent when the other side goes away (`on_request`).
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import msgspec

from pybernetes.aio import tasks
from pybernetes.cluster import config as configs
from pybernetes.cluster import states
from pybernetes.telemetry import logs, traces

logger = logs.get("tracing")

BACKLOG = 16 * 2**20
"""A listener that is so many bytes behind is left alone."""


def _socket(paths: configs.Paths) -> str:
    return str(paths.root / "run" / "trace.sock")


@contextlib.contextmanager
def on_request(paths: configs.Paths, group: tasks.TaskGroup) -> Iterator[None]:
    """Meanwhile SIGUSR1 means: somebody wants to hear the steps of this process."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: group.start(_tell(paths), "trace"))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


async def _tell(paths: configs.Paths) -> None:
    try:
        reader, writer = await asyncio.open_unix_connection(_socket(paths))
    except OSError as error:
        logger.warning("nobody listens to the trace that was asked for: %s", error)
        return

    def tell(step: traces.Step) -> None:
        if writer.transport.get_write_buffer_size() < BACKLOG:
            writer.write(msgspec.json.encode(step) + b"\n")

    try:
        with traces.listening(tell):
            await reader.read()
    finally:
        writer.close()


class Collector:
    """The steps of every process of a cluster, in the order in which they come."""

    def __init__(self, paths: configs.Paths) -> None:
        self._paths = paths
        self.steps: asyncio.Queue[traces.Step] = asyncio.Queue()
        self.processes: tuple[str, ...] = ()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Collector":
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_socket(self._paths))
        self._server = await asyncio.start_unix_server(self._receive, _socket(self._paths))
        running = states.Running(self._paths).running()
        for state in running:
            os.kill(state.pid, signal.SIGUSR1)
        self.processes = tuple(name for state in running for name in state.components)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._connections):
            writer.close()
            await writer.wait_closed()
        os.unlink(_socket(self._paths))

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while line := await reader.readline():
                self.steps.put_nowait(msgspec.json.decode(line, type=traces.Step))
        finally:
            self._connections.discard(writer)
            writer.close()
