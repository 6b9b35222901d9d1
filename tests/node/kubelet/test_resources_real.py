"""What the kernel enforces for pods: weights, CPU quotas, memory limits, by class of service."""

import pathlib

import pytest
from tests.node.kubelet import real_node
from tests.node.kubelet.real_node import CGROUP, Node

from pybernetes.api.types import core
from pybernetes.kubelet import cgroup_manager, cgroups
from pybernetes.kubelet.cri import client as cri_client

pytestmark = pytest.mark.node
BUSY = "while :; do :; done"
SMALL = {"cpu": "100m", "memory": "32Mi"}


class Groups:
    """Reads the files of control groups by meaning, whatever the version."""

    def __init__(self) -> None:
        self._hierarchies = cgroup_manager.Hierarchies.find()

    def holds(self, group: str, limits: cgroups.Limits) -> bool:
        """Whether every file of the group has what goes with those limits."""
        wanted = cgroups.files(limits, self._hierarchies.version)
        return all(self._hierarchies.read(controller, group, file).strip() == text for controller, file, text in wanted)

    def throttled(self, group: str) -> int:
        return cgroups.cpu_statistics(self._hierarchies.read("cpu", group, "cpu.stat")).throttled_periods


def group_of(node: Node, pod: core.Pod) -> str:
    status = pod.status.containerStatuses[0]
    assert node.agent.groups is not None
    return node.agent.groups.group(pod, status.containerID.rpartition("//")[2])


async def test_each_class_has_its_groups(node: Node) -> None:
    kubepods, kernel = f"{CGROUP}/kubepods", Groups()
    specs = {"best": {}, "burst": {"requests": {"cpu": "250m"}}, "guaranteed": {"requests": SMALL, "limits": SMALL}}
    for name, resources in specs.items():
        await node.run(name, container={"resources": resources})
    pods = {name: await node.ready(name) for name in specs}
    places = {"best": f"{kubepods}/besteffort", "burst": f"{kubepods}/burstable", "guaranteed": kubepods}
    limits = {
        "best": cgroups.Limits(cpu_shares=2),
        "burst": cgroups.Limits(cpu_shares=256),
        "guaranteed": cgroups.Limits(cpu_shares=102, cpu_quota=10000, memory=32 * 2**20),
    }
    for name, pod in pods.items():
        group = f"{places[name]}/pod{pod.metadata.uid}"
        assert kernel.holds(group, limits[name]), name
        assert kernel.holds(group_of(node, pod), limits[name]), name
        assert pod.status.qosClass == {"best": "BestEffort", "burst": "Burstable"}.get(name, "Guaranteed")
    assert kernel.holds(f"{kubepods}/burstable", cgroups.Limits(cpu_shares=256))
    assert kernel.holds(f"{kubepods}/besteffort", cgroups.Limits(cpu_shares=2))
    await node.delete("burst")
    assert kernel.holds(f"{kubepods}/burstable", cgroups.Limits(cpu_shares=2))
    assert not cgroup_manager.Hierarchies.find().children(f"{kubepods}/burstable")


async def test_too_much_memory_is_oom_killed(node: Node) -> None:
    limit = {"limits": {"memory": "16Mi"}}
    await node.run("greedy", "sh", "-c", "tail /dev/zero", container={"resources": limit}, restartPolicy="Never")
    pod = await node.until("greedy", lambda pod: pod.status.phase == "Failed")
    ended = pod.status.containerStatuses[0].state.terminated
    assert ended is not None
    assert (ended.reason, ended.exitCode) == ("OOMKilled", 137)


async def test_throttling(node: Node) -> None:
    """Seed D6: a busy loop with a limit of 100m is held back and uses a tenth of a core; without one it is not."""
    await node.run("held", "sh", "-c", BUSY, container={"resources": {"limits": {"cpu": "100m"}}})
    await node.run("free", "sh", "-c", BUSY)
    held, free = await node.ready("held"), await node.ready("free")
    script = "for i in 1 2 3 4; do sleep 0.25; done; awk '{print ($14+$15)}' /proc/1/stat"
    before = int(await node.sh("held", "awk '{print ($14+$15)}' /proc/1/stat"))
    used = int(await node.sh("held", script)) - before
    assert used <= 30, f"{used} hundredths of a second in one second"
    assert Groups().throttled(group_of(node, held)) > 0
    assert Groups().throttled(group_of(node, free)) == 0
    text = (await node.http.request("GET", node.url("/metrics/cadvisor"), node.headers)).body.decode()
    line = next(one for one in text.splitlines() if one.startswith("container_cpu_cfs_throttled_periods_total"))
    assert 'pod="held"' in line
    assert float(line.rpartition(" ")[2]) > 0
    assert "container_cpu_cfs" not in "".join(one for one in text.splitlines() if 'pod="free"' in one)


