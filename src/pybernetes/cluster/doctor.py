"""Looks at the machine and at a cluster's files for whatever `findings.FINDINGS` lists; changes nothing.

What the kernel can do is tried in namespaces that end with the attempt.
"""

import asyncio
import ctypes
import importlib.metadata
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator

import yaml

from pybernetes.aio import clock as clocks
from pybernetes.client import kubeconfig
from pybernetes.cluster import config as configs
from pybernetes.cluster import machine, network, nodes, pki, runtime, states
from pybernetes.cluster.findings import Seen
from pybernetes.crypto import certs
from pybernetes.proxy import apply as tables
from pybernetes.storage import check as store_check

OPTIONAL = {"crun": "crun", "busybox": "demo-image", "kubectl": "kubectl"}
CONTROLLERS = ("cpu", "memory", "pids", "cpuset")
KERNEL: dict[str, tuple[str, str]] = {
    "a pair of links (veth)": ("ip link add left type veth peer name right", "veth"),
    "a bridge": ("ip link add middle type bridge", "bridge"),
    "NAT by nftables": (
        "nft 'table ip t { chain c { type nat hook postrouting priority 100; masquerade; }; }'",
        "nft_chain_nat nft_masq",
    ),
    "maps and numgen of nftables": (
        "nft 'table ip t { map m { type inet_proto . inet_service : verdict; };"
        " chain c { numgen random mod 2 vmap { 0 : accept, 1 : drop }; }; }'",
        "nft_numgen nft_set_hash",
    ),
    "connection tracking": ("nft 'table ip t { chain c { ct state new accept; }; }'", "nf_conntrack nft_ct"),
    "local addresses in rules (fib)": (
        "nft 'table ip t { chain c { fib saddr type local accept; }; }'",
        "nft_fib_ipv4",
    ),
}
"""What nodes need, how it is tried, and the modules that have it."""
OVERLAY = "mount -t overlay overlay -o lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work {0}/merged"
LIMITS = {
    "fs/inotify/max_user_instances": 128,
    "fs/inotify/max_user_watches": 8192,
    "kernel/pid_max": 32768,
    "kernel/threads-max": 4096,
    "fs/file-max": 65536,
}
FILES, PROCESSES, FREE_DISK, FREE_MEMORY = 1024, 1024, 200 * 2**20, 512 * 2**20
NODE_PORTS = {10250: "the kubelet", 10256: "kube-proxy", 53: "the cluster DNS"}
SOMEWHERE = "127.0.53.53"
"""Nobody's address: what cannot listen there is up against somebody who listens everywhere."""
OLDEST, AHEAD = 1_767_225_600, 300
"""No clock is before 2026, and no file of ours is from so many seconds ahead."""

Found = Iterator[Seen]


class Patient:
    """What is looked at: the machine, and a cluster's files if it has any."""

    def __init__(self, paths: configs.Paths, name: str, merged: pathlib.Path, context: str) -> None:
        self.paths = paths
        self.merged = merged
        self.context = context
        self.damage = ""
        self.facts = machine.look()
        existing = None
        self.readable = os.access(paths.root, os.R_OK | os.X_OK) and paths.root.is_dir()
        if self.readable:
            try:
                existing = configs.load(paths)
            except configs.ConfigError as error:
                self.damage = str(error)
        self.exists = existing is not None
        self.config = existing or configs.ClusterConfig(name=name)
        self.alive = {state.name for state in states.Running(paths).running()} if self.readable else set()
        lacks = {seen.finding for seen in machine.lacks(self.facts)}
        self.can_try = not lacks & {"root", "capability"}


def _machine(patient: Patient) -> Found:
    yield from machine.lacks(patient.facts)


def _kernel(patient: Patient) -> Found:
    for what, (command, modules) in KERNEL.items() if patient.can_try else ():
        if shutil.which(command.split()[0]) and (problem := _attempt(command)):
            yield Seen("kernel", f"no {what}: {problem}", f"modprobe -a {modules}")


def _overlay(patient: Patient) -> Found:
    place = _nearest(patient.paths.root)
    if not patient.can_try or not os.access(place, os.W_OK):
        return
    try:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            for name in ("lower", "upper", "work", "merged"):
                pathlib.Path(folder, name).mkdir()
            problem = _attempt(OVERLAY.format(folder))
    except OSError:  # `disk` says so
        return
    if problem:
        yield Seen("overlay", f"no overlayfs at {place}: {problem}")


