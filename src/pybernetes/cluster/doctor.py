"""Looks at the machine and at a cluster's files for whatever `findings.FINDINGS` lists; changes nothing."""

import asyncio
import os
import pathlib
import shutil
import socket
from collections.abc import Callable, Iterator

import yaml

from pybernetes.aio import clock as clocks
from pybernetes.client import kubeconfig
from pybernetes.cluster import config as configs
from pybernetes.cluster import network, nodes, runtime, states
from pybernetes.crypto import certs
from pybernetes.storage import check as store_check

OPTIONAL = {"crun": "crun", "busybox": "demo-image", "kubectl": "kubectl"}
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_CHROOT": 18, "CAP_MKNOD": 27}
FILESYSTEMS = ("overlay", "proc", "sysfs", "tmpfs")
CONTROLLERS = ("cpu", "memory", "pids", "cpuset")
INSTANCES, FILES, FREE_DISK, FREE_MEMORY = 128, 1024, 200 * 2**20, 512 * 2**20

Said = Iterator[str]


class Patient:
    """What is looked at: the machine, and a cluster's files if it has any."""

    def __init__(self, paths: configs.Paths, name: str, merged: pathlib.Path, context: str) -> None:
        self.paths = paths
        self.merged = merged
        self.context = context
        self.damage = ""
        try:
            existing = configs.load(paths)
        except configs.ConfigError as error:
            existing, self.damage = None, str(error)
        except PermissionError:
            existing = None
        self.exists = existing is not None
        self.config = existing or configs.ClusterConfig(name=name, nodes=(configs.HOST_NODE,))
        self.running = bool(states.Running(paths).running()) if os.access(paths.root, os.R_OK) else False


def _root(patient: Patient) -> Said:
    if os.geteuid() != 0:
        yield "you are not root"


def _capability(patient: Patient) -> Said:
    held = runtime.capabilities()
    lacking = [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]
    if os.geteuid() == 0 and lacking:
        yield f"root lacks {', '.join(lacking)}"


def _programs(patient: Patient) -> Said:
    if lacking := runtime.missing_programs():
        yield f"not installed: {', '.join(lacking)}"


def _plugins(patient: Patient) -> Said:
    if runtime.plugin_directory() is None:
        yield f"none of {', '.join(runtime.CNI_PLUGINS)} has {', '.join(runtime.NEEDED)}"


def _nftables(patient: Patient) -> Said:
    if shutil.which("nft") is None:
        yield "nft is not installed"


def _kernel(patient: Patient) -> Said:
    known = pathlib.Path("/proc/filesystems").read_text().split()
    for name in FILESYSTEMS:
        if name not in known:
            yield f"no file system {name}"
    for name in ("net", "mnt", "uts", "ipc", "pid"):
        if not pathlib.Path("/proc/self/ns", name).exists():
            yield f"no namespaces of kind {name}"
    forwarding = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    if os.geteuid() == 0 and not os.access(forwarding, os.W_OK):
        yield f"{forwarding} cannot be written"


def _cgroups(patient: Patient) -> Said:
    unified = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        known = set(unified.read_text().split())
    else:
        table = pathlib.Path("/proc/cgroups").read_text().splitlines()[1:]
        known = {line.split()[0] for line in table if line.split()[3] == "1"}
    lacking = [name for name in CONTROLLERS if name not in known]
    if lacking:
        yield f"no controller {', '.join(lacking)}"


def _optional(program: str) -> Callable[[Patient], Said]:
    def look(patient: Patient) -> Said:
        if shutil.which(program) is None:
            yield f"{program} is not installed"

    return look


def _oom_score(patient: Patient) -> Said:
    if os.geteuid() == 0 and not runtime.may_lower_oom_score():
        yield "root lacks CAP_SYS_RESOURCE"


def _port(patient: Patient) -> Said:
    if not patient.running and patient.exists and patient.config.port:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", patient.config.port))
            except OSError as error:
                yield f"port {patient.config.port}: {error.strerror}"


def _range(patient: Patient) -> Said:
    if patient.exists and patient.config.nodes and shutil.which("ip"):
        problem = asyncio.run(nodes.host_network(patient.config).conflict())
        if problem:
            yield problem


def _disk(patient: Patient) -> Said:
    place = patient.paths.root
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        yield f"{place} is no folder"
    elif not os.access(place, os.W_OK):
        yield f"{place} cannot be written"
    elif (free := shutil.disk_usage(place).free) < FREE_DISK:
        yield f"{free // 2**20} MiB are free at {place}"


def _memory(patient: Patient) -> Said:
    text = pathlib.Path("/proc/meminfo").read_text()
    free = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("MemAvailable:")) * 1024
    if free < FREE_MEMORY:
        yield f"{free // 2**20} MiB are available"


def _limits(patient: Patient) -> Said:
    path = pathlib.Path("/proc/sys/fs/inotify/max_user_instances")
    if path.exists() and (most := int(path.read_text())) < INSTANCES:
        yield f"{path} is {most}, {INSTANCES} are wanted"
    if (most := os.sysconf("SC_OPEN_MAX")) < FILES:
        yield f"a process may open {most} files, {FILES} are wanted (ulimit -n)"


def _configuration(patient: Patient) -> Said:
    if patient.damage:
        yield patient.damage


def _store(patient: Patient) -> Said:
    if not patient.running and patient.paths.database.exists():
        for found in store_check.check(patient.paths.database):
            yield str(found)


def _certificates(patient: Patient) -> Said:
    now = clocks.RealClock().now()
    for path in sorted(patient.paths.pki.glob("*.crt")) if os.access(patient.paths.pki, os.R_OK) else ():
        if (end := certs.expiry(path.read_bytes())) < now:
            yield f"{path} ended {end:%Y-%m-%d}"


def _kubeconfig(patient: Patient) -> Said:
    try:
        kubeconfig.check_access(patient.merged, patient.context)
    except (kubeconfig.KubeconfigError, OSError, yaml.YAMLError) as error:
        yield str(error)


def _left_over(patient: Patient) -> Said:
    if patient.running or not patient.exists:
        return
    for path in sorted((patient.paths.root / "run").glob("*.json")):
        yield f"{path}: that process is gone"
    for index in patient.config.nodes:
        namespace = patient.config.namespace(index)
        if namespace and (network.NAMESPACES / namespace).exists():
            yield f"network namespace {namespace}"


CHECKS: dict[str, Callable[[Patient], Said]] = {
    "root": _root,
    "capability": _capability,
    "programs": _programs,
    "cni-plugins": _plugins,
    "nftables": _nftables,
    "kernel": _kernel,
    "cgroups": _cgroups,
    **{finding: _optional(program) for program, finding in OPTIONAL.items()},
    "oom-score": _oom_score,
    "port": _port,
    "range": _range,
    "disk": _disk,
    "memory": _memory,
    "limits": _limits,
    "configuration": _configuration,
    "store": _store,
    "certificates": _certificates,
    "kubeconfig": _kubeconfig,
    "left-over": _left_over,
}


def examine(patient: Patient) -> list[tuple[str, str]]:
    """Every finding that holds, in the table's order: its name and what was seen."""
    return [(name, seen) for name, look in CHECKS.items() for seen in look(patient)]
