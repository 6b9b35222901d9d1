"""One configuration for a whole cluster, kept in its data directory so that `up` after `down` resumes the same.

Upstream: cmd/kubeadm/app/apis/kubeadm (ClusterConfiguration), in spirit.
"""

import dataclasses
import ipaddress
import itertools
import os
import pathlib
import re
import zlib

import msgspec

from pybernetes.cluster import findings
from pybernetes.storage import backend

DEFAULT_NAME = "pybernetes"
DEFAULT_PORT = 6443
DOMAIN = "cluster.local"
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
NODE_PREFIX = 24
SIMULATED_PREFIX = 25
"""Of a simulated node's pod range, unless there are very many: room for the 110 Pods of a kubelet."""
SMALLEST_PREFIX = 30
HOST_NODE = 1
"""The index of the node that shares the machine's network; every other has a network namespace of its own."""
STORAGES = ("sqlite", "memory", "etcd")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?\Z")


class ConfigError(findings.Failure, ValueError):
    """A setting that cannot be; the text names it and the fix."""


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `pybernetes up` was asked for.

    `nodes` are the indexes of the real nodes, `simulated_nodes` of those over a fake runtime; both from 1. `port` 0
    lets the system choose. `controller_manager_args` are flags of kube-controller-manager.
    """

    name: str = DEFAULT_NAME
    port: int = DEFAULT_PORT
    nodes: tuple[int, ...] = (1,)
    simulated_nodes: tuple[int, ...] = ()
    storage: str = "sqlite"
    etcd: backend.Distant | None = None
    pod_range: str = POD_RANGE
    service_range: str = SERVICE_RANGE
    domain: str = DOMAIN
    verbosity: int = 2
    controller_manager_args: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise ConfigError for what cannot be."""
        if not _NAME.match(self.name):
            raise ConfigError(f"--name {self.name!r}: use up to 30 lower-case letters, digits and dashes")
        if not 0 <= self.port < 65536:
            raise ConfigError(f"--port {self.port}: use 1 to 65535, or 0 for any free port")
        if self.storage not in STORAGES:
            raise ConfigError(f"--storage {self.storage}: use {', '.join(STORAGES)}")
        if (self.storage == "etcd") != bool(self.etcd and self.etcd.servers):
            raise ConfigError("--storage etcd and --etcd-servers URL[,URL] go together")
        try:
            pods, services = ipaddress.IPv4Network(self.pod_range), ipaddress.IPv4Network(self.service_range)
        except ValueError as error:
            raise ConfigError(f"--pod-range, --service-range: {error}; use IPv4 as {POD_RANGE}") from error
        if pods.overlaps(services):
            raise ConfigError(f"pod range {pods} and service range {services} overlap")
        if self.nodes and HOST_NODE not in self.nodes:
            raise ConfigError(f"node {self.node_name(HOST_NODE)} is the machine itself and must be there")
        # the lower half of the range, less the machine's own part
        room = (1 << max(0, NODE_PREFIX - pods.prefixlen - 1)) - 1
        if max(self.nodes, default=0) > room:
            raise ConfigError(f"pod range {pods} has room for {room} real nodes; choose another with --pod-range")
        if self.simulated_prefix > SMALLEST_PREFIX:
            raise ConfigError(f"pod range {pods} has no room for so many nodes; choose another with --pod-range")

    def service_address(self, index: int) -> str:
        """The address at that place of the service range: 1 is `kubernetes`, 10 the cluster DNS."""
        return str(ipaddress.ip_network(self.service_range)[index])

    def own_address(self, index: int) -> str:
        """An address of the machine itself on the cluster's link: 1 is the control plane, 10 + n the node n.

        They are the first /24 of the pod range, which no node hands out, so that a cluster does not depend on the
        host's networks.
        """
        return str(ipaddress.ip_network(self.pod_range)[index])

    @property
    def control_plane_address(self) -> str:
        """Where Pods and nodes reach the API server."""
        return self.own_address(1)

    def node_address(self, index: int) -> str:
        """The InternalIP of node `index` (from 1)."""
        return self.own_address(10 + index)

    def namespace(self, index: int) -> str:
        """The network namespace of node `index`: "" for the machine's own."""
        return "" if index == HOST_NODE else self.bridge(index)

    def node_name(self, index: int) -> str:
        """The name of real node `index` (from 1)."""
        return f"{self.name}-node-{index}" if self.name != DEFAULT_NAME else f"node-{index}"

    def simulated_node_name(self, index: int) -> str:
        """The name of simulated node `index` (from 1)."""
        return f"simulated-{index}"

    @property
    def link(self) -> str:
        """The cluster's link on this machine (a link's name has at most 15 characters)."""
        return f"pyb{zlib.crc32(self.name.encode()):08x}"

    def bridge(self, index: int) -> str:
        """The bridge that joins the Pods of node `index`."""
        return f"{self.link}-{index}"

    def cgroup(self, index: int) -> str:
        """The cgroup of node `index`, below which its Pods are."""
        return f"pybernetes-{self.bridge(index)}"

    def node_range(self, index: int) -> str:
        """The pod range of node `index` (from 1)."""
        base = int(ipaddress.ip_network(self.pod_range).network_address)
        return f"{ipaddress.ip_address(base + index * 2 ** (32 - NODE_PREFIX))}/{NODE_PREFIX}"

    @property
    def simulated_prefix(self) -> int:
        """How big the pod range of a simulated node is."""
        needed = (
            ipaddress.ip_network(self.pod_range).prefixlen + 1 + (max(self.simulated_nodes, default=1) - 1).bit_length()
        )
        return max(SIMULATED_PREFIX, needed)

    def simulated_range(self, index: int) -> str:
        """The pod range of simulated node `index` (from 1), in the upper half of the cluster's."""
        whole, prefix = ipaddress.ip_network(self.pod_range), self.simulated_prefix
        first = int(whole.network_address) + whole.num_addresses // 2
        return f"{ipaddress.ip_address(first + (index - 1) * 2 ** (32 - prefix))}/{prefix}"

    def simulated_address(self, index: int) -> str:
        """The InternalIP of simulated node `index`: in its pod range, before its Pods."""
        return str(ipaddress.ip_network(self.simulated_range(index))[1])

    def node_names(self) -> list[str]:
        """All of them, the real ones first."""
        return [*map(self.node_name, self.nodes), *map(self.simulated_node_name, self.simulated_nodes)]

    def grown(self, kind: str, count: int) -> "ClusterConfig":
        """With `count` more nodes (`kind` names the field), under the lowest free indexes."""
        known: tuple[int, ...] = getattr(self, kind)
        free = (index for index in itertools.count(1) if index not in known)
        more = sorted((*known, *itertools.islice(free, count)))
        result: ClusterConfig = msgspec.structs.replace(self, **{kind: tuple(more)})
        result.check()
        if self.simulated_nodes and result.simulated_prefix != self.simulated_prefix:
            raise ConfigError("so many simulated nodes need other pod ranges than these have; make a new cluster")
        return result


