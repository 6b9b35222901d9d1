from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import admission, qos

MakePod = Callable[..., core.Pod]
BOTH = {"cpu": "1", "memory": "1Gi"}


def containers(*requirements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": f"c{number}", "resources": one} for number, one in enumerate(requirements)]


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"limits": BOTH}], "Guaranteed"),
        ([{"limits": BOTH, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
        ([{"limits": BOTH}, {}], "Burstable"),
        ([{"limits": {"cpu": "1"}}], "Burstable"),
        ([{"requests": BOTH}], "Burstable"),
        ([{"limits": BOTH, "requests": {"cpu": "1m"}}], "Burstable"),
    ],
)
def test_classes(make_pod: MakePod, requirements: list[dict[str, Any]], expected: str) -> None:
    assert qos.pod_qos(make_pod(containers=containers(*requirements))) == expected


@pytest.mark.parametrize(
    ("requirements", "priority", "expected"),
    [
        ({}, None, 1000),
        ({"limits": BOTH}, None, -997),
        ({}, 2_000_000_000, -997),
        ({"requests": {"memory": "2Gi"}}, None, 750),
        ({"requests": {"memory": "8Gi"}}, None, 3),
        ({"requests": {"cpu": "1"}}, None, 999),
    ],
)
def test_oom_score(make_pod: MakePod, requirements: dict[str, Any], priority: int | None, expected: int) -> None:
    pod = make_pod(containers=containers(requirements), priority=priority)
    assert qos.oom_score_adj(pod, pod.spec.containers[0], 8 * 2**30) == expected


ALLOCATABLE = {"cpu": "2", "memory": "4Gi", "pods": "2"}


@pytest.mark.parametrize(
    ("spec", "others", "reason"),
    [
        ({}, 0, None),
        ({}, 2, "OutOfpods"),
        ({"containers": containers({"requests": {"cpu": "2"}})}, 0, None),
        ({"containers": containers({"requests": {"cpu": "2"}})}, 1, "OutOfcpu"),
        ({"containers": containers({"requests": {"memory": "5Gi"}})}, 0, "OutOfmemory"),
        ({"nodeSelector": {"disk": "ssd"}}, 0, "NodeAffinity"),
        ({"nodeSelector": {"disk": "hdd"}}, 0, None),
        ({"os": {"name": "windows"}}, 0, "PodOSNotSupported"),
    ],
)
def test_admission(make_pod: MakePod, spec: dict[str, Any], others: int, reason: str | None) -> None:
    running = [make_pod(containers=containers({"requests": {"cpu": "100m"}}))] * others
    found = admission.admit(make_pod(**spec), running, ALLOCATABLE, {"disk": "hdd", "kubernetes.io/os": "linux"})
    assert (found.reason if found else None) == reason


def test_rejections_say_how_much(make_pod: MakePod) -> None:
    pod = make_pod(containers=containers({"requests": {"cpu": "3"}}))
    found = admission.admit(pod, [], ALLOCATABLE, {})
    assert found is not None
    assert found.message == (
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000"
    )
