"""The clusters that the suite runs against: what it uses, what its logs hold and what it leaves behind; ours.

Upstream's is in `upstream_cluster.py`. Both have two nodes of the same kind: node 1 is the machine, node 2 has a
network namespace, and each has a private containerd.
"""

from __future__ import annotations

import abc
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Mapping

from pybernetes.aio import clock as clocks
from pybernetes.cluster import config as configs
from pybernetes.cluster import nodes, runtime, states

NODES = 2
RUNTIME = "containerd "
"""How the names of containers' runtimes begin: they are counted apart, both sides run the same program."""
TROUBLE = re.compile(r"^Traceback \(most recent call last\)|^panic: |^fatal error: ", re.MULTILINE)

Used = Mapping[str, Mapping[str, float]]


class Cluster(abc.ABC):
    """A cluster that is there from `start` to `stop`."""

    title = ""

    def __init__(self, name: str, folder: pathlib.Path) -> None:
        self.name = name
        self.folder = folder
        self.paths = configs.Paths(folder / "cluster")
        self.kubeconfig = folder / "kubeconfig"
        self._config = configs.ClusterConfig(name=name, pod_range="0.0.0.0/32")

    @abc.abstractmethod
    def start(self, archive: pathlib.Path) -> None:
        """Bring it up, with the suite's images on its nodes."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Remove every trace of it."""

    @abc.abstractmethod
    def components(self) -> dict[str, int]:
        """Process ids of the components."""

    @property
    def config(self) -> configs.ClusterConfig:
        """Its names, addresses and ranges; when it is gone, those that it had."""
        self._config = configs.load(self.paths) or self._config
        return self._config

    def runtimes(self) -> list[pathlib.Path]:
        """Each node's folder of its containerd."""
        return [nodes.runtime_config(self.paths, self.config, index).directory for index in self.config.nodes]

    def processes(self) -> Used:
        """Memory (MiB) and CPU seconds of each process, what it had done by programs that ended included."""
        found = self.components()
        for index in self.config.nodes:
            place = nodes.runtime_config(self.paths, self.config, index)
            if pid := runtime.Containerd(place, clocks.RealClock()).pid():
                found[f"{RUNTIME}{self.config.node_name(index)}"] = pid
        return {name: _used(pid) for name, pid in found.items()}

    def problem(self) -> str:
        """Why specs cannot run on it ("" when they can)."""
        command = [str(kubectl()), f"--kubeconfig={self.kubeconfig}", "--request-timeout=20s", "get", "nodes", "-ojson"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode:
            return f"the API does not answer: {asked.stderr.strip()[-200:]}"
        for node in json.loads(asked.stdout)["items"]:
            ready = next((one for one in node["status"].get("conditions", ()) if one["type"] == "Ready"), {})
            if ready.get("status") != "True":
                return f"node {node['metadata']['name']} is not Ready: {ready.get('message', '')}"
        return ""

    def trouble(self) -> list[str]:
        """Each traceback or panic in the logs: which log, how it ends, how often."""
        found: dict[str, int] = {}
        for log in sorted((*self.paths.root.glob("logs/*.log"), *self.folder.glob("control-plane/*.log"))):
            text = log.read_text(errors="replace")
            for start in TROUBLE.finditer(text):
                lines = text[start.start() : start.start() + 20_000].splitlines()
                end = next((line for line in lines[1:] if not line.startswith(" ")), "") if lines[1:] else ""
                said = f"{log.name}: {(end or lines[0])[:200]}"
                found[said] = found.get(said, 0) + 1
        return [f"{said} ({times} times)" if times > 1 else said for said, times in found.items()]

    def remains(self) -> list[str]:
        """What of it is on this machine: processes, links, namespaces, routes, rules, mounts, cgroups, files."""
        link, place = self.config.link, str(self.paths.root)
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(entry.parent.name) != os.getpid() and (f"{place}/" in command or f"/{link}/" in command):
                found.append(f"process {command[:120]}")
        for what, listing in (
            ("link", ["ip", "-oneline", "link"]),
            ("namespace", ["ip", "netns"]),
            ("route", ["ip", "route", "show", "table", "all"]),
            ("rule", ["nft", "list", "tables"]),
            ("chain", ["iptables-save"]),
        ):
            shown = subprocess.run(listing, capture_output=True, text=True, check=False).stdout.splitlines()
            marks = (link, self.config.pod_range.removesuffix("/16"), " kube-proxy")
            found += [f"{what} {line[:120]}" for line in shown if any(mark in line for mark in marks)]
        mounts = pathlib.Path("/proc/mounts").read_text().splitlines()
        found += [f"mount {one[:160]}" for one in mounts if f"{place}/" in one or f"/{link}/" in one]
        hierarchies = (nodes.CGROUPS, *nodes.CGROUPS.glob("*/"))
        found += [f"cgroup {one}" for root in hierarchies for one in root.glob(f"pybernetes-{link}-*")]
        return found + [f"folder {one}" for one in (self.paths.root, nodes.STATE_ROOT / link) if one.exists()]


class Ours(Cluster):
    """A cluster as anyone gets it from `pybernetes up`."""

    title = "ours"

    def start(self, archive: pathlib.Path) -> None:
        """Bring it up, with the suite's images on its nodes."""
        self._run("up", "--nodes", str(NODES), "--kubeconfig", str(self.kubeconfig), "--port", "0")
        if "/agnhost:" not in self._run("image", "list"):
            self._run("image", "load", str(archive))

    def stop(self) -> None:
        """Remove every trace of it."""
        self._run("down", "--delete")

    def components(self) -> dict[str, int]:
        """Process ids of the components: the control plane is one process, each node another."""
        return {state.name: state.pid for state in states.Running(self.paths).running()}

    def _run(self, command: str, *arguments: str) -> str:
        whole = [sys.executable, "-m", "pybernetes", command, *arguments]
        whole += ["--name", self.name, "--data-dir", str(self.paths.root)]
        done = subprocess.run(whole, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"pybernetes {command} failed")
        return done.stdout


def kubectl() -> pathlib.Path:
    """The real kubectl, which the wheel puts beside Python."""
    return pathlib.Path(sys.executable).with_name("kubectl")


def _used(pid: int) -> dict[str, float]:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    ticks = sum(map(int, fields[11:15]))
    return {"rss": round(resident / 2**20), "cpu": round(ticks / os.sysconf("SC_CLK_TCK"), 1)}
