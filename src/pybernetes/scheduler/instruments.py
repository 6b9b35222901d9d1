"""The scheduler's metrics, under upstream's names.

Upstream: pkg/scheduler/metrics.
"""

from collections.abc import Sequence

from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.queue import PriorityQueue
from pybernetes.telemetry import metrics


def _exponential(start: float, factor: float, count: int) -> Sequence[float]:
    return tuple(start * factor**index for index in range(count))


class Instruments:
    """Every series the scheduler writes to."""

    _watched: tuple[Cache, PriorityQueue] | None = None

    def __init__(self, registry: metrics.Registry) -> None:
        self._registry = registry
        self._known: set[tuple[str, str]] = set()
        self.attempts = registry.counter(
            "scheduler_schedule_attempts_total",
            "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, "
            "while 'error' means an internal scheduler problem.",
            ("result", "profile"),
        )
        self.attempt_duration = registry.histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
            ("result", "profile"),
            _exponential(0.001, 2, 15),
        )
        self.algorithm_duration = registry.histogram(
            "scheduler_scheduling_algorithm_duration_seconds",
            "Scheduling algorithm latency in seconds",
            (),
            _exponential(0.001, 2, 15),
        ).labels()
        self.pod_attempts = registry.histogram(
            "scheduler_pod_scheduling_attempts",
            "Number of attempts to successfully schedule a pod.",
            (),
            _exponential(1, 2, 5),
        ).labels()
        self.sli_duration = registry.histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might "
            "involve multiple scheduling attempts.",
            ("attempts",),
            _exponential(0.01, 2, 20),
        )
        self.scheduled_after_flush = registry.counter(
            "scheduler_pod_scheduled_after_flush_total",
            "Number of pods that were successfully scheduled after being flushed from unschedulableEntities due to "
            "timeout.",
        ).labels()
        self.incoming = registry.counter(
            "scheduler_queue_incoming_pods_total",
            "Number of pods added to scheduling queues by event and queue type.",
            ("queue", "event"),
        )
        self.preemption_attempts = registry.counter(
            "scheduler_preemption_attempts_total", "Total preemption attempts in the cluster till now"
        ).labels()
        self.preemption_victims = registry.histogram(
            "scheduler_preemption_victims",
            "Number of selected preemption victims for preemption initiated by a single pod",
            (),
            _exponential(1, 2, 7),
        ).labels()
        self._pending = registry.gauge(
            "scheduler_pending_pods", "Number of pending pods, by the queue type.", ("queue",)
        )
        self._cache_size = registry.gauge(
            "scheduler_cache_size",
            "Number of nodes, pods, and assumed (bound) pods in the scheduler cache.",
            ("type",),
        )
        self._unschedulable = registry.gauge(
            "scheduler_unschedulable_pods",
            "The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all "
            "plugins that caused it to not schedule and so this metric have meaning only when broken down by plugin.",
            ("plugin", "profile"),
        )

    def watch(self, cache: Cache, queue: PriorityQueue) -> None:
        """Read sizes from there whenever metrics are asked for."""
        self._watched = (cache, queue)
        self._registry.refresh_by(self._refresh)

    def _refresh(self) -> None:
        assert self._watched is not None
        cache, queue = self._watched
        gated = sum(1 for one in queue.unschedulable.values() if one.gating_plugin)
        sizes = {
            "active": len(queue.active),
            "backoff": len(queue.backoff) + len(queue.error_backoff),
            "unschedulable": len(queue.unschedulable) - gated,
            "gated": gated,
        }
        for name, size in sizes.items():
            self._pending.labels(name).set(size)
        nodes = sum(1 for node in cache.nodes.values() if node.has_node)
        for name, size in (("nodes", nodes), ("pods", len(cache.pods)), ("assumed_pods", len(cache.assumed))):
            self._cache_size.labels(name).set(size)
        counts: dict[tuple[str, str], int] = {}
        for one in (*queue.unschedulable.values(), *queue.backoff, *queue.active):
            for plugin in one.rejectors:
                key = (plugin, one.pod.spec.schedulerName)
                counts[key] = counts.get(key, 0) + 1
        for key in {*counts, *self._known}:
            self._unschedulable.labels(*key).set(counts.get(key, 0))
        self._known.update(counts)
