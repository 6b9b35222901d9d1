"""What `pybernetes trace` costs while it listens, and what its steps cost while nobody does.

    python tests/bench/tracing.py

Budgets: at most 5 % more CPU with a listener; nothing measurable without. Deployments are made, scaled and deleted in a
test cluster, by turns with and without a listener that encodes each step as a component does.
"""

import asyncio
import gc
import statistics
import time
import timeit

import msgspec

from pybernetes.telemetry import traces
from pybernetes.testing import cluster as clusters
from pybernetes.testing import objects

ROUNDS, PODS = 30, 20
KIND = ("apps/v1", "Deployment")


async def work(cluster: clusters.Cluster) -> float:
    """CPU seconds of one Deployment's life."""
    gc.collect()
    began = time.process_time()
    await cluster.apply(objects.deployment("web", replicas=PODS))
    for wanted in (PODS, PODS // 2):
        await cluster.client.dynamic(*KIND).patch("web", {"spec": {"replicas": wanted}}, "default")
        await cluster.wait(*KIND, lambda found, n=wanted: found[0].get("status", {}).get("readyReplicas") == n)
    await cluster.client.dynamic(*KIND).delete("web", "default", propagation="Foreground")
    await cluster.wait("v1", "Pod", lambda found: not found)
    await cluster.settle()
    return time.process_time() - began


async def measure() -> None:
    """Print the ratio, and what one silent step costs."""
    spent: dict[bool, list[float]] = {False: [], True: []}
    heard: list[bytes] = []
    async with clusters.Cluster(clusters.Options(nodes=2)) as cluster:
        await work(cluster)
        for number in range(ROUNDS):
            if number % 2:
                with traces.listening(lambda step: heard.append(msgspec.json.encode(step) + b"\n")):
                    spent[True].append(await work(cluster))
            else:
                spent[False].append(await work(cluster))
    silent, listened = (statistics.median(spent[on]) for on in (False, True))
    print(f"a Deployment of {PODS} Pods: {silent * 1000:.1f} ms of CPU; with a listener {listened * 1000:.1f} ms")
    steps = len(heard) * 2 // ROUNDS
    print(f"ratio {listened / silent:.3f} (budget 1.05), {steps} steps a round")
    each = (
        min(timeit.repeat(lambda: traces.step(9, ("default", "web"), "Pod", "1"), number=100_000, repeat=5)) / 100_000
    )
    print(f"a step that nobody hears: {each * 1e9:.0f} ns, {each * steps / silent * 100:.2f} % of the round")


if __name__ == "__main__":
    asyncio.run(measure())
