"""The kubelet's metrics, by upstream's names.

Upstream: pkg/kubelet/metrics/metrics.go.
"""

from pybernetes.kubelet import runtime_status
from pybernetes.telemetry import metrics

_START_BUCKETS = (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200)

started_pods = metrics.DEFAULT.counter("kubelet_started_pods_total", "Cumulative number of pods started").labels()
started_pods_errors = metrics.DEFAULT.counter(
    "kubelet_started_pods_errors_total", "Cumulative number of errors when starting pods"
).labels()
started_containers = metrics.DEFAULT.counter(
    "kubelet_started_containers_total", "Cumulative number of containers started", ("container_type",)
)
started_containers_errors = metrics.DEFAULT.counter(
    "kubelet_started_containers_errors_total",
    "Cumulative number of errors when starting containers",
    ("container_type", "code"),
)
pod_start_duration = metrics.DEFAULT.histogram(
    "kubelet_pod_start_duration_seconds",
    "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
    buckets=_START_BUCKETS,
).labels()
pod_worker_duration = metrics.DEFAULT.histogram(
    "kubelet_pod_worker_duration_seconds",
    "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
    ("operation_type",),
)
relist_duration = metrics.DEFAULT.histogram(
    "kubelet_pleg_relist_duration_seconds", "Duration in seconds for relisting pods in PLEG."
).labels()
evictions = metrics.DEFAULT.counter(
    "kubelet_evictions", "Cumulative number of pod evictions by eviction signal", ("eviction_signal",)
)


def container_type(container: runtime_status.AnyContainer, *, init: bool) -> str:
    """As the label `container_type` calls it."""
    if hasattr(container, "targetContainerName"):
        return "ephemeral_container"
    return "init_container" if init else "container"
