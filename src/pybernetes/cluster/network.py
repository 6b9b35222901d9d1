"""The host's share of the cluster network: ranges that never leave the machine, one link for Services.

Before anything else stands an unreachable route for the pod range and for the service range. The service range then
gets a bridge device with nothing behind it: a packet of the host to a cluster IP finds a route, so that the proxy's
rules can redirect it; one that no rule takes ends there. `remove` takes all of it away.
Upstream: none (kubeadm leaves the host's routes to the network add-on).
"""

import asyncio
import dataclasses
import ipaddress
import json
import pathlib

METRIC = 4_294_000_000
"""Of the unreachable routes: anything more specific, or any route with a lower metric, is preferred."""

FORWARDING = ("net/ipv4/ip_forward",)
BRIDGED = ("net/bridge/bridge-nf-call-iptables",)


class NetworkError(RuntimeError):
    """The host cannot carry the cluster network; the text names the reason and the fix."""


@dataclasses.dataclass(frozen=True, slots=True)
class HostNetwork:
    """Routes and the link of one cluster on this machine."""

    pod_range: str
    service_range: str
    link: str
    addresses: tuple[str, ...]

    async def install(self) -> None:
        """Put routes, link and kernel settings in place; doing so again changes nothing. Raises NetworkError."""
        if problem := await self.conflict():
            raise NetworkError(problem)
        for network in (self.pod_range, self.service_range):
            await _ip("route", "replace", "unreachable", network, "metric", str(METRIC))
        if not pathlib.Path("/sys/class/net", self.link).exists():
            await _ip("link", "add", self.link, "type", "bridge")
        await _ip("link", "set", self.link, "up")
        for address in self.addresses:
            await _ip("address", "replace", f"{address}/32", "dev", self.link)
        await _ip("route", "replace", self.service_range, "dev", self.link)
        for setting in (*FORWARDING, *BRIDGED):
            _set_kernel(setting)

    async def conflict(self) -> str:
        """Why the ranges cannot be used on this host ("" when they can)."""
        return find_conflict(await self._routes(), (self.pod_range, self.service_range), own_links=(self.link,))

    async def remove(self) -> None:
        """Take the routes and the link away; what is gone already does not matter."""
        await _ip("link", "del", self.link, check=False)
        for network in (self.pod_range, self.service_range):
            await _ip("route", "del", "unreachable", network, "metric", str(METRIC), check=False)

    async def _routes(self) -> list[dict[str, str]]:
        output = await _ip("-json", "route", "show", "table", "all")
        routes: list[dict[str, str]] = json.loads(output) if output.strip() else []
        return routes


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


async def _ip(*arguments: str, check: bool = True) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, problem = await process.communicate()
    if check and process.returncode:
        raise NetworkError(f"`ip {' '.join(arguments)}` failed: {problem.decode().strip()}")
    return output


def _set_kernel(setting: str) -> None:
    path = pathlib.Path("/proc/sys") / setting
    if path.exists() and path.read_text().strip() == "0":
        path.write_text("1")
