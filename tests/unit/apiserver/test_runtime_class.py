"""Admission of Pods that name a RuntimeClass."""

from typing import Any

import pytest

from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.apiserver.admission import runtime_class
from pybernetes.testing import cluster as clusters

EVERY = {"operator": "Exists"}
GPU = {"key": "gpu", "operator": "Equal", "value": "a", "effect": "NoSchedule"}
CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "vm"},
    "handler": "crun",
    "overhead": {"podFixed": {"cpu": "250m", "memory": "64Mi"}},
    "scheduling": {"nodeSelector": {"disk": "ssd"}, "tolerations": [GPU]},
}
WRONG = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"


async def _create(cluster: clusters.Cluster, **spec: Any) -> core.Pod:
    await cluster.apply(CLASS)
    await cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    return await cluster.client.resource(core.Pod).create(
        {**body, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}, "default"
    )


async def test_the_class_fills_in() -> None:
    async with clusters.Cluster(clusters.Options(controllers=(), scheduler=False, nodes=0)) as cluster:
        pod = await _create(cluster, runtimeClassName="vm", nodeSelector={"zone": "a"})
        assert pod.spec.overhead == {"cpu": "250m", "memory": "64Mi"}
        assert pod.spec.nodeSelector == {"zone": "a", "disk": "ssd"}
        assert [one.key for one in pod.spec.tolerations if one.effect == "NoSchedule"] == ["gpu"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        ({"runtimeClassName": "vm", "overhead": {"cpu": "1"}}, WRONG),
        (
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            {"runtimeClassName": "vm", "nodeSelector": {"disk": "hdd"}},
            "conflict: runtimeClass.scheduling.nodeSelector[disk] = ssd; pod.spec.nodeSelector[disk] = hdd",
        ),
    ],
)
async def test_refusals(spec: dict[str, Any], message: str) -> None:
    async with clusters.Cluster(clusters.Options(controllers=(), scheduler=False, nodes=0)) as cluster:
        with pytest.raises(errors.Forbidden) as refused:
            await _create(cluster, **spec)
    assert str(refused.value).endswith(message)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], []),
        ([GPU, GPU], [GPU]),
        ([GPU, EVERY], [EVERY]),
        ([EVERY, GPU], [EVERY]),
        ([GPU, {**GPU, "value": "b"}], [GPU, {**GPU, "value": "b"}]),
        ([GPU, {**GPU, "effect": ""}], [{**GPU, "effect": ""}]),
    ],
)
def test_tolerations_merge(given: list[dict[str, str]], kept: list[dict[str, str]]) -> None:
    assert runtime_class.merge(given) == kept