@dataclasses.dataclass(frozen=True, slots=True)
class Paths:
    """Where a cluster keeps its files. Everything is below `root`, which is readable by its owner only."""

    root: pathlib.Path

    @classmethod
    def default(cls, name: str) -> "Paths":
        """The usual place for a cluster of that name: under /var/lib for root, else under the home directory."""
        if os.geteuid() == 0:
            return cls(pathlib.Path("/var/lib/pybernetes") / name)
        home = os.environ.get("XDG_DATA_HOME") or str(pathlib.Path.home() / ".local" / "share")
        return cls(pathlib.Path(home) / "pybernetes" / name)

    @property
    def config(self) -> pathlib.Path:
        """The cluster's configuration."""
        return self.root / "cluster.json"

    @property
    def pki(self) -> pathlib.Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def database(self) -> pathlib.Path:
        """The store."""
        return self.root / "store.db"

    @property
    def audit_log(self) -> pathlib.Path:
        """What was asked of the API server, by whom, with what outcome."""
        return self.root / "logs" / "audit.log"

    def log(self, process: str) -> pathlib.Path:
        """The log of one of our processes."""
        return self.root / "logs" / f"{process}.log"

    def state(self, process: str) -> pathlib.Path:
        """What is known of a running process: pid, start time, components."""
        return self.root / "run" / f"{process}.json"

    def kubeconfig(self, user: str) -> pathlib.Path:
        """The kubeconfig of a component or of the administrator."""
        return self.root / "kubeconfigs" / f"{user}.conf"

    def snapshot(self, name: str) -> pathlib.Path:
        """A saved state of the cluster."""
        return self.root / "snapshots" / f"{name}.snapshot"

    def node(self, name: str) -> pathlib.Path:
        """Everything of one node."""
        return self.root / "nodes" / name

    def make(self) -> None:
        """Create the directories, closed to others."""
        for path in (self.root, self.pki, self.root / "logs", self.root / "run", self.root / "kubeconfigs"):
            try:
                path.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise ConfigError(f"{error.filename} is no folder; use another --data-dir", "disk") from error
            path.chmod(0o700)


def save(paths: Paths, config: ClusterConfig) -> None:
    """Write the configuration in one step: a crash leaves the old or the new, never half."""
    written = paths.config.with_suffix(".new")
    written.write_bytes(msgspec.json.format(msgspec.json.encode(config)))
    written.replace(paths.config)


def load(paths: Paths) -> ClusterConfig | None:
    """The configuration of an existing cluster. Raises ConfigError when the file is damaged."""
    if not paths.config.exists():
        return None
    try:
        config = msgspec.json.decode(paths.config.read_bytes(), type=ClusterConfig)
        config.check()
        return config
    except (msgspec.DecodeError, IsADirectoryError, ConfigError) as error:
        raise ConfigError(
            f"{paths.config} is damaged ({error}); restore it, or start over with `down --delete`",
            "configuration",
        ) from error
