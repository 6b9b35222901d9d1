"""The machine's wall clock jumps, forwards and back: what waits by monotonic time goes on, nothing is lost."""

import datetime
from collections.abc import Sequence
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.testing import objects
from pybernetes.testing.cluster import Cluster, Options


class JumpingClock(clocks.VirtualClock):
    """Wall time can be set; monotonic time goes on as if nothing had happened."""

    wrong = datetime.timedelta()

    def now(self) -> datetime.datetime:
        """The virtual wall time, as wrong as it was set."""
        return super().now() + self.wrong


def _is(condition: str, found: Sequence[dict[str, Any]]) -> list[str]:
    return [
        one["metadata"]["uid"]
        for one in found
        if "deletionTimestamp" not in one["metadata"]
        and any((c["type"], c["status"]) == (condition, "True") for c in one["status"].get("conditions") or ())
    ]


async def test_wall_time_jumps() -> None:
    clock = JumpingClock()
    async with Cluster(Options(nodes=2, clock=clock)) as cluster:
        await cluster.apply(objects.replica_set("web", replicas=2))
        pods = _is("Ready", await cluster.wait("v1", "Pod", lambda found: len(_is("Ready", found)) == 2, "default"))
        version = 0
        for replicas, days in ((3, 3), (4, -6), (5, 3)):
            clock.wrong += datetime.timedelta(days=days)
            await clock.advance(120)  # longer than a silent node is borne with
            nodes = await cluster.list("v1", "Node")
            assert len(_is("Ready", nodes)) == 2
            assert not any(node["spec"].get("taints") for node in nodes)
            for lease in await cluster.list("coordination.k8s.io/v1", "Lease", "kube-node-lease"):
                renewed = datetime.datetime.fromisoformat(lease["spec"]["renewTime"])
                assert abs(clock.now() - renewed) < datetime.timedelta(minutes=1)
            assert set(_is("Ready", await cluster.list("v1", "Pod", "default"))) == set(pods)
            scaled = await cluster.apply(objects.replica_set("web", replicas=replicas))
            assert int(scaled["metadata"]["resourceVersion"]) > version
            version = int(scaled["metadata"]["resourceVersion"])
            found = await cluster.wait(
                "v1", "Pod", lambda found, count=replicas: len(_is("Ready", found)) == count, "default"
            )
            pods = _is("Ready", found)
            await cluster.client.dynamic("v1", "Pod").delete(found[0]["metadata"]["name"], "default")
            await clock.advance(60)
            pods = _is("Ready", await cluster.list("v1", "Pod", "default"))
            assert len(pods) == replicas
