"""Components as processes of their own, over real TLS."""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.client import kubeconfig, rest, transport
from pybernetes.cluster import config as configs
from pybernetes.cluster import pki


class Place:
    """Certificates, kubeconfigs and processes of one test."""

    def __init__(self, path: pathlib.Path, group: tasks.TaskGroup) -> None:
        self.path = path
        self.clock = clocks.RealClock()
        self.port = free_port()
        self._group = group
        self._processes: list[asyncio.subprocess.Process] = []
        self.log: list[str] = []
        """What every process said."""
        config = configs.ClusterConfig(port=self.port, nodes=0)
        keys = pki.Pki(path, self.clock)
        keys.ensure(pki.component_leaves(config))
        for user in ("admin", "kube-controller-manager", "kube-scheduler"):
            pair = keys.pair(user)
            access = kubeconfig.Access(
                user,
                f"https://127.0.0.1:{self.port}",
                keys.authority().certificate,
                cert_pem=pair.certificate,
                key_pem=pair.key,
            )
            kubeconfig.write_access(path / f"{user}.conf", access)

    async def run(self, until: str, *arguments: str) -> asyncio.subprocess.Process:
        """Start `pybernetes ARGUMENTS`; return when its log says so."""
        return await self.run_program(until, sys.executable, "-m", "pybernetes", *arguments)

    async def run_program(self, until: str, *command: str) -> asyncio.subprocess.Process:
        """The same for any program."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.path,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._processes.append(process)
        said = asyncio.Event()
        lines: list[str] = []
        self._group.start(self._follow(process, until, said, lines), command[0])
        async with asyncio.timeout(30):
            await said.wait()
        assert any(until in line for line in lines), "".join(lines)
        return process

    async def _follow(
        self, process: asyncio.subprocess.Process, until: str, said: asyncio.Event, lines: list[str]
    ) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            lines.append(line.decode())
            self.log.append(lines[-1])
            if until in lines[-1]:
                said.set()
        said.set()

    async def api_server(self, *flags: str) -> asyncio.subprocess.Process:
        """Run the API server."""
        return await self.run(
            "Every post-start hook is done",
            *("kube-apiserver", "--data-dir=data", "--bind-address=127.0.0.1", f"--secure-port={self.port}"),
            *("--tls-cert-file=apiserver.crt", "--tls-private-key-file=apiserver.key", "--client-ca-file=ca.crt"),
            *("--service-account-issuer=https://kubernetes.default.svc", "--service-account-signing-key-file=sa.key"),
            *flags,
        )

    @contextlib.asynccontextmanager
    async def client(self, port: int = 0) -> AsyncIterator[rest.Client]:
        """A client of the administrator, of another server than the first if a port is given."""
        credentials = kubeconfig.load(str(self.path / "admin.conf")).credentials()
        if port:
            credentials = dataclasses.replace(credentials, server=f"https://127.0.0.1:{port}")
        client = rest.Client(transport.HttpTransport(credentials, self.clock), clock=self.clock)
        try:
            yield client
        finally:
            await client.close()

    async def stop(self) -> None:
        """End every process, the latest first, and see that each ended in order."""
        for process in reversed(self._processes):
            if process.returncode is not None:
                continue
            process.terminate()
            async with asyncio.timeout(30):
                assert await process.wait() == 0
        self._processes.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def place(tmp_path: pathlib.Path) -> AsyncIterator[Place]:
    async with tasks.TaskGroup("test") as group:
        found = Place(tmp_path, group)
        try:
            yield found
        finally:
            await found.stop()
