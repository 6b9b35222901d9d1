"""LimitRanges: defaults are filled in and noted, what is too much or too little is refused."""

from typing import Any

import pytest

from pybernetes.apimachinery import errors
from pybernetes.testing.cluster import Cluster

pytestmark = pytest.mark.cluster(nodes=0, scheduler=False, controllers=("serviceaccount",))


def _range(**limit: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "range"}, "spec": {"limits": [limit]}}


def _pod(**resources: dict[str, str]) -> dict[str, Any]:
    containers = [{"name": "one", "image": "none", "resources": resources}, {"name": "two", "image": "none"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": {"containers": containers}}


async def _ready(cluster: Cluster, limits: dict[str, Any]) -> None:
    await cluster.wait("v1", "ServiceAccount", lambda found: len(found) == 1, "default")
    await cluster.apply(limits)


async def test_defaults_are_filled_in(cluster: Cluster) -> None:
    await _ready(cluster, _range(type="Container", default={"cpu": "2"}, defaultRequest={"cpu": "1", "memory": "1Gi"}))
    made = await cluster.apply(_pod(requests={"cpu": "500m"}))
    resources = [one["resources"] for one in made["spec"]["containers"]]
    assert resources[0] == {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2"}}
    assert resources[1] == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}}
    note = made["metadata"]["annotations"]["kubernetes.io/limit-ranger"]
    assert note == (
        "LimitRanger plugin set: memory request for container one; cpu limit for container one; "
        "cpu, memory request for container two; cpu limit for container two"
    )


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"type": "Container", "min": {"cpu": "1"}}, "minimum cpu usage per Container is 1, but request is 500m"),
        ({"type": "Container", "max": {"cpu": "1"}}, "maximum cpu usage per Container is 1, but limit is 2"),
        ({"type": "Pod", "max": {"cpu": "1"}}, "maximum cpu usage per Pod is 1, but limit is 2"),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "3"}},
            "cpu max limit to request ratio per Container is 3, but provided ratio is 4.000000",
        ),
    ],
)
async def test_what_is_outside_is_refused(cluster: Cluster, limit: dict[str, Any], said: str) -> None:
    await _ready(cluster, _range(**limit))
    with pytest.raises(errors.Forbidden) as refused:
        await cluster.apply(_pod(requests={"cpu": "500m"}, limits={"cpu": "2"}))
    assert said in str(refused.value)


async def test_claims_ask_for_neither_more_nor_less(cluster: Cluster) -> None:
    await _ready(cluster, _range(type="PersistentVolumeClaim", min={"storage": "1Gi"}, max={"storage": "2Gi"}))
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "claim"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "3Gi"}}}
    with pytest.raises(
        errors.Forbidden, match="maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3"
    ):
        await cluster.apply({**claim, "spec": spec})
