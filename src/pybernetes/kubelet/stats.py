"""CPU and memory of node, pods and containers, as the metrics server and autoscalers read them.

Upstream: pkg/kubelet/stats, pkg/kubelet/metrics/collectors/resource_metrics.go, cadvisor/metrics/prometheus.go.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps
from pybernetes.kubelet import cgroup_manager, machine, resources, runtime_status
from pybernetes.kubelet import config as configs
from pybernetes.kubelet.cri import runtime
from pybernetes.telemetry import metrics

_LABELS = ("container", "id", "image", "name", "namespace", "pod")
_THROTTLING = (
    ("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals."),
    ("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals."),
    ("container_cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled."),
)
_USAGE = (
    ("container_memory_working_set_bytes", "Current working set in bytes."),
    ("container_spec_memory_limit_bytes", "Memory limit for the container."),
    ("container_spec_cpu_shares", "CPU share of the container."),
)


class StatsProvider:
    """Asks the runtime when somebody asks us."""

    def __init__(
        self,
        cri: runtime.Runtime,
        clock: clocks.Clock,
        config: configs.KubeletConfig,
        host: machine.Machine,
        pods: Callable[[], list[core.Pod]],
    ) -> None:
        self._cri = cri
        self._clock = clock
        self._config = config
        self._machine = host
        self._pods = pods
        self.groups: cgroup_manager.PodGroups | None = None
        self.limits = resources.DEFAULT_NODE
        self._last_cpu: dict[str, tuple[int, int]] = {}

    async def summary(self) -> dict[str, Any]:
        """`/stats/summary`: the node, and each pod with its containers."""
        now = timestamps.format_time(self._clock.now())
        by_pod: dict[str, list[runtime.Stats]] = {}
        for one in await self._cri.stats():
            by_pod.setdefault(one.pod_uid, []).append(one)
        pods = []
        for pod in self._pods():
            found = by_pod.get(pod.metadata.uid)
            if not found:
                continue
            metadata = pod.metadata
            pods.append(
                {
                    "podRef": {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid},
                    "startTime": pod.status.startTime,
                    "containers": [self._container(one, pod.status.startTime or now) for one in found],
                    "cpu": self._cpu(metadata.uid, sum(one.cpu_nanoseconds for one in found), now),
                    "memory": {"time": now, "workingSetBytes": sum(one.memory_working_set for one in found)},
                }
            )
        return {"node": self._node(now), "pods": pods}

    def _node(self, now: str) -> dict[str, Any]:
        usage = shutil.disk_usage(self._config.root_dir) if self._config.root_dir.exists() else None
        available = machine.available_memory()
        node: dict[str, Any] = {
            "nodeName": self._config.node_name,
            "startTime": now,
            "cpu": self._cpu("", node_cpu_nanoseconds(), now),
            "memory": {
                "time": now,
                "availableBytes": available,
                "workingSetBytes": max(0, self._machine.memory - available),
            },
        }
        if usage is not None:
            node["fs"] = {
                "time": now,
                "availableBytes": usage.free,
                "capacityBytes": usage.total,
                "usedBytes": usage.used,
            }
        return node

    def _container(self, one: runtime.Stats, start: str) -> dict[str, Any]:
        moment = timestamps.from_unix(one.timestamp / 1e9) if one.timestamp else start
        return {
            "name": one.name,
            "startTime": start,
            "cpu": self._cpu(one.container_id, one.cpu_nanoseconds, moment),
            "memory": {"time": moment, "workingSetBytes": one.memory_working_set},
            "rootfs": {"time": moment, "usedBytes": one.rootfs_bytes},
        }

    def _cpu(self, key: str, total: int, moment: str) -> dict[str, Any]:
        """Usage since the last question as cores, and in total."""
        now = int(self._clock.monotonic() * 1e9)
        before = self._last_cpu.get(key)
        self._last_cpu[key] = (now, total)
        cores = 0
        if before is not None and now > before[0] and total >= before[1]:
            cores = int((total - before[1]) * 1_000_000_000 / (now - before[0]))
        return {"time": moment, "usageNanoCores": cores, "usageCoreNanoSeconds": total}

    async def resource_metrics(self) -> bytes:
        """`/metrics/resource` in Prometheus text."""
        moment = int(self._clock.now().timestamp() * 1000)
        names = {pod.metadata.uid: pod.metadata for pod in self._pods()}
        cpu, memory = [], []
        for one in await self._cri.stats():
            metadata = names.get(one.pod_uid)
            if metadata is None:
                continue
            labels = f'container="{one.name}",namespace="{metadata.namespace}",pod="{metadata.name}"'
            when = one.timestamp // 1_000_000 or moment
            seconds = one.cpu_nanoseconds / 1e9
            cpu.append(f"container_cpu_usage_seconds_total{{{labels}}} {seconds:.9f} {when}")
            memory.append(f"container_memory_working_set_bytes{{{labels}}} {one.memory_working_set} {when}")
        used = max(0, self._machine.memory - machine.available_memory())
        lines = [
            "# TYPE container_cpu_usage_seconds_total counter",
            *cpu,
            "# TYPE container_memory_working_set_bytes gauge",
            *memory,
            "# TYPE node_cpu_usage_seconds_total counter",
            f"node_cpu_usage_seconds_total {node_cpu_nanoseconds() / 1e9:.9f} {moment}",
            "# TYPE node_memory_working_set_bytes gauge",
            f"node_memory_working_set_bytes {used} {moment}",
            "# TYPE scrape_error gauge",
            "scrape_error 0",
        ]
        return ("\n".join(lines) + "\n").encode()

    async def cadvisor_metrics(self) -> bytes:
        """`/metrics/cadvisor` in Prometheus text: of every running container, and how often its quota held it back."""
        registry = metrics.Registry()
        seconds = registry.counter(
            "container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", (*_LABELS, "cpu")
        )
        throttling = [registry.counter(name, text, _LABELS) for name, text in _THROTTLING]
        usage = [registry.gauge(name, text, _LABELS) for name, text in _USAGE]
        pods = {pod.metadata.uid: pod for pod in self._pods()}
        image_of = {one.id: one.image for one in await self._cri.list_containers()}
        for one in await self._cri.stats():
            pod = pods.get(one.pod_uid)
            container = runtime_status.find_container(pod.spec, one.name) if pod is not None else None
            if pod is None or container is None:
                continue
            group = self.groups.group(pod, one.container_id) if self.groups is not None else ""
            image, metadata = image_of.get(one.container_id, ""), pod.metadata
            labels = (one.name, group, image, one.container_id, metadata.namespace, metadata.name)
            seconds.labels(*labels, "total").set(one.cpu_nanoseconds / 1e9)
            given = resources.linux_resources(pod, container, self.limits)
            values = (one.memory_working_set, given.get("memory_limit_in_bytes", 0), given["cpu_shares"])
            for family, value in zip(usage, values, strict=True):
                family.labels(*labels).set(value)
            if self.groups is not None and given.get("cpu_quota"):
                held = self.groups.cpu_statistics(pod, one.container_id)
                for family, amount in zip(
                    throttling, (held.periods, held.throttled_periods, held.throttled), strict=True
                ):
                    family.labels(*labels).set(amount)
        return registry.render()


def node_cpu_nanoseconds() -> int:
    """CPU time spent by the whole machine since its start, without idling."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            words = file.readline().split()[1:]
    except OSError:
        return 0
    user, nice, system, _, _, *interrupts = (int(word) for word in words[:8])
    return (user + nice + system + sum(interrupts)) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
