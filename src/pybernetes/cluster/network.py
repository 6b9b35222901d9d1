"""The machine's share of the cluster network: ranges that never leave it, one link for Services, a link for each node.

Before anything else stands an unreachable route for the pod range and for the service range. The service range then
gets a bridge device with nothing behind it: a packet of the host to a cluster IP finds a route, so that the proxy's
rules can redirect it; one that no rule takes ends there. A node in a network namespace of its own is reached by a veth
pair and a route for its Pods, and has the machine as its only way out. One rule lends the machine's address to what
speaks to the outside. `remove` takes all of it away.
Upstream: none (kubeadm leaves the host's routes to the network add-on).
"""

import asyncio
import contextlib
import ctypes
import dataclasses
import fcntl
import ipaddress
import json
import os
import pathlib
import socket
import tempfile
from collections.abc import Iterator

from pybernetes.cluster import findings
from pybernetes.proxy import apply as tables

METRIC = 4_294_000_000
"""Of the unreachable routes: anything more specific, or any route with a lower metric, is preferred."""

SETTINGS = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")
NAMESPACES = pathlib.Path("/run/netns")
_NO_RULE = ("table ", "chain ", "type ", "}")
_CLONE_NEWUTS, _CLONE_NEWNET = 0x04000000, 0x40000000


class NetworkError(findings.Failure):
    """The host cannot carry the cluster network; the text names the reason and the fix."""

    finding = "rules"


@dataclasses.dataclass(frozen=True, slots=True)
class NodeNetwork:
    """A node in a namespace of its own; the machine's end of its link has the namespace's name."""

    namespace: str
    address: str
    pods: str

    def host_commands(self, gateway: str, own: str) -> list[str]:
        """What the machine needs to reach it: as `gateway`, and as `own` where the proxy masquerades."""
        name, made = self.namespace, []
        if not (NAMESPACES / name).exists():
            made.append(f"netns add {name}")
        if not has_link(name):
            made.append(f"link add {name} type veth peer name eth0 netns {name}")
        return [
            *made,
            f"address replace {own}/32 dev {name}",
            f"link set {name} up",
            f"route replace {self.address}/32 dev {name} src {gateway}",
            f"route replace {self.pods} via {self.address} dev {name} src {gateway}",
        ]

    def inner_commands(self, gateway: str) -> list[str]:
        """What its namespace needs; a packet for a Pod that is gone must not come back to the machine."""
        return [
            "link set lo up",
            f"address replace {self.address}/32 dev eth0",
            "link set eth0 up",
            f"route replace unreachable {self.pods} metric {METRIC}",
            f"route replace {gateway}/32 dev eth0",
            f"route replace default via {gateway} dev eth0",
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class HostNetwork:
    """Routes and links of one cluster on this machine. `address` is the API server's, `own` that of the host's node."""

    pod_range: str
    service_range: str
    link: str
    address: str
    own: str
    nodes: tuple[NodeNetwork, ...] = ()

    async def install(self) -> None:
        """Put routes, links and kernel settings in place; doing so again changes nothing. Raises NetworkError."""
        if problem := await self.conflict():
            raise NetworkError(problem, "range")
        commands = [f"route replace unreachable {one} metric {METRIC}" for one in (self.pod_range, self.service_range)]
        if not has_link(self.link):
            commands.append(f"link add {self.link} type bridge")
        commands.append(f"link set {self.link} up")
        commands += [f"address replace {address}/32 dev {self.link}" for address in (self.address, self.own)]
        commands.append(f"route replace {self.service_range} dev {self.link}")
        for node in self.nodes:
            commands += node.host_commands(self.address, self.own)
        await _ip_batch(commands)
        for node in self.nodes:
            await _ip_batch(node.inner_commands(self.address), "-netns", node.namespace)
        configure_kernel()
        await self._lend_address()

    async def _lend_address(self) -> None:
        inside = f"{{ {self.pod_range}, {self.service_range}, 224.0.0.0/4 }}"
        name = f"ip {self.link}"
        applier = tables.default_applier()
        try:
            await applier.apply(
                f"table {name}\ndelete table {name}\ntable {name} {{\n"
                "chain outside {\ntype nat hook postrouting priority 100; policy accept;\n"
                f"ip saddr {self.pod_range} ip daddr != {inside} masquerade\n}}\n}}\n"
            )
        except tables.ApplyError as error:
            raise NetworkError(f"nftables refuses a rule: {error}") from error
        finally:
            await applier.close()

    async def conflict(self) -> str:
        """Why the ranges cannot be used on this host ("" when they can)."""
        return find_conflict(await self._routes(), (self.pod_range, self.service_range), own_links=(self.link,))

    async def remove(self) -> None:
        """Take everything away again; what is gone already does not matter."""
        for node in self.nodes:
            await remove_node(node.namespace)
        tables.remove_table(self.link)
        await remove_host_ports()
        commands = [f"link del {self.link}"]
        commands += [f"route del unreachable {one} metric {METRIC}" for one in (self.pod_range, self.service_range)]
        await _ip_batch(commands, "-force", check=False)

    async def _routes(self) -> list[dict[str, str]]:
        output = await _ip("-json", "route", "show", "table", "all")
        routes: list[dict[str, str]] = json.loads(output) if output.strip() else []
        return routes


def has_link(name: str) -> bool:
    """Whether there is a link of that name in the network namespace of this process (which /sys need not show)."""
    return any(name == known for _, known in socket.if_nameindex())


async def remove_node(namespace: str) -> None:
    """Take a node's link and namespace away, and the routes to it with them."""
    await _ip_batch([f"link del {namespace}", f"netns del {namespace}"], "-force", check=False)


def enter(namespace: str, host_name: str) -> None:
    """Bring this process, and all that it starts, into a network namespace ("": the machine's), under a host name.

    Call before there is a second thread.
    """
    library = ctypes.CDLL(None, use_errno=True)
    failed = library.unshare(_CLONE_NEWUTS)
    if namespace and not failed:
        with (NAMESPACES / namespace).open() as file:
            failed = library.setns(file.fileno(), _CLONE_NEWNET)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), namespace)
    socket.sethostname(host_name)
    configure_kernel()


