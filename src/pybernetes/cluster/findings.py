"""Everything that can keep a cluster from starting or from working whole: what it means, and its fix.

Errors of `up` name a row of this table (`Failure.finding`), `pybernetes doctor` finds out which of them hold. Pure.
"""

from typing import NamedTuple

STOPS, SIMULATES, LIMITS = "nothing starts", "real nodes are impossible, simulated ones work", "something will not work"


class Finding(NamedTuple):
    """What it costs, what it means, what to do."""

    cost: str
    meaning: str
    fix: str


FINDINGS: dict[str, Finding] = {
    "root": Finding(SIMULATES, "containers, links and rules need root", "sudo pybernetes up"),
    "capability": Finding(SIMULATES, "root lacks rights here (a container, a sandbox)", "start it with --privileged"),
    "programs": Finding(SIMULATES, "a program is not installed", "apt-get install containerd runc iproute2 iptables"),
    "cni-plugins": Finding(
        SIMULATES, "the CNI plugins are not installed", "apt-get install containernetworking-plugins"
    ),
    "nftables": Finding(SIMULATES, "Services need nftables", "apt-get install nftables libnftables1"),
    "kernel": Finding(SIMULATES, "the kernel lacks a feature", "modprobe it, or use a kernel that has it"),
    "cgroups": Finding(LIMITS, "a controller is missing: its limits do not hold", "enable it at boot"),
    "crun": Finding(LIMITS, "Pods of a RuntimeClass with handler crun cannot run", "apt-get install crun"),
    "demo-image": Finding(LIMITS, "the image of the examples cannot be made", "apt-get install busybox-static"),
    "kubectl": Finding(LIMITS, "kubectl is not there", "pip install 'pybernetes[kubectl]'"),
    "oom-score": Finding(LIMITS, "root may not lower OOM scores: the node is no safer than Pods", "none needed"),
    "port": Finding(STOPS, "somebody else listens on a port of the cluster", "--port 0 takes any free one"),
    "range": Finding(STOPS, "the host uses addresses of the cluster", "choose others: --pod-range, --service-range"),
    "rules": Finding(STOPS, "the host refuses a link, a route or a rule", "see the message; it needs root"),
    "disk": Finding(STOPS, "there is no room, or no right, to write files", "free some, or use another --data-dir"),
    "memory": Finding(LIMITS, "less than 512 MiB of memory are free", "stop something"),
    "limits": Finding(LIMITS, "a limit of the system is low", "raise it: sysctl -w fs.inotify.max_user_instances=1024"),
    "settings": Finding(STOPS, "a flag says what cannot be", "see the message"),
    "configuration": Finding(STOPS, "cluster.json is damaged", "restore it, or start over: pybernetes down --delete"),
    "store": Finding(STOPS, "the store is damaged", "pybernetes storage restore; docs/storage.md tells how"),
    "certificates": Finding(STOPS, "a certificate has ended", "pybernetes down, then up: it is made anew"),
    "kubeconfig": Finding(STOPS, "the kubeconfig is not ours to change, or has another's entry", "--kubeconfig FILE"),
    "left-over": Finding(LIMITS, "something of a cluster that does not run is still there", "pybernetes down, then up"),
    "process": Finding(STOPS, "a process of the cluster does not start", "pybernetes logs shows why"),
    "runtime": Finding(STOPS, "the container runtime does not start", "its log is named; pybernetes logs containerd"),
}


class Failure(Exception):
    """Why a cluster does not start: the text says it for this case, `finding` names the row of the table."""

    finding = "settings"

    def __init__(self, text: str, finding: str = "") -> None:
        super().__init__(text)
        if finding:
            self.finding = finding