def _bridge_filter(patient: Patient) -> Found:
    if not pathlib.Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        yield Seen("bridge-filter", "br_netfilter is not loaded")


def _cgroups(patient: Patient) -> Found:
    unified, table = pathlib.Path("/sys/fs/cgroup/cgroup.controllers"), pathlib.Path("/proc/cgroups")
    if unified.exists():
        known = set(unified.read_text().split())
    else:
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        known = {line.split()[0] for line in lines if line.split()[3] == "1"}
    if lacking := [name for name in CONTROLLERS if name not in known]:
        yield Seen("cgroups", f"no controller {', '.join(lacking)}")


def _libnftables(patient: Patient) -> Found:
    try:
        ctypes.CDLL(tables.LIBRARY)
    except OSError as error:
        yield Seen("libnftables", str(error))


def _optional(patient: Patient) -> Found:
    for program, finding in OPTIONAL.items():
        if shutil.which(program) is None:
            yield Seen(finding, f"{program} is not installed")


def _packages(patient: Patient) -> Found:
    for requirement in importlib.metadata.requires("pybernetes") or ():
        name = re.split(r"[^\w.-]", requirement)[0]
        if "extra ==" not in requirement:
            try:
                importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:
                yield Seen("packages", f"{name} is not installed", f"pip install '{requirement.partition(';')[0]}'")


def _oom_score(patient: Patient) -> Found:
    if patient.facts.user == 0 and not machine.may_lower_oom_score():
        yield Seen("oom-score", "root lacks CAP_SYS_RESOURCE")


def _port(patient: Patient) -> Found:
    serves, port = states.CONTROL_PLANE in patient.alive, patient.config.port
    if patient.exists and port and not serves and (problem := _taken(port, "127.0.0.1")):
        yield Seen("port", f"{port} of the API server: {problem}")
    for port, whose in NODE_PORTS.items() if patient.config.nodes and not patient.alive else ():
        if problem := _taken(port, SOMEWHERE) or (_taken(port, SOMEWHERE, socket.SOCK_DGRAM) if port == 53 else ""):
            yield Seen("port", f"{port} of {whose}: {problem}")


