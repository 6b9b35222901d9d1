"""The command line from outside: real processes, real sockets on loopback, data in a temporary directory."""

import asyncio
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

pytestmark = pytest.mark.slow

FOREIGN = """apiVersion: v1
kind: Config
clusters:
- name: work
  cluster: {server: 'https://work.example:6443'}
contexts:
- name: work
  context: {cluster: work, user: me}
users:
- name: me
  user: {token: secret}
current-context: work
"""


@dataclasses.dataclass
class Home:
    """Where one user keeps clusters and the kubeconfig."""

    path: pathlib.Path

    @property
    def kubeconfig(self) -> pathlib.Path:
        """The user's own file."""
        return self.path / ".kube" / "config"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        environ = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        environ |= {"HOME": str(self.path), "XDG_DATA_HOME": str(self.path / "share")}
        command = [sys.executable, "-m", "pybernetes", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)

    def data(self, name: str) -> pathlib.Path:
        """A cluster's data directory."""
        return self.path / name

    def up(self, name: str, *arguments: str) -> None:
        """Bring a cluster up on a free port."""
        done = self.run("up", "--name", name, "--data-dir", str(self.data(name)), "--port", "0", *arguments)
        assert done.returncode == 0, done.stderr

    def down(self, name: str, *arguments: str) -> None:
        """Stop a cluster."""
        done = self.run("down", "--data-dir", str(self.data(name)), *arguments)
        assert done.returncode == 0, done.stderr

    def status(self, name: str) -> dict[str, Any]:
        """What `status -o json` says."""
        found: dict[str, Any] = json.loads(self.run("status", "--data-dir", str(self.data(name)), "-o", "json").stdout)
        return found

    def objects(self, context: str, kind: str, create: str = "") -> list[str]:
        """The names of all objects of that kind, after making one more."""

        async def ask() -> list[str]:
            credentials = kubeconfig.load(str(self.kubeconfig)).credentials(context=context)
            clock = clocks.RealClock()
            client = rest.Client(transport.HttpTransport(credentials, clock), clock=clock)
            try:
                resource = client.dynamic("v1", kind)
                if create:
                    await resource.create(
                        {"apiVersion": "v1", "kind": kind, "metadata": {"name": create}}, credentials.namespace
                    )
                return [one["metadata"]["name"] for one in (await resource.list()).items]
            finally:
                await client.close()

        return asyncio.run(ask())


@pytest.fixture
def home(tmp_path: pathlib.Path) -> Iterator[Home]:
    found = Home(tmp_path)
    found.kubeconfig.parent.mkdir()
    found.kubeconfig.write_text(FOREIGN)
    yield found
    for config in tmp_path.glob("*/cluster.json"):
        found.run("down", "--data-dir", str(config.parent), "--delete")


def test_up_status_down_and_up_again(home: Home) -> None:
    home.up("one", "--no-node", "--timings")
    status = home.status("one")
    assert status["running"] is True
    (process,) = status["processes"]
    assert process["components"] == ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    assert process["rssBytes"] > 2**20
    assert process["cpuSeconds"] > 0
    assert "kube-system" in home.objects("pybernetes-one", "Namespace")
    assert "mine" in home.objects("pybernetes-one", "ConfigMap", create="mine")

    home.down("one")
    stopped = home.run("status", "--data-dir", str(home.data("one")), "-o", "json")
    assert stopped.returncode == 1
    assert json.loads(stopped.stdout)["processes"] == []
    checked = home.run("storage", "check", "--data-dir", str(home.data("one")))
    assert checked.returncode == 0, checked.stdout

    again = home.run("up", "--data-dir", str(home.data("one")))
    assert again.returncode == 0, again.stderr
    assert home.status("one")["endpoint"] == status["endpoint"]
    assert "mine" in home.objects("pybernetes-one", "ConfigMap")


def test_the_kubeconfig_keeps_what_others_wrote(home: Home) -> None:
    home.up("one", "--no-node")
    merged = kubeconfig.read(home.kubeconfig)
    assert merged["current-context"] == "pybernetes-one"
    assert {entry["name"] for entry in merged["contexts"]} == {"work", "pybernetes-one"}
    home.down("one", "--delete")
    left = kubeconfig.read(home.kubeconfig)
    assert left == kubeconfig.read(_written(home.path / "foreign", FOREIGN))
    assert not home.data("one").exists()


def test_a_foreign_entry_of_the_same_name_is_not_touched(home: Home) -> None:
    foreign = FOREIGN.replace("name: work", "name: pybernetes-one").replace("current-context: work", "")
    home.kubeconfig.write_text(foreign)
    refused = home.run("up", "--name", "one", "--data-dir", str(home.data("one")), "--port", "0", "--no-node")
    assert refused.returncode == 1
    assert "is not ours; use --kubeconfig to name another file" in refused.stderr
    assert home.kubeconfig.read_text() == foreign
    assert home.status("one")["processes"] == []


