"""A real cluster for tests: `pybernetes up` with a private containerd; nothing of it is left afterwards."""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.client import kubeconfig, rest, transport
from pybernetes.cluster import machine


@dataclasses.dataclass(frozen=True, slots=True)
class RealCluster:
    """Where it is."""

    name: str
    data: pathlib.Path
    kubeconfig: pathlib.Path
    nodes: int = 1
    flags: tuple[str, ...] = ()

    def run(self, command: str, *arguments: str) -> str:
        """One `pybernetes` command for this cluster; its output."""
        whole = [sys.executable, "-m", "pybernetes", command, *arguments]
        whole += ["--name", self.name, "--data-dir", str(self.data)]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self) -> None:
        """Start or resume it."""
        where = ("--kubeconfig", str(self.kubeconfig), "--port", "0")
        self.run("up", *where, "--nodes", str(self.nodes), *self.flags)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """One command of the real kubectl; its output."""
        program = pathlib.Path(sys.executable).with_name("kubectl")
        if not program.exists():
            pytest.skip("needs kubectl (the extra `test` brings it)")
        command = [str(program), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """`kubectl get -o json`: the object, or the items of a list."""
        found = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found["items"] if found["kind"] == "List" else found

    def apply(self, *objects: dict[str, Any]) -> None:
        """`kubectl apply`."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects]}))

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
    with _running(tmp_path_factory, "test", 1) as made:
        yield made


@pytest.fixture(scope="session")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """Three real nodes, kept for the whole run; a lost one is noticed early."""
    flags = ("node-monitor-grace-period=15s", "node-monitor-period=1s")
    with _running(tmp_path_factory, "three", 3, tuple(f"--controller-manager-arg=--{flag}" for flag in flags)) as made:
        yield made


@contextlib.contextmanager
def _running(
    factory: pytest.TempPathFactory, name: str, nodes: int, flags: tuple[str, ...] = ()
) -> Iterator[RealCluster]:
    if problem := machine.hindrance():
        pytest.skip(f"needs a real node: {problem}")
    folder = factory.mktemp(name)
    made = RealCluster(f"{name}-{os.getpid()}", folder / "data", folder / "kubeconfig", nodes, flags)
    try:
        made.up()
        yield made
    finally:
        made.run("down", "--delete")
