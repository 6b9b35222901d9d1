"""Virtual time: long stretches in no time, the same seed the same history."""

import json
import os
import subprocess
import sys

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.testing import objects
from pybernetes.testing.cluster import Cluster, Options

CRASHES = {"simulation.pybernetes.io/run-for": "1", "simulation.pybernetes.io/exit-code": "1"}


async def advance(cluster: Cluster, **units: float) -> None:
    assert isinstance(cluster.clock, clocks.VirtualClock)
    await cluster.clock.advance(**units)


@pytest.mark.cluster(nodes=3, virtual=True)
async def test_hours_in_a_settled_cluster(cluster: Cluster) -> None:
    await cluster.apply(objects.deployment("web", replicas=6))
    crashing = objects.pod("crashing")
    crashing["metadata"]["annotations"] = CRASHES
    await cluster.apply(crashing)
    await advance(cluster, minutes=20)
    before = {pod["metadata"]["name"]: pod for pod in await cluster.list("v1", "Pod")}
    await advance(cluster, hours=6)
    after = {pod["metadata"]["name"]: pod for pod in await cluster.list("v1", "Pod")}
    counts = [pods["crashing"]["status"]["containerStatuses"][0]["restartCount"] for pods in (before, after)]
    assert counts[1] - counts[0] == pytest.approx(6 * 60 / 5, abs=2)
    for pods in (before, after):
        del pods["crashing"]
    assert before == after
    leases = await cluster.list("coordination.k8s.io/v1", "Lease", "kube-node-lease")
    assert {lease["spec"]["renewTime"] for lease in leases} == {"2026-01-01T06:20:00.000000Z"}
    assert all(map(objects.is_ready, await cluster.list("v1", "Node")))


@pytest.mark.cluster(nodes=2, virtual=True)
async def test_a_node_fails_and_its_pods_move_after_their_toleration(cluster: Cluster) -> None:
    hour = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 3600}
    await cluster.apply(objects.deployment("web", replicas=2, tolerations=[{**hour, "effect": "NoExecute"}]))
    await advance(cluster, days=1)
    lost = cluster.nodes[0]
    await lost.stop()
    for minutes, moved in ((0.7, 0), (0.3, 0), (59, 0), (2, 1)):
        await advance(cluster, minutes=minutes)
        pods = await cluster.list("v1", "Pod")
        assert len([pod for pod in pods if pod["metadata"].get("deletionTimestamp")]) == moved
        node = await cluster.get("v1", "Node", lost.name)
        assert objects.is_ready(node) == (minutes == 0.7)
    await lost.start()
    await advance(cluster, minutes=1)
    pods = await cluster.list("v1", "Pod")
    assert [objects.is_ready(pod) for pod in pods] == [True, True]


async def history(seed: int) -> list[tuple[str, ...]]:
    """All that happens in a cluster of that seed."""
    seen = []
    async with Cluster(Options(nodes=3, virtual=True, seed=seed)) as cluster:
        await cluster.apply(objects.deployment("web", replicas=5))
        crashing = objects.pod("crashing")
        crashing["metadata"]["annotations"] = CRASHES
        await cluster.apply(crashing)
        await cluster.apply(objects.service("web"))
        await advance(cluster, minutes=7)
        await cluster.nodes[0].stop()
        await advance(cluster, minutes=7)
        for event in cluster.history():
            obj = event.record.value if event.type.name == "PUT" else b"{}"
            facts = json.loads(obj).get("metadata", {})
            stamp = (facts.get("uid", ""), facts.get("creationTimestamp", ""), str(len(obj)))
            seen.append((event.type.name, event.record.key, str(event.record.mod_revision), *stamp))
    return seen


def test_a_seed_repeats_a_history_in_any_process() -> None:
    script = "import asyncio, json, runpy, sys; module = runpy.run_path(sys.argv[1]); "
    script += "print(json.dumps(asyncio.run(module['history'](int(sys.argv[2])))))"

    def run(seed: int, hash_seed: int) -> list[list[str]]:
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        answer = subprocess.run(
            [sys.executable, "-c", script, __file__, str(seed)], env=environment, capture_output=True, check=True
        )
        found: list[list[str]] = json.loads(answer.stdout)
        return found

    one, same, other = run(1, 1), run(1, 2), run(2, 1)
    assert len(one) > 100
    assert one == same
    assert one != other
