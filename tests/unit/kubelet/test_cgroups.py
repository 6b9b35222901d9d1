from collections.abc import Callable
from typing import Any

import pytest

from pybernetes.api.types import core
from pybernetes.kubelet import cgroups, resources

MakePod = Callable[..., core.Pod]
BOTH = {"cpu": "1", "memory": "1Gi"}
NODE = resources.Node()


def containers(*requirements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": f"c{number}", "resources": one} for number, one in enumerate(requirements)]


GUARANTEED = {"requests": BOTH, "limits": BOTH}
BURSTABLE = {"requests": {"cpu": "250m"}}


@pytest.mark.parametrize(
    ("spec", "group", "limits"),
    [
        ({"containers": containers({})}, "/n/kubepods/besteffort/podu-1", {"cpu_shares": 2}),
        (
            {"containers": containers(BURSTABLE, {"limits": {"cpu": "1"}, "requests": {"cpu": "250m"}})},
            "/n/kubepods/burstable/podu-1",
            {"cpu_shares": 512},
        ),
        (
            {"containers": containers({"limits": {"cpu": "1"}, "requests": {"cpu": "250m"}})},
            "/n/kubepods/burstable/podu-1",
            {"cpu_shares": 256, "cpu_quota": 100000},
        ),
        (
            {"containers": containers(GUARANTEED), "overhead": {"cpu": "500m", "memory": "64Mi"}},
            "/n/kubepods/podu-1",
            {"cpu_shares": 1536, "cpu_quota": 150000, "memory": 2**30 + 2**26},
        ),
        (
            {"containers": containers({}), "resources": {"limits": BOTH, "requests": {"cpu": "100m"}}},
            "/n/kubepods/burstable/podu-1",
            {"cpu_shares": 102, "cpu_quota": 100000, "memory": 2**30},
        ),
    ],
)
def test_groups_of_pods(make_pod: MakePod, spec: dict[str, Any], group: str, limits: dict[str, int]) -> None:
    pod = make_pod(**spec)
    assert cgroups.pod_group("/n/", pod) == group
    assert cgroups.of_pod(pod, NODE) == cgroups.Limits(**limits)


def test_without_quota_pods_are_told_so(make_pod: MakePod) -> None:
    pod = make_pod(containers=containers(GUARANTEED))
    assert cgroups.of_pod(pod, resources.Node(cpu_cfs_quota=False), 9).cpu_quota == -1


def test_classes_weigh_what_their_pods_ask_for(make_pod: MakePod) -> None:
    pods = [make_pod(containers=containers(one)) for one in (BURSTABLE, BURSTABLE, GUARANTEED, {})]
    assert cgroups.of_class("Burstable", pods) == cgroups.Limits(cpu_shares=512)
    assert cgroups.of_class("BestEffort", pods) == cgroups.Limits(cpu_shares=2)
    assert cgroups.of_node({"cpu": "2", "memory": "1Gi"}) == cgroups.Limits(cpu_shares=2048, memory=2**30)


@pytest.mark.parametrize(
    ("limits", "v1", "v2"),
    [
        (cgroups.Limits(), {}, {}),
        (
            cgroups.Limits(cpu_shares=1024, cpu_quota=50000, memory=4096, pids=10),
            {
                "cpu.shares": "1024",
                "cpu.cfs_period_us": "100000",
                "cpu.cfs_quota_us": "50000",
                "memory.limit_in_bytes": "4096",
                "pids.max": "10",
            },
            {"cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": "4096", "pids.max": "10"},
        ),
        (
            cgroups.Limits(cpu_shares=2, cpu_quota=-1, cpu_period=5000),
            {"cpu.shares": "2", "cpu.cfs_period_us": "5000", "cpu.cfs_quota_us": "-1"},
            {"cpu.weight": "1", "cpu.max": "max 5000"},
        ),
        (cgroups.Limits(cpu_shares=262144), {"cpu.shares": "262144"}, {"cpu.weight": "10000"}),
    ],
)
def test_files(limits: cgroups.Limits, v1: dict[str, str], v2: dict[str, str]) -> None:
    for version, expected in ((1, v1), (2, v2)):
        assert {file: text for _, file, text in cgroups.files(limits, version)} == expected


@pytest.mark.parametrize("spent", ["throttled_time 2500000000", "throttled_usec 2500000"])
def test_statistics(spent: str) -> None:
    found = cgroups.cpu_statistics(f"nr_periods 10\nnr_throttled 4\n{spent}\n")
    assert found == cgroups.CpuStatistics(10, 4, 2.5)
    assert cgroups.cpu_statistics("") == cgroups.CpuStatistics()
