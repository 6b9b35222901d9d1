"""Runs upstream's API server (and on request its controllers and scheduler) on loopback, to ask how Kubernetes behaves.

Everything lives in a temporary folder: certificates, etcd's data, logs. The programs come from `build.py`. Without a
built etcd, Debian's 3.4 serves (package etcd-server, installed when missing and allowed): that one lacks progress
requests, so the API server refuses watches that ask for initial events.

    with oracle.Oracle(controllers=True) as upstream:
        upstream.url, upstream.ca, upstream.token, upstream.kubeconfig, upstream.pids

    python tests/upstream/oracle.py --run [--controllers] [--scheduler] [--folder DIR]

The command prints the kubeconfig's path once the server is ready and runs until SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import ipaddress
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import oid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import build

READY_SECONDS = 90.0
STOP_SECONDS = 20.0
ISSUER = "https://kubernetes.default.svc.cluster.local"
SERVICE_RANGE = "10.96.0.0/16"


class OracleError(Exception):
    """A program is missing, ended early or did not become ready in time."""


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def etcd_program() -> str:
    """The path of etcd: the one built here, else Debian's, installed if that is possible."""
    built = build.cache_folder() / "etcd"
    if built.exists():
        return str(built)
    path = shutil.which("etcd")
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "install", "-y", "-q", "etcd-server"], env=environment, check=False)
        path = shutil.which("etcd")
    if path is None:
        raise OracleError("etcd is missing: apt-get install etcd-server")
    return path


class Certificates:
    """A certificate authority and what it signed, as files in one folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.authority_key = ec.generate_private_key(ec.SECP256R1())
        self.authority_name = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, "oracle-ca")])
        authority = self._builder(self.authority_name, self.authority_key.public_key())
        authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = x509.KeyUsage(True, False, True, False, False, True, False, False, False)
        authority = authority.add_extension(usage, critical=True)
        self.authority = self._write("ca", authority.sign(self.authority_key, hashes.SHA256()), self.authority_key)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.authority_name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(
            now + datetime.timedelta(365)
        )

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> pathlib.Path:
        path = self.folder / f"{name}.crt"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_key(self.folder / f"{name}.key", key)
        return path

    def leaf(self, name: str, user: str, groups: tuple[str, ...] = (), server: bool = False) -> pathlib.Path:
        """Signs one pair, NAME.crt and NAME.key; the serving pair names loopback and the cluster's own names."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(oid.NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes.append(x509.NameAttribute(oid.NameOID.COMMON_NAME, user))
        builder = self._builder(x509.Name(attributes), key.public_key())
        purpose = oid.ExtendedKeyUsageOID.SERVER_AUTH if server else oid.ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if server:
            names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
            alternatives: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
            alternatives += [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "10.96.0.1")]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return self._write(name, builder.sign(self.authority_key, hashes.SHA256()), key)