def test_kill_and_resume(home: Home) -> None:
    home.up("one", "--no-node", "--simulated-nodes", "1")
    for turn in range(3):
        home.objects("pybernetes-one", "ConfigMap", create=f"written-{turn}")
        (process,) = home.status("one")["processes"]
        os.kill(process["pid"], signal.SIGKILL)
        again = home.run("up", "--data-dir", str(home.data("one")))
        assert again.returncode == 0, again.stderr
        assert home.status("one")["processes"][0]["pid"] != process["pid"]
        known = home.objects("pybernetes-one", "ConfigMap")
        assert {f"written-{one}" for one in range(turn + 1)} <= set(known)
    assert home.objects("pybernetes-one", "Node") == ["simulated-1"]


def test_clusters_side_by_side(home: Home) -> None:
    home.up("one", "--no-node", "--storage", "memory")
    home.up("two", "--no-node", "--storage", "memory")
    assert home.status("one")["endpoint"] != home.status("two")["endpoint"]
    home.objects("pybernetes-one", "ConfigMap", create="only-here")
    assert "only-here" not in home.objects("pybernetes-two", "ConfigMap")
    home.down("one", "--delete")
    assert home.status("two")["running"] is True
    assert "kube-system" in home.objects("pybernetes-two", "Namespace")


def test_simulated_nodes_come_and_go(home: Home) -> None:
    def node(*arguments: str, fails: bool = False) -> str:
        done = home.run("node", *arguments, "--data-dir", str(home.data("one")))
        assert bool(done.returncode) == fails, done.stderr
        return done.stderr if fails else done.stdout

    home.up("one", "--no-node", "--simulated-nodes", "1")
    node("add", "--simulated", "--count", "2")
    node("remove", "simulated-2")
    home.up("one", "--simulated-nodes", "4")
    names = [f"simulated-{index}" for index in (1, 2, 3, 4)]
    listed = json.loads(node("list", "-o", "json"))
    assert [row["name"] for row in listed] == sorted(home.objects("pybernetes-one", "Node")) == names
    assert len({row["podRange"] for row in listed}) == 4
    assert "no such node: other" in node("remove", "other", fails=True)
    assert "its API server listens for no others" in node("add", fails=True) or os.geteuid()
    refused = home.run("up", "--data-dir", str(home.data("one")), "--simulated-nodes", "1")
    assert "`pybernetes node remove` takes them away" in refused.stderr
    home.down("one")
    assert "does not run" in node("add", "--simulated", fails=True)
    home.up("one")
    assert sorted(home.objects("pybernetes-one", "Node")) == names


def test_a_port_in_use_is_said(home: Home) -> None:
    home.up("one", "--no-node")
    port = home.status("one")["endpoint"].rpartition(":")[2]
    refused = home.run("up", "--name", "two", "--data-dir", str(home.data("two")), "--port", port, "--no-node")
    assert refused.returncode == 1
    assert "Address already in use" in refused.stderr
    assert home.status("two")["processes"] == []


def _written(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text)
    return path


@pytest.fixture
def empty_etcd(etcd_cluster: Any, tmp_path: pathlib.Path) -> Iterator[str]:
    """The URL of an etcd that nobody else uses."""
    with etcd_cluster(tmp_path) as members:
        yield members[0].url


def test_a_saved_state_begins_another_cluster(home: Home, empty_etcd: str) -> None:
    def run(action: str, *arguments: str, of: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = home.run(*action.split(), *arguments, "--name", of, "--data-dir", str(home.data(of)))
        assert done.returncode == code, done.stderr
        return done

    home.up("one", "--no-node")
    home.objects("pybernetes-one", "ConfigMap", create="mine")
    assert run("snapshot save", "before", of="one").stdout == "one/before\n"
    home.objects("pybernetes-one", "ConfigMap", create="later")
    assert run("snapshot list", of="one").stdout.splitlines()[1].startswith("before ")
    saved = str(home.data("one") / "snapshots" / "before.snapshot")
    home.up("two", "--from", saved)
    assert "later" not in home.objects("pybernetes-two", "ConfigMap", create="other")
    assert "mine" in home.objects("pybernetes-two", "ConfigMap")
    assert "exists already" in run("snapshot save", "before", of="one", code=1).stderr
    assert "is running" in run("storage migrate", "--to", "etcd", "--etcd-servers", empty_etcd, of="one", code=1).stderr
    run("snapshot delete", "before", of="one")
    assert "no snapshot" in run("up", "--from", "before", of="three", code=1).stderr

    backup = str(home.path / "backup")
    run("storage backup", backup, of="one")
    home.down("one", "--delete")
    run("storage restore", backup, of="one")
    run("storage migrate", "--to", "etcd", "--etcd-servers", empty_etcd, of="one")
    run("up", of="one")
    assert {"mine", "later"} <= set(home.objects("pybernetes-one", "ConfigMap"))
    home.down("one")
    assert "storage migrate" in run("up", "--storage", "sqlite", of="one", code=1).stderr
    run("storage migrate", "--to", "sqlite", of="one")
    assert run("storage check", of="one").stdout.endswith("nothing is wrong\n")
