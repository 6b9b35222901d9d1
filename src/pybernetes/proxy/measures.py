"""The proxy's metrics, with upstream's names and buckets.

Upstream: pkg/proxy/metrics.
"""

from pybernetes.proxy.ruleset import FAMILY, Ruleset
from pybernetes.telemetry import metrics

_BUCKETS = tuple(0.001 * 2**step for step in range(15))
_PROGRAMMING_BUCKETS = (
    *(0.25, 0.5),
    *(float(seconds) for seconds in range(1, 60)),
    *(float(seconds) for seconds in range(60, 120, 5)),
    *(float(seconds) for seconds in range(120, 301, 30)),
)
_IP_FAMILY = ("ip_family",)
_PREFIX = "kubeproxy_sync_proxy_rules"


def _histogram(name: str, text: str, buckets: tuple[float, ...] = _BUCKETS) -> metrics.Distribution:
    return metrics.DEFAULT.histogram(f"kubeproxy_{name}", text, _IP_FAMILY, buckets).labels(FAMILY)


_SYNC = _histogram("sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds")
_FULL = _histogram("sync_full_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds for full resyncs")
_PARTIAL = _histogram(
    "sync_partial_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds for partial resyncs"
)
PROGRAMMING = _histogram(
    "network_programming_duration_seconds", "In Cluster Network Programming Latency in seconds", _PROGRAMMING_BUCKETS
)
LAST_QUEUED = metrics.DEFAULT.gauge(
    f"{_PREFIX}_last_queued_timestamp_seconds", "The last time a sync of proxy rules was queued", _IP_FAMILY
).labels(FAMILY)
_LAST_SYNC = metrics.DEFAULT.gauge(
    f"{_PREFIX}_last_timestamp_seconds", "The last time proxy rules were successfully synced", _IP_FAMILY
).labels(FAMILY)
SERVICE_CHANGES = metrics.DEFAULT.counter(
    f"{_PREFIX}_service_changes_total", "Cumulative proxy rules Service changes"
).labels()
ENDPOINT_CHANGES = metrics.DEFAULT.counter(
    f"{_PREFIX}_endpoint_changes_total", "Cumulative proxy rules Endpoint changes"
).labels()
SYNC_FAILURES = metrics.DEFAULT.counter(
    f"{_PREFIX}_nftables_sync_failures_total", "Cumulative proxy nftables sync failures", _IP_FAMILY
).labels(FAMILY)
CLEANUP_FAILURES = metrics.DEFAULT.counter(
    f"{_PREFIX}_nftables_cleanup_failures_total", "Cumulative proxy nftables cleanup failures", _IP_FAMILY
).labels(FAMILY)
DELETED_FLOWS = metrics.DEFAULT.counter(
    "kubeproxy_conntrack_reconciler_deleted_entries_total",
    "Cumulative conntrack flows deleted by conntrack reconciler",
    _IP_FAMILY,
).labels(FAMILY)
_NO_LOCAL = metrics.DEFAULT.gauge(
    f"{_PREFIX}_no_local_endpoints_total",
    "Number of services with a Local traffic policy and no endpoints",
    ("traffic_policy", *_IP_FAMILY),
)


def observe_sync(full: bool, seconds: float, now: float) -> None:
    """One successful sync."""
    _SYNC.observe(seconds)
    (_FULL if full else _PARTIAL).observe(seconds)
    _LAST_SYNC.set(now)


def observe_local(rules: Ruleset) -> None:
    """How many ports keep traffic on a node that has nobody to take it."""
    internal = external = 0
    for one in rules.values():
        for port in one.ports:
            if port.has_endpoints and not port.local:
                internal += port.internal_local
                external += port.external_local
    _NO_LOCAL.labels("internal", FAMILY).set(internal)
    _NO_LOCAL.labels("external", FAMILY).set(external)
