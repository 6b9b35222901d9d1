from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import admission, resources

MakePod = Callable[..., core.Pod]
BOTH = {"cpu": "1", "memory": "1Gi"}


def containers(*requirements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": f"c{number}", "resources": one} for number, one in enumerate(requirements)]


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"limits": BOTH}], "Burstable"),
        ([{"limits": BOTH, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
        ([{"limits": BOTH, "requests": BOTH}, {}], "Burstable"),
        ([{"limits": {"cpu": "1"}}], "Burstable"),
        ([{"requests": BOTH}], "Burstable"),
        ([{"limits": BOTH, "requests": {"cpu": "1m"}}], "Burstable"),
    ],
)
def test_classes(make_pod: MakePod, requirements: list[dict[str, Any]], expected: str) -> None:
    assert resources.pod_qos(make_pod(containers=containers(*requirements))) == expected


@pytest.mark.parametrize(
    ("requirements", "priority", "expected"),
    [
        ({}, None, 1000),
        ({"limits": BOTH, "requests": BOTH}, None, -997),
        ({"requests": {"cpu": "1"}}, "system-node-critical", -997),
        ({"requests": {"memory": "2Gi"}}, None, 750),
        ({"requests": {"memory": "8Gi"}}, None, 3),
        ({"requests": {"cpu": "1"}}, None, 999),
    ],
)
def test_oom_score(make_pod: MakePod, requirements: dict[str, Any], priority: str | None, expected: int) -> None:
    pod = make_pod(containers=containers(requirements), priorityClassName=priority or "")
    assert resources.oom_score_adj(pod, pod.spec.containers[0], 8 * 2**30) == expected


def test_a_sidecar_outlives_whom_it_serves(make_pod: MakePod) -> None:
    sidecar = {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"memory": "1Gi"}}}
    pod = make_pod(initContainers=[sidecar], containers=containers({"requests": {"memory": "4Gi"}}))
    assert resources.oom_score_adj(pod, pod.spec.initContainers[0], 8 * 2**30) == 500
    whole = make_pod(
        resources={"requests": {"memory": "6Gi"}},
        containers=containers({"requests": {"memory": "2Gi"}}, {}),
    )
    assert [resources.oom_score_adj(whole, one, 8 * 2**30) for one in whole.spec.containers] == [500, 750]


QUOTA = {"cpu_period": 100000}


@pytest.mark.parametrize(
    ("requirements", "node", "expected"),
    [
        ({}, {}, {"cpu_shares": 2, "cpu_quota": 0, **QUOTA}),
        ({"requests": {"cpu": "500m"}}, {}, {"cpu_shares": 512, "cpu_quota": 0, **QUOTA}),
        ({"limits": {"cpu": "2"}}, {}, {"cpu_shares": 2048, "cpu_quota": 200000, **QUOTA}),
        ({"limits": {"cpu": "1m"}}, {}, {"cpu_shares": 2, "cpu_quota": 1000, **QUOTA}),
        ({"limits": {"cpu": "2"}}, {"cpu_cfs_quota": False}, {"cpu_shares": 2048}),
        ({"limits": {"cpu": "2"}}, {"cpu_period": 5000}, {"cpu_shares": 2048, "cpu_period": 5000, "cpu_quota": 10000}),
        (
            {"limits": {"memory": "64Mi", "hugepages-2Mi": "4Mi"}, "requests": {"memory": "1Mi"}},
            {"cpu_cfs_quota": False, "counts_swap": True},
            {
                "cpu_shares": 2,
                "memory_limit_in_bytes": 67108864,
                "memory_swap_limit_in_bytes": 67108864,
                "hugepage_limits": [{"page_size": "2MB", "limit": 4194304}],
            },
        ),
        (
            {"limits": {"memory": "1Ki"}},
            {"cpu_cfs_quota": False, "counts_swap": True, "cgroup_version": 2},
            {
                "cpu_shares": 2,
                "memory_limit_in_bytes": 1024,
                "unified": {"memory.oom.group": "1", "memory.swap.max": "0"},
            },
        ),
    ],
)
def test_kernel_resources(
    make_pod: MakePod, requirements: dict[str, Any], node: dict[str, Any], expected: dict[str, Any]
) -> None:
    pod = make_pod(containers=containers(requirements))
    assert resources.linux_resources(pod, pod.spec.containers[0], resources.Node(**node)) == expected


def test_a_container_without_a_limit_has_the_pods(make_pod: MakePod) -> None:
    pod = make_pod(containers=containers({}), resources={"limits": {"cpu": "1", "memory": "1Mi"}})
    found = resources.linux_resources(pod, pod.spec.containers[0], resources.Node())
    assert (found["cpu_quota"], found["memory_limit_in_bytes"]) == (100000, 2**20)


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


@pytest.mark.parametrize(
    ("taken", "reason"), [({"hostPort": 80, "hostIP": "127.0.0.1"}, "NodePorts"), ({"hostPort": 81}, None)]
)
def test_a_host_port_is_taken_once(make_pod: MakePod, taken: dict[str, Any], reason: str | None) -> None:
    def pod(port: dict[str, Any]) -> core.Pod:
        return make_pod(containers=[{"name": "one", "image": "none", "ports": [{"containerPort": 80, **port}]}])

    found = admission.admit(pod({"hostPort": 80}), [pod(taken)], ALLOCATABLE, {})
    assert (found.reason if found else None) == reason