def _taken(port: int, address: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    with socket.socket(type=kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:  # of a port that only root may have
            return ""
        except OSError as error:
            return str(error.strerror)
    return ""


def _range(patient: Patient) -> Found:
    if patient.exists and patient.config.nodes and shutil.which("ip"):
        if problem := asyncio.run(nodes.host_network(patient.config).conflict()):
            yield Seen("range", problem)


def _disk(patient: Patient) -> Found:
    place = _nearest(patient.paths.root)
    if not place.is_dir():
        yield Seen("disk", f"{place} is no folder")
    elif not os.access(place, os.W_OK | os.X_OK):
        yield Seen("disk", f"{place} cannot be written")
    elif (free := shutil.disk_usage(place).free) < FREE_DISK:
        yield Seen("disk", f"{free // 2**20} MiB are free at {place}")


def _memory(patient: Patient) -> Found:
    text = pathlib.Path("/proc/meminfo").read_text()
    free = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("MemAvailable:")) * 1024
    if free < FREE_MEMORY:
        yield Seen("memory", f"{free // 2**20} MiB are available")


def _limits(patient: Patient) -> Found:
    for name, wanted in LIMITS.items():
        path = pathlib.Path("/proc/sys", name)
        if path.exists() and int(path.read_text()) < wanted:
            setting = f"sysctl -w {name.replace('/', '.')}={wanted}"
            yield Seen("limits", f"{path} is {path.read_text().strip()}, {wanted} are wanted", setting)
    for what, kind, wanted, flag in (
        ("files", resource.RLIMIT_NOFILE, FILES, "n"),
        ("processes", resource.RLIMIT_NPROC, PROCESSES, "u"),
    ):
        if -1 < (most := resource.getrlimit(kind)[0]) < wanted:
            yield Seen("limits", f"{most} {what} are allowed, {wanted} are wanted", f"ulimit -{flag} {wanted}")


def _clock(patient: Patient) -> Found:
    now = clocks.RealClock().now().timestamp()
    if now < OLDEST:
        yield Seen("clock", f"it is {clocks.RealClock().now():%Y-%m-%d}?")
    if patient.exists and patient.paths.config.stat().st_mtime > now + AHEAD:
        yield Seen("clock", f"{patient.paths.config} is from the future")


def _configuration(patient: Patient) -> Found:
    if patient.damage:
        yield Seen("configuration", patient.damage)


def _store(patient: Patient) -> Found:
    if patient.readable and not patient.alive and patient.paths.database.exists():
        for found in store_check.check(patient.paths.database):
            yield Seen("store", str(found))


def _certificates(patient: Patient) -> Found:
    now = clocks.RealClock().now()
    files, anew = patient.paths.pki, f"rm -r {patient.paths.pki}, then pybernetes up: all are made anew"
    for path in sorted(files.glob("*.crt")) if patient.readable else ():
        fix = anew if path.stem == "ca" else ""
        try:
            end = certs.check(pki.read_pair(files, path.stem), (files / "ca.crt").read_bytes())
        except (ValueError, FileNotFoundError) as error:
            yield Seen("certificates", f"{path}: {error}", fix)
            continue
        if end < now:
            yield Seen("certificates", f"{path} ended {end:%Y-%m-%d}", fix)
    try:
        certs.check_key((files / "sa.key").read_bytes() if patient.readable else certs.new_key())
    except FileNotFoundError:  # it never ran
        return
    except ValueError as error:
        yield Seen("certificates", f"{files / 'sa.key'}: {error}", anew)


def _process(patient: Patient) -> Found:
    wanted = {states.CONTROL_PLANE, *map(patient.config.node_name, patient.config.nodes)}
    for name in sorted(wanted - patient.alive) if patient.alive else ():
        yield Seen("process", f"{name} does not run, others do", "pybernetes up")


def _kubeconfig(patient: Patient) -> Found:
    try:
        kubeconfig.check_access(patient.merged, patient.context)
    except (kubeconfig.KubeconfigError, OSError, yaml.YAMLError) as error:
        yield Seen("kubeconfig", str(error))


def _left_over(patient: Patient) -> Found:
    if patient.alive or patient.damage:
        return
    config, files = patient.config, patient.paths.root
    for path in sorted((files / "run").glob("*.json")) if patient.readable else ():
        yield Seen("left-over", f"{path}: that process is gone")
    for _, link in socket.if_nameindex():
        if link.startswith(config.link):
            yield Seen("left-over", f"link {link}")
    for namespace in network.NAMESPACES.glob(f"{config.link}*"):
        yield Seen("left-over", f"network namespace {namespace.name}")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        if f"{files}/" in line.split()[1]:
            yield Seen("left-over", f"mount {line.split()[1]}")
    for index in config.nodes if patient.facts.user == 0 else ():
        engine = runtime.Containerd(nodes.runtime_config(patient.paths, config, index), clocks.RealClock())
        if (pid := engine.pid()) is not None:
            yield Seen("left-over", f"containerd of {config.node_name(index)}, process {pid}")
    if patient.facts.user == 0 and shutil.which("nft"):
        listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout
        for table in listed.splitlines():
            if table.split()[-1].startswith(config.link):
                yield Seen("left-over", f"rules: {table}")


def _nearest(path: pathlib.Path) -> pathlib.Path:
    """The path, or the nearest folder above it that is there."""
    return next(one for one in (path, *path.parents) if os.path.lexists(one))


def _attempt(command: str) -> str:
    """Why the command fails in namespaces of its own ("" when it does not)."""
    apart = ["unshare", "--net", "--mount", "sh", "-c", command]
    done = subprocess.run(apart, capture_output=True, text=True, check=False)
    said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
    return said[0] if done.returncode else ""


CHECKS: dict[Callable[[Patient], Found], tuple[str, ...]] = {
    _machine: ("root", "capability", "forwarding", "programs", "cni-plugins"),
    _kernel: ("kernel",),
    _overlay: ("overlay",),
    _bridge_filter: ("bridge-filter",),
    _cgroups: ("cgroups",),
    _libnftables: ("libnftables",),
    _optional: tuple(OPTIONAL.values()),
    _packages: ("packages",),
    _oom_score: ("oom-score",),
    _port: ("port",),
    _range: ("range",),
    _disk: ("disk",),
    _memory: ("memory",),
    _limits: ("limits",),
    _clock: ("clock",),
    _configuration: ("configuration",),
    _store: ("store",),
    _certificates: ("certificates",),
    _kubeconfig: ("kubeconfig",),
    _process: ("process",),
    _left_over: ("left-over",),
}
"""Each check, and the findings it can come to."""


def examine(patient: Patient) -> list[Seen]:
    """Everything that holds, in the table's order."""
    return [seen for look in CHECKS for seen in look(patient)]
