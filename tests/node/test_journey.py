"""The journey of one ReplicaSet on a real node: applied, running, replaced, scaled, deleted; its invariants hold."""

import asyncio
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from pybernetes.aio import tasks
from pybernetes.cli.journey import invariants as journey
from pybernetes.client import rest

pytestmark = [pytest.mark.node, pytest.mark.slow]

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "replicaset.yaml"
QUIET = 20
"""Seconds of steady state in which nobody may write."""


SETTLING = 3
"""Seconds for the last status of Pods that are gone."""


class Recorder:
    """Follows Pods by a watch and lets the test wait for a state."""

    def __init__(self, client: rest.Client) -> None:
        self.changes: list[journey.Change] = []
        self.pods: dict[str, dict[str, Any]] = {}
        self._client = client
        self._changed = asyncio.Event()

    async def follow(self, since: str) -> None:
        async with self._client.dynamic("v1", "Pod").watch("default", resource_version=since) as events:
            async for event in events:
                if event.type == "BOOKMARK":
                    continue
                self.changes.append(journey.Change(event.type, event.object, self._client.clock.now()))
                name = event.object["metadata"]["name"]
                if event.type == "DELETED":
                    self.pods.pop(name, None)
                else:
                    self.pods[name] = event.object
                self._changed.set()

    async def until(self, condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition([*self.pods.values()]):
                self._changed.clear()
                await self._changed.wait()


def _ready(pods: list[dict[str, Any]]) -> int:
    def is_ready(pod: dict[str, Any]) -> bool:
        conditions = pod["status"].get("conditions") or ()
        return not pod["metadata"].get("deletionTimestamp") and any(
            one["type"] == "Ready" and one["status"] == "True" for one in conditions
        )

    return sum(map(is_ready, pods))


async def test_a_replica_set_from_apply_to_running_and_back(real_cluster: Any) -> None:
    client = real_cluster.client()
    sets, pods = client.dynamic("apps/v1", "ReplicaSet"), client.dynamic("v1", "Pod")
    since = (await pods.list("default")).resource_version
    audited, logged = len(real_cluster.audit()), len(real_cluster.log("control-plane"))
    recorder = Recorder(client)
    async with tasks.TaskGroup("journey") as group:
        group.start(recorder.follow(since), "watch")

        await sets.create(yaml.safe_load(EXAMPLE.read_text()), "default")
        await recorder.until(lambda found: _ready(found) == 3)

        victim = next(iter(recorder.pods))
        await pods.delete(victim, "default")
        await recorder.until(lambda found: victim not in recorder.pods and _ready(found) == 3)

        await sets.patch("web", {"spec": {"replicas": 5}}, "default")
        await recorder.until(lambda found: _ready(found) == 5)
        await sets.patch("web", {"spec": {"replicas": 2}}, "default")
        await recorder.until(lambda found: _ready(found) == 2 and len(found) == 2)
        settled = await sets.get("web", "default")
        assert settled["status"]["readyReplicas"] == settled["status"]["availableReplicas"] == 2

        await _nobody_writes(real_cluster, client)

        await sets.delete("web", "default", propagation="Foreground")
        await recorder.until(lambda found: not found)
        await _gone(sets, "web")
        await _pass_time(client, 1)  # the audit log is written a few times a second
        events = (await client.dynamic("v1", "Event").list("default")).items
    await client.close()
    recorded = journey.Journey(
        pods=recorder.changes,
        audit=real_cluster.audit()[audited:],
        events=events,
        log=real_cluster.log("control-plane")[logged:],
        cri=real_cluster.cri_log(),
        wanted=5,
    )
    assert journey.check(recorded) == []

    _selected_by_node(real_cluster.audit())


def _selected_by_node(audit: list[dict[str, Any]]) -> None:
    watches = [
        event["requestURI"]
        for event in audit
        if event["verb"] in ("list", "watch")
        and event["requestURI"].startswith("/api/v1/pods?")
        and event["user"]["username"].startswith("system:node:")
    ]
    assert watches
    assert all("fieldSelector=spec.nodeName%3D" in uri for uri in watches)


async def _gone(resource: rest.Resource[dict[str, Any]], name: str) -> None:
    page = await resource.list("default", field_selector=f"metadata.name={name}")
    if page.items:
        async with asyncio.timeout(30), resource.watch("default", resource_version=page.resource_version) as events:
            async for event in events:
                if event.type == "DELETED" and event.object["metadata"]["name"] == name:
                    return


async def _pass_time(client: rest.Client, seconds: float) -> None:
    async with client.dynamic("v1", "ConfigMap").watch("kube-public", timeout=seconds) as events:
        async for _ in events:
            pass


async def _nobody_writes(real_cluster: Any, client: rest.Client) -> None:
    """I12. The watch on something that nobody touches ends by itself after the time that it was given."""

    await _pass_time(client, SETTLING)
    start = len(real_cluster.audit())
    await _pass_time(client, QUIET)
    assert journey.writes(real_cluster.audit()[start:], ("pods", "replicasets")) == []


async def test_running_containers_survive_the_kubelet(real_cluster: Any) -> None:
    client = real_cluster.client()
    pods = client.dynamic("v1", "Pod")
    since = (await pods.list("default")).resource_version
    recorder = Recorder(client)
    manifest = yaml.safe_load(EXAMPLE.read_text())
    async with tasks.TaskGroup("kubelet") as group:
        group.start(recorder.follow(since), "watch")
        await client.dynamic("apps/v1", "ReplicaSet").create(manifest, "default")
        await recorder.until(lambda found: _ready(found) == 3)
        before = {name: _containers(pod) for name, pod in recorder.pods.items()}
        real_cluster.kill("node")
        real_cluster.up()
        await client.dynamic("apps/v1", "ReplicaSet").patch("web", {"spec": {"replicas": 4}}, "default")
        await recorder.until(lambda found: _ready(found) == 4)
        assert {name: _containers(recorder.pods[name]) for name in before} == before
        await client.dynamic("apps/v1", "ReplicaSet").delete("web", "default", propagation="Background")
        await recorder.until(lambda found: not found)
    await client.close()


def _containers(pod: dict[str, Any]) -> list[tuple[str, int]]:
    return [(one["containerID"], one["restartCount"]) for one in pod["status"]["containerStatuses"]]
