"""The operator of docs/writing-an-operator.md on upstream's own control plane: the client knows any Kubernetes."""

import asyncio
import contextlib
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.aio import tasks
from pybernetes.apimachinery import meta
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


async def seen(resource: rest.Resource[Any], right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first object that is right."""
    page = await resource.list()
    for found in page.items:
        if right(found):
            return found
    async with asyncio.timeout(30), resource.watch(resource_version=page.resource_version) as events:
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
            definitions = client.dynamic("apiextensions.k8s.io/v1", "CustomResourceDefinition")
            await definitions.create(module["FOO"])
            await seen(definitions, lambda one: meta.condition_is(one, "Established"))
            group.start(module["operate"](client), "operator")
            deployments = client.dynamic("apps/v1", "Deployment")
            foos = client.resource(module["Foo"])
            await foos.create(module["a_foo"]("one"), "default")
            first = await seen(deployments, lambda one: one["metadata"]["name"] == "one")
            await deployments.delete("one", "default")
            again = await seen(deployments, lambda one: one["metadata"]["uid"] != first["metadata"]["uid"])
            await deployments.patch("one", {"spec": {"replicas": 0}}, "default")
            await seen(deployments, lambda one: one["metadata"]["generation"] > 2 and one["spec"]["replicas"] == 2)
            await foos.patch("foo", {"spec": {"deploymentName": "two"}}, "default")
            await seen(deployments, lambda one: one["metadata"]["name"] == "two")
            assert again["metadata"]["ownerReferences"][0]["name"] == "foo"
        await client.close()
