"""`pybernetes doctor`: what keeps a cluster from working is found, and every failure of `up` names a finding."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

from pybernetes.cluster import config as configs
from pybernetes.cluster import doctor, findings

KEEP = ("HOME", "PATH", "PYTHONPATH")


def _run(folder: pathlib.Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in KEEP if name in os.environ} | ({"PATH": path} if path else {})
    command = [sys.executable, "-m", "pybernetes", *words, "--name", "sick", "--data-dir", str(folder / "data")]
    command += ["--kubeconfig", str(folder / "kubeconfig")]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)


def _found(folder: pathlib.Path, path: str | None = None) -> dict[str, str]:
    return {one["finding"]: one["seen"] for one in json.loads(_run(folder, "doctor", "-o", "json", path=path).stdout)}


def _named(folder: pathlib.Path, *words: str) -> str:
    done = _run(folder, "up", "--no-node", *words)
    assert done.returncode == 1
    (name,) = re.findall(r"`pybernetes doctor ([\w-]+)` explains", done.stderr)
    assert name in findings.FINDINGS
    return str(name)


def _configure(folder: pathlib.Path, **settings: object) -> configs.Paths:
    paths = configs.Paths(folder / "data")
    paths.make()
    configs.save(paths, configs.ClusterConfig(name="sick", nodes=(), **settings))  # type: ignore[arg-type]
    return paths


def test_every_check_has_its_row() -> None:
    assert doctor.CHECKS.keys() <= findings.FINDINGS.keys()
    assert {"settings", "rules", "process", "runtime"} == findings.FINDINGS.keys() - doctor.CHECKS.keys()


@pytest.mark.parametrize("name", sorted(findings.FINDINGS))
def test_findings_are_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = findings.FINDINGS[name]
    assert row.meaning
    assert row.fix
    assert row.cost in (findings.STOPS, findings.SIMULATES, findings.LIMITS)


def test_wrong_settings(tmp_path: pathlib.Path) -> None:
    assert _named(tmp_path, "--port", "99999") == "settings"


def test_a_damaged_configuration(tmp_path: pathlib.Path) -> None:
    _configure(tmp_path).config.write_text("{")
    assert _named(tmp_path) == "configuration"
    assert "cluster.json is damaged" in _found(tmp_path)["configuration"]


def test_a_damaged_store(tmp_path: pathlib.Path) -> None:
    paths = _configure(tmp_path, port=0)
    paths.database.write_bytes(b"this is no database" * 500)
    assert _named(tmp_path) in ("process", "store")
    assert "store" in _found(tmp_path)


def test_another_ones_kubeconfig(tmp_path: pathlib.Path) -> None:
    entry = {"name": "pybernetes-sick", "cluster": {"server": "https://192.0.2.1"}}
    (tmp_path / "kubeconfig").write_text(json.dumps({"kind": "Config", "clusters": [entry]}))
    assert _named(tmp_path) == "kubeconfig"
    assert "kubeconfig" in _found(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert _named(tmp_path) == "disk"
    assert "is no folder" in _found(tmp_path)["disk"]


def test_a_port_in_use(tmp_path: pathlib.Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _configure(tmp_path, port=port)
        assert str(port) in _found(tmp_path)["port"]
        assert _named(tmp_path) == "process"


def test_programs_that_are_missing(tmp_path: pathlib.Path) -> None:
    found = _found(tmp_path, path="/nowhere")
    assert "containerd" in found["programs"]
    assert {"nftables", "crun", "kubectl"} <= found.keys()


def test_what_a_dead_cluster_left(tmp_path: pathlib.Path) -> None:
    paths = _configure(tmp_path)
    paths.state("control-plane").write_text('{"name": "control-plane", "pid": 1, "started": 1, "components": []}')
    assert "control-plane.json" in _found(tmp_path)["left-over"]
