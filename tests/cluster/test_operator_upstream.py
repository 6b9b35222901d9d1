"""The operator of docs/writing-an-operator.md on upstream's own control plane: the client knows any Kubernetes."""

import asyncio
import contextlib
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.aio import tasks
from pybernetes.client import connect, rest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "upstream"))

import oracle  # noqa: E402

pytestmark = [pytest.mark.upstream, pytest.mark.slow]


def page() -> dict[str, Any]:
    """What the page defines."""
    module: dict[str, Any] = {"__name__": "writing_an_operator"}
    text = (ROOT / "docs" / "writing-an-operator.md").read_text()
    for block in text.split("```python\n")[1:]:
        exec(block.split("```")[0], module)
    return module


async def seen(client: rest.Client, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first Deployment that is right."""
    resource = client.dynamic("apps/v1", "Deployment")
    page = await resource.list("default")
    for found in page.items:
        if right(found):
            return found
    async with asyncio.timeout(30), resource.watch("default", resource_version=page.resource_version) as events:
        async for event in events:
            if event.type in ("ADDED", "MODIFIED") and right(event.object):
                return event.object
    raise AssertionError("the watch ended")


async def test_the_operator_runs_on_upstream() -> None:
    running, module = await asyncio.to_thread(oracle.Oracle(controllers=True).__enter__), page()
    with contextlib.ExitStack() as stack:
        stack.callback(running.__exit__, None, None, None)
        client = connect.client(str(running.kubeconfig))
        async with tasks.TaskGroup("test") as group:
            group.start(module["operate"](client), "operator")
            foos = client.dynamic("v1", "ConfigMap")
            await foos.create(module["a_foo"]("one"), "default")
            first = await seen(client, lambda one: one["metadata"]["name"] == "one")
            await client.dynamic("apps/v1", "Deployment").delete("one", "default")
            again = await seen(client, lambda one: one["metadata"]["uid"] != first["metadata"]["uid"])
            await client.dynamic("apps/v1", "Deployment").patch("one", {"spec": {"replicas": 0}}, "default")
            await seen(client, lambda one: one["metadata"]["generation"] > 2 and one["spec"]["replicas"] == 2)
            await foos.patch("foo", {"data": {"deploymentName": "two"}}, "default")
            await seen(client, lambda one: one["metadata"]["name"] == "two")
            assert again["metadata"]["ownerReferences"][0]["name"] == "foo"
        await client.close()
