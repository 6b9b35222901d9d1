"""A real cluster for tests: `pybernetes up` with a private containerd; nothing of it is left afterwards."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.client import kubeconfig, rest, transport
from pybernetes.cluster import runtime


@dataclasses.dataclass(frozen=True, slots=True)
class RealCluster:
    """Where it is."""

    name: str
    data: pathlib.Path
    kubeconfig: pathlib.Path

    def run(self, command: str, *arguments: str) -> str:
        """One `pybernetes` command for this cluster; its output."""
        whole = [
            sys.executable,
            "-m",
            "pybernetes",
            command,
            "--name",
            self.name,
            "--data-dir",
            str(self.data),
            *arguments,
        ]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self) -> None:
        """Start or resume it."""
        self.run("up", "--kubeconfig", str(self.kubeconfig), "--port", "0", "--nodes", "1")

    def kill(self, process: str) -> None:
        """SIGKILL to the processes whose name contains that."""
        for one in json.loads(self.run("status", "-o", "json"))["processes"]:
            if process in one["name"]:
                os.kill(one["pid"], signal.SIGKILL)

    def client(self) -> rest.Client:
        """The administrator's client."""
        loaded = kubeconfig.load(str(self.kubeconfig))
        clock = clocks.RealClock()
        return rest.Client(transport.HttpTransport(loaded.credentials(), clock), clock=clock)

    def audit(self) -> list[dict]:
        """Everything on record so far."""
        return [json.loads(line) for line in (self.data / "logs" / "audit.log").read_text().splitlines()]

    def log(self, process: str) -> list[str]:
        """What one of our processes wrote."""
        return (self.data / "logs" / f"{process}.log").read_text().splitlines()

    def cri_log(self) -> list[str]:
        """What the runtime wrote."""
        (log,) = self.data.glob("nodes/*/containerd/containerd.log")
        return log.read_text().splitlines()


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """One real node, kept for the whole run."""
    if problem := runtime.missing():
        pytest.skip(f"needs a real node: {problem}")
    folder = tmp_path_factory.mktemp("cluster")
    made = RealCluster(f"test-{os.getpid()}", folder / "data", folder / "kubeconfig")
    try:
        made.up()
        yield made
    finally:
        made.run("down", "--delete")
