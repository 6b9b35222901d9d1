"""`pybernetes doctor`: what keeps a cluster from working is found, and every failure of `up` names a finding."""

import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.cluster import config as configs
from pybernetes.cluster import doctor, findings, pki, states
from pybernetes.crypto import certs

KEEP = ("PATH", "PYTHONPATH")
PROGRAM = ("-m", "pybernetes")
WITHOUT_PACKAGE = "import sys; sys.modules['msgspec'] = None; from pybernetes.cli import main; sys.exit(main.main())"
NO_ROOT = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.geteuid() == 0 else ()
pytestmark = pytest.mark.slow
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")


class Home:
    """One user's place, with one cluster's files."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.data = path / "data"
        self.kubeconfig = path / "kubeconfig"
        self.environment = {"HOME": str(path)} | {name: os.environ[name] for name in KEEP if name in os.environ}

    def run(
        self, command: str, *words: str, before: tuple[str, ...] = (), program: tuple[str, ...] = PROGRAM
    ) -> subprocess.CompletedProcess[str]:
        """Run one command for the cluster, with something before it."""
        whose = ["--name", "sick", "--data-dir", str(self.data)]
        whose += ["--kubeconfig", str(self.kubeconfig)] if command in ("up", "doctor") else []
        line = [*before, sys.executable, *program, command, *words, *whose]
        return subprocess.run(line, capture_output=True, text=True, env=self.environment, timeout=100, check=False)

    def rows(self, before: tuple[str, ...] = ()) -> list[dict[str, str]]:
        """What the doctor says."""
        rows: list[dict[str, str]] = json.loads(self.run("doctor", "-o", "json", before=before).stdout)
        assert all(row["fix"] and row["cost"] and row["meaning"] for row in rows)
        return rows

    def found(self, before: tuple[str, ...] = ()) -> dict[str, str]:
        """What the doctor finds."""
        return {row["finding"]: row["seen"] for row in self.rows(before)}

    def failure(self, *words: str, before: tuple[str, ...] = (), program: tuple[str, ...] = PROGRAM) -> str:
        """The finding that a failing `up` names."""
        done = self.run("up", *words, before=before, program=program)
        assert done.returncode == 1, done.stderr
        (name,) = re.findall(r"`pybernetes doctor ([\w-]+)` names the fix", done.stderr)
        assert name in findings.FINDINGS
        assert "Traceback" not in done.stderr.partition("the end of its log")[0]
        return str(name)

    def configure(self, **settings: object) -> configs.Paths:
        """A cluster that was made earlier."""
        paths = configs.Paths(self.data)
        paths.make()
        configs.save(paths, configs.ClusterConfig(name="sick", nodes=(), **settings))  # type: ignore[arg-type]
        return paths


@pytest.fixture
def home(tmp_path: pathlib.Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.run("down", "--delete")


def test_every_finding_has_its_check_or_is_one_of_trying() -> None:
    checked = [name for names in doctor.CHECKS.values() for name in names]
    assert len(checked) == len(set(checked))
    assert findings.FINDINGS.keys() - set(checked) == {"settings", "rules", "runtime", "etcd", "snapshot"}
    assert set(checked) <= findings.FINDINGS.keys()


def _damage(home: Home) -> None:
    home.configure().config.write_text("{")


def _no_database(home: Home) -> None:
    home.configure(port=0).database.write_bytes(b"this is no database" * 500)


def _foreign(home: Home) -> None:
    entry = {"name": "pybernetes-sick", "cluster": {"server": "https://192.0.2.1"}}
    home.kubeconfig.write_text(json.dumps({"kind": "Config", "clusters": [entry]}))


def _locked(home: Home) -> None:
    home.kubeconfig.with_name("kubeconfig.lock").touch()


def _half_a_kubeconfig(home: Home) -> None:
    home.kubeconfig.write_text('{"clusters":')


def _no_entries(home: Home) -> None:
    home.kubeconfig.write_text("clusters: 3")


def _folders(home: Home) -> None:
    home.configure().config.unlink()
    configs.Paths(home.data).config.mkdir()


def _wrong_values(home: Home) -> None:
    home.configure(pod_range="junk")


def _damaged_key(name: str) -> Callable[[Home], None]:
    def damage(home: Home) -> None:
        keys = pki.Pki(home.configure(port=0).pki, clocks.RealClock())
        keys.ensure(())
        keys.key_path(name).write_text("junk")

    return damage


def _no_folder(home: Home) -> None:
    home.data.write_text("a file")


def _nothing(home: Home) -> None:
    pass


FAILURES: dict[str, tuple[Callable[[Home], None], tuple[str, ...], str, str]] = {
    "a port too high": (_nothing, ("--port", "99999"), "settings", ""),
    "no range": (_nothing, ("--pod-range", "junk"), "settings", ""),
    "ranges that overlap": (_nothing, ("--service-range", configs.POD_RANGE), "settings", ""),
    "no such number": (_nothing, ("--simulated-nodes", "-1"), "settings", ""),
    "no snapshot": (_nothing, ("--from", "none"), "snapshot", ""),
    "no etcd": (_nothing, ("--port", "0", "--etcd-servers", "http://127.0.0.1:1"), "etcd", ""),
    "a wrong flag": (_nothing, ("--port", "0", "--controller-manager-arg=--none"), "process", ""),
    "a damaged configuration": (_damage, (), "configuration", "cluster.json is damaged"),
    "too many nodes": (_nothing, ("--simulated-nodes", "100000"), "settings", ""),
    "a folder as configuration": (_folders, (), "configuration", "Is a directory"),
    "a configuration that cannot be": (_wrong_values, (), "configuration", "junk"),
    "half a kubeconfig": (_half_a_kubeconfig, (), "kubeconfig", "truncated"),
    "a kubeconfig without entries": (_no_entries, (), "kubeconfig", "no list of entries"),
    "a damaged authority": (_damaged_key("ca"), (), "certificates", "ca.crt"),
    "a damaged signing key": (_damaged_key("sa"), (), "certificates", "sa.key"),
    "a damaged store": (_no_database, (), "store", ""),
    "another's entry": (_foreign, (), "kubeconfig", "is not ours"),
    "a locked kubeconfig": (_locked, (), "kubeconfig", "another program"),
    "no folder": (_no_folder, (), "disk", "is no folder"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures_name_a_finding(home: Home, case: str) -> None:
    prepare, words, finding, seen = FAILURES[case]
    prepare(home)
    assert home.failure("--no-node", *words) == finding
    if prepare is not _nothing:
        assert seen in home.found()[finding]


def test_a_port_in_use(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert home.failure("--no-node", "--port", str(port)) == "port"
        assert home.found()["port"] == f"{port} of the API server: Address already in use"


def test_a_missing_python_package(home: Home) -> None:
    assert home.failure("--no-node", program=("-c", WITHOUT_PACKAGE)) == "packages"


@needs_root
@pytest.mark.parametrize("size", ["4k", "64k", "300k"])
def test_a_full_disk(home: Home, size: str) -> None:
    home.data.mkdir()
    full = f'mount -t tmpfs -o size={size} none {home.data} && exec "$@"'
    before = ("unshare", "--mount", "sh", "-c", full, "sh")
    assert home.failure("--no-node", "--port", "0", before=before) == "disk"
    assert "MiB are free" in home.found(before)["disk"]


@needs_root
def test_a_disk_that_is_read_only(home: Home) -> None:
    home.data.mkdir()
    closed = f'mount --bind {home.data} {home.data} && mount -o remount,bind,ro {home.data} && exec "$@"'
    before = ("unshare", "--mount", "sh", "-c", closed, "sh")
    assert home.failure("--no-node", "--port", "0", before=before) == "disk"
    assert "cannot be written" in home.found(before)["disk"]


@pytest.mark.node
def test_a_range_in_use(home: Home) -> None:
    assert home.failure("--port", "0", "--pod-range", "127.0.0.0/16") == "range"
    assert "device lo" in home.found()["range"]


@pytest.mark.node
@pytest.mark.parametrize(("program", "finding"), [("containerd", "runtime"), ("ip", "rules")])
def test_a_program_that_fails(home: Home, program: str, finding: str) -> None:
    script = home.path / "bin" / program
    script.parent.mkdir()
    script.write_text('#!/bin/sh\ncase "$*" in *-json*) echo "[]"; exit 0;; esac\nexit 1\n')
    script.chmod(0o755)
    path, home.environment["PATH"] = home.environment["PATH"], f"{script.parent}:{home.environment['PATH']}"
    assert home.failure("--port", "0") == finding
    assert states.Running(configs.Paths(home.data)).running() == []
    home.environment["PATH"] = path


def _simulated(home: Home, reason: str, before: tuple[str, ...] = ()) -> None:
    done = home.run("up", "--port", "0", "--simulated-nodes", "3", before=before)
    assert done.returncode == 0, done.stderr
    assert f"no real nodes here: {reason}" in done.stderr
    assert "starting 3 simulated node(s) instead" in done.stderr
    listed = json.loads(home.run("node", "list", "-o", "json", before=before).stdout)
    assert [row["name"] for row in listed] == ["simulated-1", "simulated-2", "simulated-3"]
    assert home.run("down", "--delete", before=before).returncode == 0
    assert not home.data.exists()
    assert "sick" not in home.kubeconfig.read_text()


def test_without_root(home: Home) -> None:
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run([*NO_ROOT, "true"], check=False).returncode:
            pytest.skip("user namespaces are off")
    assert home.found(NO_ROOT)["root"] == "not root"
    _simulated(home, "not root (sudo pybernetes up)", NO_ROOT)


@needs_root
def test_without_programs(home: Home) -> None:
    home.environment["PATH"] = "/nowhere"
    assert {"programs", "crun", "kubectl", "demo-image"} <= home.found().keys()
    _simulated(home, "not installed: containerd, runc")


@needs_root
def test_without_capabilities(home: Home) -> None:
    before = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    assert home.found(before)["capability"] == "root lacks CAP_NET_ADMIN"
    _simulated(home, "root lacks CAP_NET_ADMIN", before)


def test_what_a_dead_cluster_left(home: Home) -> None:
    paths = home.configure(port=0)
    paths.state("control-plane").write_text('{"name": "control-plane", "pid": 1, "started": 1, "components": []}')
    assert "control-plane.json" in home.found()["left-over"]
    assert home.run("up", "--no-node").returncode == 0
    assert "left-over" not in home.found()


@pytest.mark.node
def test_what_a_killed_node_left(home: Home) -> None:
    assert home.run("up", "--port", "0").returncode == 0
    assert not {"left-over", "process"} & home.found().keys()
    for state in states.Running(configs.Paths(home.data)).running():
        os.kill(state.pid, signal.SIGKILL)
    left = [row["seen"].split()[0] for row in home.rows() if row["finding"] == "left-over"]
    assert {"link", "containerd", "rules:"} <= set(left)
    assert home.run("down", "--delete").returncode == 0
    assert "left-over" not in home.found()


def test_certificates_that_are_no_good_are_found_and_made_anew(home: Home) -> None:
    paths = home.configure(port=0)
    keys = pki.Pki(paths.pki, clocks.RealClock())
    keys.ensure(())
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    others = certs.new_authority("kubernetes", now=past)
    for name, pair in {
        "admin": certs.issue(keys.authority(), certs.Request("admin"), now=past, lifetime=certs.YEAR),
        "apiserver": certs.issue(others, certs.Request("server"), now=past, lifetime=certs.YEAR),
        "kube-scheduler": certs.Pair(b"junk", b"junk"),
    }.items():
        keys.key_path(name).write_bytes(pair.key)
        keys.certificate_path(name).write_bytes(pair.certificate)
    seen = sorted(row["seen"] for row in home.rows() if row["finding"] == "certificates")
    assert [one.split()[0].strip(":") for one in seen] == [
        str(keys.certificate_path(name)) for name in ("admin", "apiserver", "kube-scheduler")
    ]
    assert "ended 2020-12-31" in seen[0]
    assert "another authority" in seen[1]
    assert home.run("up", "--no-node").returncode == 0
    assert "certificates" not in home.found()


def test_files_of_the_future(home: Home) -> None:
    os.utime(home.configure().config, (4_102_444_800, 4_102_444_800))
    assert "is from the future" in home.found()["clock"]


def test_a_finding_is_explained(home: Home) -> None:
    done = home.run("doctor", "range")
    assert done.stdout.startswith("range: the host uses addresses")
    assert done.returncode == 0
