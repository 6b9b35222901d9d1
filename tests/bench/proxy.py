"""What rules cost: `python tests/bench/proxy.py [services]`, as root for the kernel's part.

Works in a network namespace of its own. Budgets for 1,000 Services with 5 endpoints each: whole table into the kernel
300 ms, one Service more 10 ms; computing one Service's rules and text 1 ms.
"""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from pybernetes.api.types import core, discovery
from pybernetes.proxy import apply, nftables, ruleset

SETTINGS = nftables.TableSettings("pybench", cluster_cidr="10.244.0.0/16", node_port_addresses=("192.0.2.1",))
VANTAGE = ruleset.Vantage("node-1", ("192.0.2.1",))
ENDPOINTS = 5
CLONE_NEWNET = 0x40000000


def objects(number: int) -> tuple[core.Service, list[discovery.EndpointSlice]]:
    """A Service and its one slice."""
    name = f"service-{number}"
    metadata = {"name": name, "namespace": "default"}
    spec = {"clusterIP": f"10.96.{number // 250}.{number % 250 + 1}", "ports": [{"port": 80, "protocol": "TCP"}]}
    endpoints = [
        {"addresses": [f"10.244.{(number * ENDPOINTS + one) // 250 % 250}.{(number * ENDPOINTS + one) % 250 + 1}"]}
        for one in range(ENDPOINTS)
    ]
    ports = [{"name": "", "port": 8080, "protocol": "TCP"}]
    piece = {"metadata": metadata, "addressType": "IPv4", "ports": ports, "endpoints": endpoints}
    service = msgspec.convert({"metadata": metadata, "spec": spec}, core.Service)
    return service, [msgspec.convert(piece, discovery.EndpointSlice)]


def best(function: Callable[[], Any], runs: int = 10) -> float:
    """Seconds of the fastest run."""
    found = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        function()
        found = min(found, time.perf_counter() - started)
    return found


def say(what: str, seconds: float) -> None:
    print(f"{what:46} {seconds * 1e3:9.2f} ms")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    given = {f"default/service-{one}": objects(one) for one in range(count + 1)}
    extra, (service, slices) = given.popitem()
    rules = {key: ruleset.service_rules(*one, VANTAGE) for key, one in given.items()}
    table = nftables.Table(SETTINGS)
    more = {extra: ruleset.service_rules(service, slices, VANTAGE)}
    gone = {extra: ruleset.NOTHING}
    say(f"rules of {count} services", best(lambda: [ruleset.service_rules(*one, VANTAGE) for one in given.values()], 3))
    say(f"text of {count} services", best(lambda: table.full(rules), 3))
    say("rules of one service", best(lambda: ruleset.service_rules(service, slices, VANTAGE)))
    say("text of one service added and removed", best(lambda: (table.change(more), table.change(gone))))
    if os.geteuid() != 0:
        print("not root: no kernel")
        return
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    appliers: dict[str, apply.Applier] = {"libnftables": apply.LibNftables(), "nft": apply.NftProgram()}
    for name, applier in appliers.items():
        asyncio.run(_kernel(name, applier, table, rules, (more, gone)))


async def _kernel(
    name: str,
    applier: apply.Applier,
    table: nftables.Table,
    rules: ruleset.Ruleset,
    states: tuple[ruleset.Ruleset, ...],
) -> None:
    async def run(what: str, texts: list[str]) -> None:
        found = float("inf")
        for text in texts:
            started = time.perf_counter()
            await applier.apply(text)
            found = min(found, time.perf_counter() - started)
        say(f"{name}: {what}", found)

    await run("whole table into an empty kernel", [table.full(rules)])
    await run("whole table replaced", [table.full(rules)] * 5)
    await run("one service added or removed", [table.change(state) for _ in range(10) for state in states])
    await applier.apply(table.remove())
    await applier.close()


if __name__ == "__main__":
    main()