def write_key(path: pathlib.Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    """Writes a private key that only its owner can read."""
    form = serialization.PrivateFormat.PKCS8
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


class Oracle:
    """One upstream control plane on loopback; a context manager, or start() and stop()."""

    def __init__(
        self,
        folder: pathlib.Path | None = None,
        controllers: bool = False,
        scheduler: bool = False,
        server_flags: tuple[str, ...] = (),
        port: int | None = None,
    ) -> None:
        self._temporary = folder is None
        self.folder = folder or pathlib.Path(tempfile.mkdtemp(prefix="oracle-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.controllers = controllers
        self.scheduler = scheduler
        self.server_flags = server_flags
        self.port = port or free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        tokens = self.folder / "tokens.csv"
        self.token = tokens.read_text().partition(",")[0] if tokens.exists() else secrets.token_hex(16)
        self.ca = self.folder / "ca.crt"
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self.ready_seconds = 0.0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd = ""

    def __enter__(self) -> Oracle:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by program name: etcd, kube-apiserver and what else was asked for."""
        return {name: process.pid for name, process in self._processes.items()}

    def start(self) -> None:
        """Starts everything; returns when /readyz answers 200. ready_seconds is the time from the first process."""
        etcd = etcd_program()
        self.prepare()
        started = time.monotonic()
        self._etcd = self._start_etcd(etcd)
        self._start_server()
        self.ready_seconds = time.monotonic() - started
        for wanted, name, arguments in (
            (self.controllers, "kube-controller-manager", self._manager_arguments()),
            (self.scheduler, "kube-scheduler", self._scheduler_arguments()),
        ):
            if wanted:
                self._spawn(name, [str(build.program(name)), *arguments])

    def stop(self) -> None:
        """Stops clients first and etcd last: without etcd the API server takes a minute to end."""
        for name in ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"):
            self._end(name)
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def forget_history(self) -> None:
        """Compacts etcd up to now and restarts the API server: old resource versions are gone from both."""
        listed = self.request("GET", "/api/v1/namespaces?limit=1")[2]
        revision = json.loads(listed)["metadata"]["resourceVersion"]
        body = json.dumps({"revision": revision}).encode()
        request = urllib.request.Request(f"{self._etcd}/v3/kv/compaction", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
        self._end("kube-apiserver")
        self._start_server()

    def check(self) -> None:
        """Raises if a program has ended by itself."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                tail = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-15:]
                raise OracleError(f"{name} ended with {process.returncode}:\n" + "\n".join(tail))

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request as administrator: status code, headers (lower case), body."""
        return fetch(self.url + path, self.ca, self.token, method, body, headers or {})

    def _spawn(self, name: str, command: list[str], entering: Callable[[], None] | None = None) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=entering
            )

    def _start_server(self) -> None:
        self._spawn("kube-apiserver", [str(build.program("kube-apiserver")), *self._server_arguments(self._etcd)])
        self._wait_ready()

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def prepare(self) -> None:
        """Makes the certificates, keys, tokens and the kubeconfig."""
        pairs = Certificates(self.folder)
        pairs.leaf("serving", "kube-apiserver", server=True)
        pairs.leaf("admin", "kubernetes-admin", ("system:masters",))
        pairs.leaf("kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",))
        write_key(self.folder / "service-account.key", rsa.generate_private_key(65537, 2048))
        tokens = self.folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self.token},admin,admin,"system:masters"\n')
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(self._kubeconfig(), indent=2) + "\n")

    def _kubeconfig(self) -> dict[str, Any]:
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "oracle", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "oracle", "context": {"cluster": "oracle", "user": "admin"}}],
            "current-context": "oracle",
        }

    def _start_etcd(self, program: str) -> str:
        endpoint, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        arguments = [f"--data-dir={self.folder / 'etcd'}", "--name=oracle", f"--initial-cluster=oracle={peer}"]
        arguments += [f"--listen-client-urls={endpoint}", f"--advertise-client-urls={endpoint}"]
        arguments += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", "--log-level=warn"]
        self._spawn("etcd", [program, *arguments])
        return endpoint

    def _server_arguments(self, etcd: str) -> list[str]:
        def own(name: str) -> str:
            return str(self.folder / name)

        key = own("service-account.key")
        return [
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={own('serving.crt')}",
            f"--tls-private-key-file={own('serving.key')}",
            f"--client-ca-file={own('ca.crt')}",
            f"--token-auth-file={own('tokens.csv')}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--enable-bootstrap-token-auth",
            "--allow-privileged=true",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--kubelet-certificate-authority={own('ca.crt')}",
            f"--kubelet-client-certificate={own('kubelet-client.crt')}",
            f"--kubelet-client-key={own('kubelet-client.key')}",
            f"--cert-dir={own('generated')}",
            *self.server_flags,
        ]

    def _manager_arguments(self) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={self.folder / 'manager'}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--controllers=*,bootstrapsigner,tokencleaner",
            f"--root-ca-file={self.ca}",
            f"--service-account-private-key-file={self.folder / 'service-account.key'}",
            f"--cluster-signing-cert-file={self.ca}",
            f"--cluster-signing-key-file={self.folder / 'ca.key'}",
        ]

    def _scheduler_arguments(self) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={self.folder / 'scheduler'}",
            "--leader-elect=false",
        ]

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(OSError):
                if self.request("GET", "/readyz")[0] == 200:
                    return
            time.sleep(0.05)
        raise OracleError(f"kube-apiserver was not ready after {READY_SECONDS:.0f} s: see {self.folder}")


def fetch(
    url: str, ca: pathlib.Path, token: str, method: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    """One HTTPS request; an HTTP error is an answer like any other, a broken connection is OSError."""
    context = ssl.create_default_context(cafile=str(ca))
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


def main(arguments: list[str]) -> int:
    """Runs an oracle in the foreground."""
    parser = argparse.ArgumentParser(description="Run upstream's API server on loopback.")
    parser.add_argument("--run", action="store_true", required=True, help="run until SIGINT or SIGTERM")
    parser.add_argument("--controllers", action="store_true", help="run kube-controller-manager too")
    parser.add_argument("--scheduler", action="store_true", help="run kube-scheduler too")
    parser.add_argument("--folder", type=pathlib.Path, help="keep everything here instead of a temporary folder")
    parser.add_argument("--port", type=int, help="the API server's port instead of any free one")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        oracle = Oracle(options.folder, options.controllers, options.scheduler, port=options.port)
        with oracle:
            print(oracle.kubeconfig, flush=True)
            while True:
                time.sleep(5.0)
                oracle.check()
    except KeyboardInterrupt:
        return 0
    except (OracleError, build.BuildError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
