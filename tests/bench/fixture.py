"""How long the test fixture takes: a process's first cluster with its imports, then each further one.

    python tests/bench/fixture.py

Budgets: the first 0.8 s, each further one 50 ms (start and stop).
"""

import time

BEGUN = time.perf_counter()

import asyncio  # noqa: E402
import statistics  # noqa: E402

from pybernetes.testing import cluster as clusters  # noqa: E402

FURTHER = 20


async def measure() -> None:
    """Starts and stops clusters one after the other, as tests do."""
    times: list[float] = []
    begun = BEGUN
    for _ in range(FURTHER + 1):
        async with clusters.Cluster():
            pass
        times.append(time.perf_counter() - begun)
        begun = time.perf_counter()
    first, *further = times
    print(f"first cluster, imports included: {first * 1000:.0f} ms (budget 800)")
    print(f"each further: {statistics.median(further) * 1000:.0f} ms, at most {max(further) * 1000:.0f} (budget 50)")


if __name__ == "__main__":
    asyncio.run(measure())
