"""The cluster's certificates, keys and kubeconfigs: made once, kept in the data directory.

One authority signs everything; a second one is for the aggregation layer's front proxy. Files are 0600 and never
overwritten while they are good; a certificate near its end is issued anew.
Upstream: cmd/kubeadm/app/phases/certs, phases/kubeconfig.
"""

import dataclasses
import datetime
import os
import pathlib
import socket

from pybernetes.aio import clock as clocks
from pybernetes.cluster import config as configs
from pybernetes.cluster import findings
from pybernetes.crypto import certs

RENEW_BEFORE = datetime.timedelta(days=30)
LIFETIME = certs.YEAR
ADMIN = "kubernetes-admin"


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate to keep: its file name and what it says."""

    name: str
    request: certs.Request


def component_leaves(config: configs.ClusterConfig) -> tuple[Leaf, ...]:
    """The control plane's certificates."""
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{config.domain}"]
    addresses = ("127.0.0.1", "::1", config.service_address(1), config.control_plane_address)
    serving = certs.Request(
        "kube-apiserver",
        dns_names=(*names, "localhost", socket.gethostname()),
        addresses=addresses,
        client=False,
        server=True,
    )
    return (
        Leaf("apiserver", serving),
        Leaf("apiserver-kubelet-client", certs.Request("kube-apiserver-kubelet-client", ("system:masters",))),
        Leaf("admin", certs.Request(ADMIN, ("system:masters",))),
        Leaf("kube-controller-manager", certs.Request("system:kube-controller-manager")),
        Leaf("kube-scheduler", certs.Request("system:kube-scheduler")),
    )


def node_leaves(node: str, address: str) -> tuple[Leaf, ...]:
    """A node's certificates: the kubelet as client and as server, and the proxy with the DNS server beside it."""
    serving = certs.Request(
        f"system:node:{node}", ("system:nodes",), dns_names=(node,), addresses=(address,), client=False, server=True
    )
    return (
        Leaf(f"kubelet-{node}", certs.Request(f"system:node:{node}", ("system:nodes",))),
        Leaf(f"kubelet-serving-{node}", serving),
        Leaf(f"kube-proxy-{node}", certs.Request("system:kube-proxy")),
        Leaf(
            f"coredns-{node}",
            certs.Request("system:serviceaccount:kube-system:coredns", ("system:serviceaccounts",)),
        ),
    )


class Pki:
    """The files under `pki/`. `ensure` makes what is missing; the rest reads."""

    def __init__(self, directory: pathlib.Path, clock: clocks.Clock) -> None:
        self.directory = directory
        self._clock = clock

    def authority(self, name: str = "ca") -> certs.Pair:
        """A certificate authority, made on first use."""
        if not self.certificate_path(name).exists() or not self.key_path(name).exists():
            self._write(name, certs.new_authority("kubernetes", now=self._clock.now()))
        pair = self.pair(name)
        try:
            certs.check(pair, pair.certificate)
        except ValueError as error:
            raise findings.Failure(f"{self.certificate_path(name)}: {error}", "certificates") from error
        return pair

    def ensure(self, leaves: tuple[Leaf, ...]) -> None:
        """Make every certificate that is missing, no good or near its end, and the service accounts' signing key."""
        authority = self.authority()
        for leaf in leaves:
            if not self._good(leaf.name, authority):
                self._write(leaf.name, certs.issue(authority, leaf.request, now=self._clock.now(), lifetime=LIFETIME))
        if not self.key_path("sa").exists():
            write_private(self.key_path("sa"), certs.new_key())
        try:
            certs.check_key(self.key_path("sa").read_bytes())
        except ValueError as error:
            raise findings.Failure(f"{self.key_path('sa')}: {error}", "certificates") from error

    def _good(self, name: str, authority: certs.Pair) -> bool:
        try:
            return certs.check(self.pair(name), authority.certificate) - self._clock.now() > RENEW_BEFORE
        except (FileNotFoundError, ValueError):
            return False

    def pair(self, name: str) -> certs.Pair:
        """A certificate and its key."""
        return read_pair(self.directory, name)

    def certificate_path(self, name: str) -> pathlib.Path:
        """Where a certificate is."""
        return self.directory / f"{name}.crt"

    def key_path(self, name: str) -> pathlib.Path:
        """Where a private key is."""
        return self.directory / f"{name}.key"

    def _write(self, name: str, pair: certs.Pair) -> None:
        write_private(self.key_path(name), pair.key)
        write_private(self.certificate_path(name), pair.certificate)


def write_private(path: pathlib.Path, content: bytes) -> None:
    """Write a file that only its owner can read, in one step."""
    written = path.with_name(path.name + ".new")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    written.replace(path)


def read_pair(directory: pathlib.Path, name: str) -> certs.Pair:
    """A certificate and its key from that directory."""
    return certs.Pair((directory / f"{name}.crt").read_bytes(), (directory / f"{name}.key").read_bytes())