async def test_quota_can_be_turned_off(real: cri_client.CriClient, tmp_path: pathlib.Path) -> None:
    """Seed D6: `--cpu-cfs-quota=false`."""
    async with real_node.start(real, tmp_path, cpu_cfs_quota=False) as node:
        await node.run("busy", "sh", "-c", BUSY, container={"resources": {"limits": {"cpu": "100m"}}})
        pod = await node.ready("busy")
        await node.sh("busy", "sleep 0.3")
        assert Groups().throttled(group_of(node, pod)) == 0
        assert Groups().holds(group_of(node, pod), cgroups.Limits(cpu_shares=102, cpu_quota=-1))


async def test_two_runtimes(node: Node) -> None:
    """Seed A11: the same pod by runc and by crun through RuntimeClass; its overhead counts for the pod as a whole."""
    for handler in ("runc", "crun"):
        await node.cluster.apply(
            {
                "apiVersion": "node.k8s.io/v1",
                "kind": "RuntimeClass",
                "metadata": {"name": f"by-{handler}"},
                "handler": handler,
                "overhead": {"podFixed": {"cpu": "50m", "memory": "8Mi"}},
            }
        )
        spec = {"runtimeClassName": f"by-{handler}", "container": {"resources": {"requests": SMALL, "limits": SMALL}}}
        await node.run(handler, **spec)
    for handler in ("runc", "crun"):
        pod = await node.ready(handler)
        wanted = cgroups.Limits(cpu_shares=153, cpu_quota=15000, memory=40 * 2**20)
        assert Groups().holds(f"{CGROUP}/kubepods/pod{pod.metadata.uid}", wanted)
        assert Groups().holds(group_of(node, pod), cgroups.Limits(cpu_shares=102, memory=32 * 2**20))
    nodes = node.cluster.client.resource(core.Node)
    (this,) = (await nodes.list()).items
    assert this.status.nodeInfo.containerRuntimeVersion.startswith("containerd://")


async def test_resizing_moves_all_limits(node: Node) -> None:
    """Up and down again: the container's limits, its pod's and its class's follow; only memory restarts it."""
    sizes = {
        "small": ({"cpu": "100m", "memory": "32Mi"}, {"cpu": "200m", "memory": "64Mi"}, 0),
        "more cpu": ({"cpu": "300m", "memory": "32Mi"}, {"cpu": "400m", "memory": "64Mi"}, 0),
        "more memory": ({"cpu": "300m", "memory": "48Mi"}, {"cpu": "400m", "memory": "96Mi"}, 1),
        "less cpu": ({"cpu": "50m", "memory": "48Mi"}, {"cpu": "100m", "memory": "96Mi"}, 1),
    }
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    for name, (requests, limits, restarts) in sizes.items():
        given = {"requests": requests, "limits": limits}
        if name == "small":
            await node.run("p", container={"resources": given, "resizePolicy": policy}, terminationGracePeriodSeconds=1)
        else:
            patch = {"spec": {"containers": [{"name": "c", "resources": given}]}}
            await node.pods.patch("p", patch, "default", type="strategic", subresource="resize")

        def resized(pod: core.Pod, wanted: object = limits, count: int = restarts) -> bool:
            status = next(iter(pod.status.containerStatuses), None)
            ready = status is not None and status.ready and status.restartCount == count
            under_way = any(one.type.startswith("PodResize") for one in pod.status.conditions)
            return ready and not under_way and status.resources is not None and status.resources.limits == wanted

        pod = await node.until("p", resized)
        weight = int(requests["cpu"][:-1]) * 1024 // 1000
        memory = int(limits["memory"][:-2]) * 2**20
        wanted = cgroups.Limits(cpu_shares=weight, cpu_quota=int(limits["cpu"][:-1]) * 100, memory=memory)
        assert Groups().holds(f"{CGROUP}/kubepods/burstable/pod{pod.metadata.uid}", wanted), name
        assert Groups().holds(group_of(node, pod), wanted), name
        assert Groups().holds(f"{CGROUP}/kubepods/burstable", cgroups.Limits(cpu_shares=weight)), name