def configure_kernel() -> None:
    """Forward packets, show bridged ones to the rules; in the network namespace of this process."""
    for setting in SETTINGS:
        path = pathlib.Path("/proc/sys") / setting
        if path.exists() and path.read_text().strip() == "0":
            path.write_text("1")


@contextlib.contextmanager
def choosing_ranges() -> Iterator[None]:
    """Meanwhile no other cluster of this machine chooses ranges: none would see the routes of the other yet."""
    directory = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def find_conflict(routes: list[dict[str, str]], ranges: tuple[str, ...], own_links: tuple[str, ...]) -> str:
    """Why the ranges cannot be used beside the host's routes ("" when they can). Pure.

    `routes` as `ip -json route` prints them; links whose name starts with one of `own_links` are the cluster's own.
    """
    for route in routes:
        destination = route.get("dst", "")
        if destination == "default" or route.get("type") in ("unreachable", "blackhole", "multicast", "anycast"):
            continue
        if str(route.get("dev", "")).startswith(own_links):
            continue
        try:
            used = ipaddress.ip_network(destination, strict=False)
        except ValueError:
            continue
        for wanted in map(ipaddress.ip_network, ranges):
            if used.version == wanted.version and used.overlaps(wanted):
                where = f"{used} (device {route.get('dev', '?')})"
                fix = "choose another with --pod-range or --service-range"
                return f"range {wanted} is in use on this host by route {where}; {fix}"
    return ""


async def remove_host_ports() -> None:
    """Remove what the plugin `portmap` leaves where the last host port is gone: it makes its chains only."""
    saved = (await _run("iptables-save", "-t", "nat")).decode()
    if commands := host_port_removal(saved):
        await _run("iptables-restore", "--noflush", "--wait", commands=commands)
        for family in ("ip", "ip6"):
            listed = (await _run("nft", "list", "table", family, "nat", check=False)).decode().split("\n")
            if all(line.strip().startswith(_NO_RULE) for line in listed if line):
                await _run("nft", "delete", "table", family, "nat", check=False)


def host_port_removal(saved: str) -> str:
    """What `iptables-restore` is to do ("" for nothing), from what `iptables-save` says of the table nat. Pure."""
    lines = saved.splitlines()
    chains = [line[1:].split()[0] for line in lines if line.startswith(":CNI-HOSTPORT-")]
    if not chains or any(line.startswith(":CNI-DN-") for line in lines):
        return ""
    rules = [f"-D{line[2:]}" for line in lines if line.startswith("-A ") and "CNI-HOSTPORT-" in line]
    gone = [f"{action} {chain}" for action in ("-F", "-X") for chain in chains]
    return "\n".join(["*nat", *rules, *gone, "COMMIT", ""])


async def _ip_batch(commands: list[str], *options: str, check: bool = True) -> None:
    await _ip(*options, "-batch", "-", check=check, commands="\n".join(commands))


async def _ip(*arguments: str, check: bool = True, commands: str = "") -> bytes:
    return await _run("ip", *arguments, check=check, commands=commands)


async def _run(*command: str, check: bool = True, commands: str = "") -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, problem = await process.communicate(commands.encode())
    if check and process.returncode:
        raise NetworkError(f"`{' '.join(command)}` failed: {problem.decode().strip()}")
    return output
