"""The same situations, the same answers as upstream's scheduler (recorded by record_verdicts.py)."""

import json
import pathlib
from typing import Any

import pytest
from tests.unit.scheduler import scenarios

RECORDED = json.loads((pathlib.Path(__file__).parent / "verdicts.json").read_text())


@pytest.mark.parametrize("scenario", scenarios.everything(), ids=lambda one: one.name)
async def test_as_upstream(cluster: Any, scenario: scenarios.Scenario) -> None:
    expected = [tuple(verdict) for verdict in RECORDED[scenario.name]]
    nodes, pods = cluster.client.dynamic("v1", "Node"), cluster.client.dynamic("v1", "Pod")
    await cluster.start()
    for one in scenario.nodes:
        await nodes.create(one)
        await nodes.patch(one["metadata"]["name"], {"status": one["status"]}, subresource="status")
    for one in scenario.placed:
        await pods.create(one, "default")
    await cluster.settle()
    found = []
    for one in scenario.pods[: len(expected)]:
        await pods.create(one, "default")
        found.append(await verdict(cluster, one["metadata"]["name"]))
        await cluster.settle(0.05)
    assert found == expected


async def verdict(cluster: Any, name: str) -> tuple[str, str]:
    """Wait for it."""
    found: list[tuple[str, str]] = []

    async def decided() -> bool:
        node = await cluster.node_of(name)
        condition = await cluster.condition(name)
        if node:
            found.append(("node", node))
        elif condition.get("status") == "False":
            found.append((condition["reason"], condition["message"]))
        return bool(found)

    await cluster.until(decided)
    return found[0]
