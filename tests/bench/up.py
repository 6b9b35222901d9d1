"""A whole cluster with one real node: how soon it is up, how soon a Pod runs, what it takes while nothing happens.

    python tests/bench/up.py                    # three clusters one after the other, the last one idle for a minute
    python tests/bench/up.py --runs 1 --idle 0

Needs root and containerd. Times are wall time from the first process on; beside other work raise the priority
(`nice -n -15 python tests/bench/up.py`). Budgets: BUDGETS.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import peer

BUDGETS = {
    "API server ready, s": 1.0,
    "node Ready, s": 3.0,
    "first Pod Running, s after its creation": 2.0,
    "control plane, MiB": 150.0,
    "control plane and node, MiB": 250.0,
    "idle, % of a core": 2.0,
    "pybernetes --help, s": 0.1,
    "pybernetes status, s": 0.1,
}
API, NODE, POD, PLANE, ALL, IDLE, HELP, STATUS = BUDGETS
IMAGE = "localhost/pybernetes/demo:1"


class Cluster:
    """A cluster in a folder of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._name = f"bench-up-{os.getpid()}"
        self._kubeconfig = folder / "kubeconfig"
        self._data = folder / "data"
        self._program = peer.program()

    def run(self, command: str, *arguments: str) -> str:
        """What one command prints."""
        selected = ("--name", self._name, "--data-dir", str(self._data))
        return peer.run([*self._program, command, *selected, *arguments], dict(os.environ))

    def up(self) -> dict[str, float]:
        """Start it: seconds until the API server, and until the node, was ready."""
        begun = time.monotonic()
        printed = self.run("up", "--kubeconfig", str(self._kubeconfig), "--port", "0", "--nodes", "1", "--timings")
        whole = time.monotonic() - begun
        stages = {stage: float(seconds) for seconds, stage in re.findall(r"^ *([0-9.]+) s  (.+)$", printed, re.M)}
        # Stages count from the start of `up`'s work; what Python took before that is in none of them.
        before = whole - max(stages.values())
        ready = next(seconds for stage, seconds in stages.items() if stage.endswith("is Ready"))
        return {API: before + stages["API server"], NODE: before + ready}

    def first_pod(self) -> float:
        """Seconds from the creation of a Pod until it runs."""
        kubectl = ["kubectl", "--kubeconfig", str(self._kubeconfig)]
        container = {"name": "demo", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "first"}, "spec": {"containers": [container]}}
        begun = time.monotonic()
        subprocess.run([*kubectl, "create", "-f", "-"], input=json.dumps(pod).encode(), check=True, capture_output=True)
        condition = "--for=jsonpath={.status.phase}=Running"
        subprocess.run([*kubectl, "wait", condition, "pod/first", "--timeout=60s"], check=True, capture_output=True)
        return time.monotonic() - begun

    def processes(self) -> list[dict[str, Any]]:
        """What `status` tells of the processes, the control plane first."""
        found: list[dict[str, Any]] = json.loads(self.run("status", "-o", "json"))["processes"]
        return sorted(found, key=lambda one: one["name"] != "control-plane")

    def memory(self) -> dict[str, float]:
        """Resident memory, containerd apart."""
        sizes = [one["rssBytes"] / 2**20 for one in self.processes()]
        return {PLANE: sizes[0], ALL: sum(sizes)}

    def idle(self, seconds: float) -> float:
        """CPU time of all processes while nothing happens, in percent of one core."""
        time.sleep(10)
        before = self._cpu_seconds()
        time.sleep(seconds)
        return (self._cpu_seconds() - before) / seconds * 100

    def _cpu_seconds(self) -> float:
        return sum(one["cpuSeconds"] for one in self.processes())


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-up-") as folder:
        made = Cluster(pathlib.Path(folder))
        try:
            yield made
        finally:
            made.run("down", "--delete")


def command_seconds(*arguments: str) -> float:
    """The shortest of five: what the command itself takes."""
    times = []
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run([*peer.program(), *arguments], capture_output=True, check=False)
        times.append(time.monotonic() - begun)
    return min(times)


def main(arguments: list[str]) -> int:
    """Measures and prints each figure beside its budget."""
    parser = argparse.ArgumentParser(description="Measure a whole cluster with one node.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    peer.compile_source()
    measured: dict[str, list[float]] = {name: [] for name in BUDGETS}
    measured[HELP].append(command_seconds("--help"))
    for number in range(options.runs):
        with cluster() as one:
            found = one.up()
            found[POD] = one.first_pod()
            found |= one.memory()
            if number == 0:
                found[STATUS] = command_seconds("status", "--data-dir", "/nonexistent")
            if options.idle and number == options.runs - 1:
                found[IDLE] = one.idle(options.idle)
        for name, figure in found.items():
            measured[name].append(figure)
    for name, figures in measured.items():
        if figures:
            print(f"{name:44}{statistics.median(figures):9.2f}  (at most {max(figures):.2f}; budget {BUDGETS[name]:g})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
