"""How long virtual time takes: a week in a settled cluster, a lost node, forks and resets.

    python tests/bench/virtual_time.py              # CPU and wall seconds beside their budgets
    python tests/bench/virtual_time.py --profile    # where a day goes

Budgets: the week 5 s; a node that fails under an hour of toleration 0.2 s; a fork of 1,000 objects 10 ms; a reset
30 ms.
"""

import argparse
import asyncio
import contextlib
import cProfile
import gc
import pstats
import time
from collections.abc import Iterator

from pybernetes.aio import clock as clocks
from pybernetes.testing import cluster as clusters
from pybernetes.testing import objects

CRASHES = {"simulation.pybernetes.io/run-for": "1", "simulation.pybernetes.io/exit-code": "1"}


@contextlib.contextmanager
def timed(what: str, budget: float) -> Iterator[None]:
    """Prints what the block took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what}: {wall:.3f} s, {cpu:.3f} s of CPU (budget {budget} s)", flush=True)


async def settled(replicas: int) -> clusters.Cluster:
    """Three nodes, Pods that run, and one that crashes again and again."""
    made = clusters.Cluster(clusters.Options(nodes=3, virtual=True))
    await made.start()
    hour = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 3600}
    await made.apply(objects.deployment("web", replicas=replicas, tolerations=[{**hour, "effect": "NoExecute"}]))
    crashing = objects.pod("crashing")
    crashing["metadata"]["annotations"] = CRASHES
    await made.apply(crashing)
    await advance(made, hours=1)
    return made


async def advance(cluster: clusters.Cluster, **units: float) -> None:
    """Turn its clock."""
    assert isinstance(cluster.clock, clocks.VirtualClock)
    await cluster.clock.advance(**units)


async def measure() -> None:
    """Every budget once."""
    cluster = await settled(19)
    with timed("a week", 5):
        await advance(cluster, days=7)
    await cluster.nodes[0].stop()
    with timed("a node fails, its Pods move after an hour", 0.2):
        await advance(cluster, minutes=62)
    await cluster.stop()
    cluster = clusters.Cluster(clusters.Options(nodes=0, virtual=True))
    await cluster.start()
    for number in range(1000):
        await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"one-{number}"}})
    gc.collect()
    with timed("a fork of 1,000 objects", 0.01):
        copy = cluster.fork()
    await copy.start()
    await copy.stop()
    await cluster.stop()
    async with clusters.Cluster() as cluster:
        gc.collect()
        for _ in range(3):
            with timed("a reset", 0.03):
                await cluster.reset()


async def profile() -> None:
    """Where a day goes."""
    cluster = await settled(19)
    profiler = cProfile.Profile()
    profiler.enable()
    await advance(cluster, days=1)
    profiler.disable()
    await cluster.stop()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--profile", action="store_true")
    asyncio.run(profile() if parser.parse_args().profile else measure())
