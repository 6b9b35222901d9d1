"""What this machine is: cores, memory, disk, kernel, identities.

Upstream: pkg/kubelet/cadvisor, pkg/kubelet/nodestatus/setters.go.
"""

import dataclasses
import os
import pathlib
import platform
import shutil

KUBELET_VERSION = "v1.37.2"


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """Amounts in bytes."""

    cores: int
    memory: int
    disk: int
    kernel: str
    os_image: str
    operating_system: str
    architecture: str
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""


def read(root: pathlib.Path) -> Machine:
    """This machine; `root` is on the disk that counts."""
    existing = root
    while not existing.exists():
        existing = existing.parent
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=_memory(),
        disk=shutil.disk_usage(existing).total,
        kernel=platform.release(),
        os_image=_os_image(),
        operating_system="linux",
        architecture=architecture(),
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
    )


def simulated() -> Machine:
    """A machine that does not exist."""
    return Machine(32, 256 * 2**30, 1024 * 2**30, "simulated", "Pybernetes simulated node", "linux", architecture())


def architecture() -> str:
    """As Go names it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _memory() -> int:
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def _text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def available_memory() -> int:
    """Bytes that could still be given out, from /proc/meminfo."""
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
