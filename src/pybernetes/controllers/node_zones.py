"""How many nodes of a zone are in trouble, and how fast nodes may then be tainted: a sick zone is handled with care.

Upstream: pkg/controller/nodelifecycle (ComputeZoneState, handleDisruption), k8s.io/component-helpers/node/topology.
"""

from collections.abc import Iterable

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.controllers import context, node_taints
from pybernetes.telemetry import metrics

NORMAL, PARTIAL, FULL = "Normal", "PartialDisruption", "FullDisruption"
_ZONES = {
    kind: metrics.DEFAULT.gauge(f"node_collector_{name}", text, ("zone",))
    for kind, name, text in (
        ("size", "zone_size", "How many nodes a zone has"),
        ("health", "zone_health", "What part of a zone's nodes is ready, in per cent"),
        ("unhealthy", "unhealthy_nodes_in_zone", "How many nodes of a zone are not ready"),
    )
}
EVICTIONS = metrics.DEFAULT.counter("node_collector_evictions_total", "Nodes tainted so that Pods leave", ("zone",))
_EXCLUDED = "node.kubernetes.io/exclude-disruption"


def zone_key(node: core.Node) -> str:
    """Region and zone."""
    labels = node.metadata.labels
    region = labels.get("topology.kubernetes.io/region", "")
    zone = labels.get("topology.kubernetes.io/zone", "")
    return f"{region}:\x00:{zone}" if region or zone else ""


def zone_state(ready: int, not_ready: int, settings: context.Settings) -> str:
    """What the numbers mean."""
    if ready == 0 and not_ready > 0:
        return FULL
    if not_ready > 2 and not_ready / (not_ready + ready) >= settings.unhealthy_zone_threshold:
        return PARTIAL
    return NORMAL


class Zones:
    """States of all zones, and one token bucket (one token deep) for each."""

    def __init__(self, clock: clocks.Clock, settings: context.Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._next: dict[str, float] = {}
        self._qps: dict[str, float] = {}
        self.states: dict[str, str] = {}
        self.all_disrupted = False
        """No node anywhere is ready: nobody is tainted, most likely it is us who are cut off."""

    def update(self, nodes: Iterable[core.Node]) -> bool:
        """Look at all nodes; whether any zone's state has changed."""
        counts: dict[str, list[int]] = {}
        for node in nodes:
            if _EXCLUDED not in node.metadata.labels:
                count = counts.setdefault(zone_key(node), [0, 0])
                count[node_taints.ready_status(node) != "True"] += 1
        for zone, (ready, not_ready) in counts.items():
            _ZONES["size"].labels(zone).set(ready + not_ready)
            _ZONES["health"].labels(zone).set(100 * ready / (ready + not_ready))
            _ZONES["unhealthy"].labels(zone).set(not_ready)
        states = {zone: zone_state(ready, not_ready, self._settings) for zone, (ready, not_ready) in counts.items()}
        if states == self.states:
            return False
        self.states = states
        self.all_disrupted = bool(states) and all(state == FULL for state in states.values())
        for zone, (ready, not_ready) in counts.items():
            self._qps[zone] = self._rate(states[zone], ready + not_ready)
        return True

    def _rate(self, state: str, size: int) -> float:
        if state == PARTIAL:
            return (
                self._settings.secondary_node_eviction_rate
                if size > self._settings.large_cluster_size_threshold
                else 0.0
            )
        return self._settings.node_eviction_rate

    def wait(self, zone: str) -> float | None:
        """Take a token: 0 if there was one, else seconds until there is; None where there will be none."""
        rate = self._qps.get(zone, self._settings.node_eviction_rate)
        if rate <= 0 or self.all_disrupted:
            return None
        now = self._clock.monotonic()
        left = self._next.get(zone, now) - now
        if left > 0:
            return left
        self._next[zone] = now + 1.0 / rate
        return 0.0
