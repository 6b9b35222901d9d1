"""Starts the two servers to compare, ours and upstream's, each with its processes known.

    with peer.theirs() as started: started.target, started.seconds
    with peer.ours() as started: ...

Both run on loopback with fresh data; ours as `pybernetes up --no-node`, so that its process holds controllers and
scheduler too, while upstream's figures are kube-apiserver and etcd alone.
"""

from __future__ import annotations

import base64
import compileall
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import peer_phases
import yaml

import pybernetes

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "upstream"))

import oracle


@dataclasses.dataclass(frozen=True)
class Started:
    """A running server and how long it took from the first process to readiness."""

    target: peer_phases.Target
    seconds: float


@contextlib.contextmanager
def theirs() -> Iterator[Started]:
    """Upstream's API server and etcd."""
    with oracle.Oracle() as upstream:
        pids = tuple(upstream.pids.values())
        target = peer_phases.Target("theirs", upstream.url, upstream.ca, upstream.token, pids)
        yield Started(target, upstream.ready_seconds)


@contextlib.contextmanager
def ours() -> Iterator[Started]:
    """Our control plane without nodes."""
    compile_source()
    name = f"bench-{os.getpid()}"
    command = program()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        kubeconfig = pathlib.Path(folder) / "kubeconfig"
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        started = time.monotonic()
        try:
            run([*command, "up", "--no-node", "--name", name], environment)
            seconds = time.monotonic() - started
            state = json.loads(run([*command, "status", "--name", name, "-o", "json"], environment))
            yield Started(_target(state, kubeconfig, pathlib.Path(folder)), seconds)
        finally:
            subprocess.run(
                [*command, "down", "--delete", "--name", name], env=environment, capture_output=True, check=False
            )


def compile_source() -> None:
    """As an installation does."""
    compileall.compile_dir(pathlib.Path(pybernetes.__file__).parent, quiet=1)


def program() -> list[str]:
    """The `pybernetes` command."""
    beside = pathlib.Path(sys.executable).with_name("pybernetes")
    found = str(beside) if beside.exists() else shutil.which("pybernetes")
    return [found] if found else [sys.executable, "-m", "pybernetes"]


def run(command: list[str], environment: dict[str, str]) -> str:
    """What a command prints."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def _target(state: dict[str, Any], kubeconfig: pathlib.Path, folder: pathlib.Path) -> peer_phases.Target:
    path = pathlib.Path(state.get("kubeconfig") or kubeconfig)
    config = yaml.safe_load(path.read_text())
    context = next(one["context"] for one in config["contexts"] if one["name"] == config["current-context"])
    cluster = next(one["cluster"] for one in config["clusters"] if one["name"] == context["cluster"])
    user = next(one["user"] for one in config["users"] if one["name"] == context["user"])
    authority = _file(cluster, "certificate-authority", folder)
    url = cluster["server"]
    if "token" in user:
        token = user["token"]
    else:
        pair = _file(user, "client-certificate", folder), _file(user, "client-key", folder)
        token = request_token(url, authority, pair)
    processes = state["processes"]
    listed = list(processes.values()) if isinstance(processes, dict) else processes
    pids = tuple(one["pid"] if isinstance(one, dict) else int(one) for one in listed)
    return peer_phases.Target("ours", url, authority, token, pids)


def _file(holder: dict[str, Any], name: str, folder: pathlib.Path) -> pathlib.Path:
    if name in holder:
        return pathlib.Path(holder[name])
    path = folder / name
    path.touch(mode=0o600)
    path.write_bytes(base64.b64decode(holder[f"{name}-data"]))
    return path


def request_token(url: str, authority: pathlib.Path, pair: tuple[pathlib.Path, pathlib.Path]) -> str:
    """A token of a service account with all rights, so that both servers authenticate bearer tokens under load."""
    import ssl
    import urllib.request

    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(*pair)

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    subject = {"kind": "ServiceAccount", "name": "peer", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    post("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "peer"}})
    binding = {"metadata": {"name": "peer"}, "roleRef": role, "subjects": [subject]}
    post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    token = post("/api/v1/namespaces/default/serviceaccounts/peer/token", wanted)
    return str(token["status"]["token"])
