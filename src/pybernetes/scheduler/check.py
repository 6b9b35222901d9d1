"""Do the cache and the queue obey their own rules? On in tests; a component calls it only to look for a bug.

Upstream: pkg/scheduler/backend/cache/debugger (comparer), in spirit. Pure.
"""

from collections.abc import Iterable

from pybernetes.api.types import core
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.node_info import NodeInfo
from pybernetes.scheduler.queue import PriorityQueue


def check_cache(cache: Cache) -> list[str]:
    """What is wrong: counts that are not the sum of the Pods, Pods in two places, stale indexes."""
    problems: list[str] = []
    seen: set[str] = set()
    for name, node in cache.nodes.items():
        if node.name != name:
            problems.append(f"node {name} is called {node.name}")
        expected = NodeInfo(node.node if node.has_node else None, (info.pod for info in node))
        for what in ("requested", "non_zero_requested", "allocatable"):
            if getattr(node, what).amounts() != getattr(expected, what).amounts():
                problems.append(f"node {name}: {what} is not the sum of its pods")
        for what in ("pvc_ref_counts",):
            if getattr(node, what) != getattr(expected, what):
                problems.append(f"node {name}: {what} differs")
        for what in ("pods_with_affinity", "pods_with_required_anti_affinity"):
            if getattr(node, what).keys() != getattr(expected, what).keys():
                problems.append(f"node {name}: {what} differs")
        for uid, info in node.pods.items():
            if uid in seen:
                problems.append(f"pod {uid} is on two nodes")
            seen.add(uid)
            if cache.pods.get(uid) is not info.pod or info.pod.spec.nodeName != name:
                problems.append(f"pod {uid} on {name} is not the one known")
        if not node.pods and not node.has_node:
            problems.append(f"node {name} has neither node nor pods")
    if seen != cache.pods.keys():
        problems.append(f"pods without a node: {sorted(cache.pods.keys() ^ seen)}")
    if not cache.assumed <= cache.pods.keys():
        problems.append("assumed pods that are not known")
    return problems + _check_snapshot(cache)


def _check_snapshot(cache: Cache) -> list[str]:
    snapshot = cache.update_snapshot()
    problems = []
    if {node.name for node in snapshot.nodes} != {name for name, node in cache.nodes.items() if node.has_node}:
        problems.append("the snapshot has other nodes than the cache")
    if {*snapshot.with_affinity} != {node.name for node in snapshot.nodes if node.pods_with_affinity}:
        problems.append("the snapshot's nodes with affinity are stale")
    anti = {node.name for node in snapshot.nodes if node.pods_with_required_anti_affinity}
    if {*snapshot.with_required_anti_affinity} != anti:
        problems.append("the snapshot's nodes with required anti-affinity are stale")
    return problems


def check_queue(queue: PriorityQueue) -> list[str]:
    """What is wrong: a Pod in two places, bookkeeping that leaks."""
    problems: list[str] = []
    places: dict[str, str] = {}
    for place, items in (
        ("active", [*queue.active]),
        ("backoff", [*queue.backoff]),
        ("error backoff", [*queue.error_backoff]),
        ("unschedulable", [*queue.unschedulable.values()]),
    ):
        for one in items:
            if one.key in places:
                problems.append(f"pod {one.key} is in {places[one.key]} and in {place}")
            places[one.key] = place
            if one.gating_plugin and place != "unschedulable":
                problems.append(f"gated pod {one.key} is in {place}")
    if not len(queue.in_flight) and queue.in_flight.event_count:
        problems.append("events are kept though nothing is in flight")
    return problems


def compare(cache: Cache, nodes: Iterable[core.Node], pods: Iterable[core.Pod]) -> list[str]:
    """How the cache differs from what the API says (`pods`: those that are bound and not finished)."""
    known = {name for name, node in cache.nodes.items() if node.has_node}
    bound = {pod.metadata.uid for pod in pods}
    confirmed = cache.pods.keys() - cache.assumed
    problems = [f"node {name} differs" for name in sorted(known ^ {node.metadata.name for node in nodes})]
    return problems + [f"pod {uid} differs" for uid in sorted((confirmed - bound) | (bound - cache.pods.keys()))]
