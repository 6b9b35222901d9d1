"""What a Pod asks for."""

from typing import Any

import pytest
from tests.unit.scheduler import objects

from pybernetes.api import pod_requests
from pybernetes.scheduler.node_info import PodInfo


def container(cpu: str = "", memory: str = "", **more: Any) -> dict[str, Any]:
    """A container with requests."""
    requests = {name: amount for name, amount in (("cpu", cpu), ("memory", memory)) if amount}
    return {"name": more.pop("name", "c"), "image": "i", "resources": {"requests": requests}, **more}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "cpu", "memory"),
    [
        ({"containers": [container("1"), container("500m", "1Gi")]}, 1500, 1),
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, 3000, 0),
        ({"containers": [container("1")], "initContainers": [container("500m", **SIDECAR)]}, 1500, 0),
        # An init container runs beside the sidecars before it, not beside those after it.
        ({"containers": [container("1")], "initContainers": [container("1", **SIDECAR), container("4")]}, 5000, 0),
        ({"containers": [container("1")], "initContainers": [container("4"), container("1", **SIDECAR)]}, 4000, 0),
        ({"containers": [container("1")], "overhead": {"cpu": "250m", "memory": "1Gi"}}, 1250, 1),
        ({"containers": [container("1", "1Gi")], "resources": {"requests": {"cpu": "4"}}}, 4000, 1),
        ({"containers": [container("1")], "resources": {"limits": {"cpu": "4"}}}, 1000, 0),
        ({"containers": [container("1n")]}, 1, 0),
    ],
)
def test_requests(spec: Any, cpu: int, memory: int) -> None:
    info = PodInfo(objects.pod(**spec))
    assert (info.requests.milli_cpu, info.requests.memory) == (cpu, memory * objects.GI)


@pytest.mark.parametrize(
    ("spec", "cpu", "memory_mb"),
    [
        ({"containers": [container(), container()]}, 200, 400),
        ({"containers": [container("1"), container()]}, 1100, 400),
        ({"containers": [container(memory="1Mi")]}, 100, 1),
        ({"containers": [container()], "resources": {"requests": {"cpu": "4"}}}, 4000, 200),
    ],
)
def test_non_zero_requests(spec: Any, cpu: int, memory_mb: int) -> None:
    info = PodInfo(objects.pod(**spec))
    assert (info.non_zero_cpu, info.non_zero_memory) == (cpu, memory_mb * 1024 * 1024)


def resizing(wanted: str, allocated: str, actual: str, reason: str = "") -> PodInfo:
    """A Pod in the middle of a resize."""
    status: dict[str, Any] = {
        "containerStatuses": [
            {
                "name": "c",
                "allocatedResources": {"cpu": allocated},
                "resources": {"requests": {"cpu": actual}},
            }
        ]
    }
    if reason:
        status["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": reason}]
    return PodInfo(objects.pod(containers=[container(wanted)], status=status))


def test_the_largest_size_counts_while_resizing() -> None:
    assert resizing("1", "2", "1").requests.milli_cpu == 2000
    assert resizing("3", "2", "1").requests.milli_cpu == 3000
    assert resizing("1", "1", "4").requests.milli_cpu == 4000
    assert resizing("9", "2", "1", "Infeasible").requests.milli_cpu == 2000
    assert resizing("9", "2", "1", "Deferred").requests.milli_cpu == 9000


def test_same_sources() -> None:
    one = objects.pod("a", "1")
    assert pod_requests.same_sources(one, objects.pod("a", "1", labels={"x": "y"}))
    assert not pod_requests.same_sources(one, objects.pod("a", "2"))
    assert not pod_requests.same_sources(resizing("1", "2", "1").pod, resizing("1", "1", "1").pod)
