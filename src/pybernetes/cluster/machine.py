"""What this machine lacks to run real nodes: cheap to find out, so that `up` asks before it starts any.

`look` gathers the facts, `lacks` says what they mean. Whatever takes a process or a file to try is `doctor`'s.
"""

import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from pybernetes.cluster import findings

CNI_PLUGINS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
PLUGINS = ("bridge", "host-local", "loopback", "portmap")
PROGRAMS = {"containerd": "containerd", "runc": "runc", "ip": "iproute2", "iptables": "iptables", "nft": "nftables"}
"""What nodes call, and the packages that have it; iptables is for the plugin portmap."""
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27}
CAP_SYS_RESOURCE = 24
FORWARDING = pathlib.Path("/proc/sys/net/ipv4/ip_forward")


class Facts(NamedTuple):
    """Of this process and its machine."""

    user: int
    capabilities: int
    programs: frozenset[str]
    plugins: pathlib.Path | None
    forwards: bool


def look() -> Facts:
    """As it is now."""
    return Facts(
        os.geteuid(),
        capabilities(),
        frozenset(name for name in PROGRAMS if shutil.which(name)),
        plugin_directory(),
        FORWARDING.exists() and (os.access(FORWARDING, os.W_OK) or FORWARDING.read_text().strip() == "1"),
    )


def lacks(facts: Facts) -> Iterator[findings.Seen]:
    """What makes real nodes impossible. Pure."""
    if facts.user != 0:
        yield findings.Seen("root", "not root")
    else:
        missing = [name for name, bit in CAPABILITIES.items() if not facts.capabilities >> bit & 1]
        if missing:
            yield findings.Seen("capability", f"root lacks {', '.join(missing)}")
        if not facts.forwards:
            yield findings.Seen("forwarding", f"{FORWARDING} is 0 and cannot be written")
    if programs := [name for name in PROGRAMS if name not in facts.programs]:
        packages = " ".join(PROGRAMS[name] for name in programs)
        yield findings.Seen("programs", f"not installed: {', '.join(programs)}", f"apt-get install {packages}")
    if facts.plugins is None:
        yield findings.Seen("cni-plugins", f"{', '.join(PLUGINS)} are in none of {', '.join(CNI_PLUGINS)}")


def hindrance() -> str:
    """What this machine lacks first to run real nodes, with the fix ("" when nothing)."""
    return next((f"{seen.text} ({seen.remedy})" for seen in lacks(look())), "")


def plugin_directory() -> pathlib.Path | None:
    """Where the CNI plugins are."""
    places = map(pathlib.Path, CNI_PLUGINS)
    return next((place for place in places if all((place / name).exists() for name in PLUGINS)), None)


def capabilities() -> int:
    """The effective capabilities of this process, a bit each."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)


def may_lower_oom_score() -> bool:
    """Whether this machine lets root lower a process's OOM score (CAP_SYS_RESOURCE)."""
    return bool(capabilities() >> CAP_SYS_RESOURCE & 1)
