"""Replacing a DaemonSet's Pods by newer ones, node by node, and counting them.

Upstream: pkg/controller/daemon/update.go. Pure.
"""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

from pybernetes.api.types import apps, core
from pybernetes.apimachinery import intorstring
from pybernetes.controllers import pod_control
from pybernetes.controllers.daemonset import placement


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """One DaemonSet at one moment."""

    daemon_set: apps.DaemonSet
    nodes: Sequence[core.Node]
    pods: Mapping[str, Sequence[core.Pod]]
    """By node, as `placement.by_node` gives them."""
    revision_hash: str
    now: datetime.datetime

    def available(self, pod: core.Pod) -> bool:
        """Ready for long enough."""
        return pod_control.available_in(pod, self.daemon_set.spec.minReadySeconds, self.now) == 0

    def updated(self, pod: core.Pod) -> bool:
        """Of the present template."""
        return placement.is_updated(pod, self.daemon_set, self.revision_hash)


class SurgeReplaces(placement.Replaces):
    """With surge an old and a new Pod may be side by side until the new one is available."""

    def __init__(self, view: View) -> None:
        self._view = view

    def surplus(self, running: Sequence[core.Pod]) -> list[core.Pod]:
        """All but one old and one new, and the old one as soon as it is of no use."""
        if len(running) <= 1:
            return []
        new = [pod for pod in running if pod.metadata.labels.get(placement.HASH_LABEL) == self._view.revision_hash]
        old = [pod for pod in running if pod not in new]
        result = [*new[1:], *old[1:]]
        if new and old and (not pod_control.is_ready(old[0]) or self._view.available(new[0])):
            result.append(old[0])
        return result


def _rolling(daemon_set: apps.DaemonSet) -> apps.RollingUpdateDaemonSet | None:
    strategy = daemon_set.spec.updateStrategy
    return strategy.rollingUpdate if strategy.type == "RollingUpdate" else None


def max_surge(daemon_set: apps.DaemonSet, count: int) -> int:
    """How many nodes may have two Pods."""
    rolling = _rolling(daemon_set)
    return intorstring.scaled(rolling.maxSurge or 0, count, round_up=True) if rolling is not None else 0


def max_unavailable(daemon_set: apps.DaemonSet, count: int) -> int:
    """How many nodes may have none."""
    rolling = _rolling(daemon_set)
    limit = 0
    if rolling is not None:
        limit = intorstring.scaled(
            1 if rolling.maxUnavailable is None else rolling.maxUnavailable, count, round_up=True
        )
    return 1 if count > 0 and limit == 0 and max_surge(daemon_set, count) == 0 else limit


def plan(view: View) -> placement.Changes:
    """The next step of a rolling update."""
    wanted = [node.metadata.name for node in view.nodes if placement.should_run(view.daemon_set, node)[0]]
    pods = {name: [*some] for name, some in view.pods.items()} | {name: [] for name in wanted if name not in view.pods}
    surge = max_surge(view.daemon_set, len(wanted))
    if surge:
        return _with_surge(view, pods, {*wanted}, surge)
    return _without_surge(view, pods, max_unavailable(view.daemon_set, len(wanted)))


def _old_and_new(view: View, pods: Sequence[core.Pod]) -> tuple[core.Pod | None, core.Pod | None] | None:
    """The one old and the one new Pod on a node; None if there are more."""
    alive = [pod for pod in pods if pod.metadata.deletionTimestamp is None]
    new = [pod for pod in alive if view.updated(pod)]
    old = [pod for pod in alive if not view.updated(pod)]
    if len(new) > 1 or len(old) > 1:
        return None
    return old[0] if old else None, new[0] if new else None


def _without_surge(view: View, pods: Mapping[str, Sequence[core.Pod]], limit: int) -> placement.Changes:
    unavailable = 0
    free: list[core.Pod] = []
    candidates: list[core.Pod] = []
    for _, some in sorted(pods.items()):
        found = _old_and_new(view, some)
        old, new = found or (None, None)
        if found is None or (old is None) == (new is None):
            unavailable += 1
        elif new is not None:
            unavailable += not view.available(new)
        elif old is not None and not view.available(old):
            # It serves nobody: replacing it costs nothing.
            free.append(old)
            unavailable += 1
        elif old is not None:
            candidates.append(old)
    room = max(0, limit - unavailable)
    return placement.Changes(delete=[*free, *candidates[:room]])


def _with_surge(view: View, pods: Mapping[str, Sequence[core.Pod]], wanted: set[str], limit: int) -> placement.Changes:
    changes = placement.Changes()
    surging = available = 0
    candidates: list[str] = []
    leaving: list[core.Pod] = []
    for name, some in sorted(pods.items()):
        found = _old_and_new(view, some)
        if found is None:
            surging += 1
            continue
        old, new = found
        shown = old or new
        available += shown is not None and view.available(shown)
        if old is None:
            continue
        if new is not None:
            if view.available(new):
                changes.delete.append(old)
            else:
                surging += 1
        elif name not in wanted:
            (leaving if view.available(old) else changes.delete).append(old)
        elif not view.available(old):
            changes.nodes.append(name)
        else:
            candidates.append(name)
    changes.delete += leaving[: max(0, available - len(wanted))]
    changes.nodes += candidates[: max(0, limit - surging)]
    return changes


def status(view: View, observed_generation: int) -> apps.DaemonSetStatus:
    """What there is and what there should be."""
    counts = dict.fromkeys(("desired", "current", "misscheduled", "ready", "updated", "available"), 0)
    for node in view.nodes:
        run, _ = placement.should_run(view.daemon_set, node)
        some = view.pods.get(node.metadata.name)
        if not run:
            counts["misscheduled"] += bool(some)
            continue
        counts["desired"] += 1
        if some:
            counts["current"] += 1
            counts["ready"] += pod_control.is_ready(some[0])
            counts["available"] += view.available(some[0])
            counts["updated"] += view.updated(some[0])
    before = view.daemon_set.status
    return apps.DaemonSetStatus(
        desiredNumberScheduled=counts["desired"],
        currentNumberScheduled=counts["current"],
        numberMisscheduled=counts["misscheduled"],
        numberReady=counts["ready"],
        updatedNumberScheduled=counts["updated"],
        numberAvailable=counts["available"],
        numberUnavailable=counts["desired"] - counts["available"],
        observedGeneration=observed_generation,
        collisionCount=before.collisionCount,
        conditions=before.conditions,
    )
