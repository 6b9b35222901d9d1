"""Pods that wait for a node.

                 pop                     a hint says an event may help
    Active ◄──────────── Backoff ◄─────────────────────────────┐
      │  ▲  (its time has come, or Active is empty)             │
      │  └──────────────────────────────────────────── Unschedulable (also gated Pods; 5 min at most)
      ▼                                                         ▲
    in flight ── bound: done ── failed: `add_unschedulable` ────┘

Backoff is 1 s, 2 s, 4 s … 10 s, counted from the failed attempt. A Pod that some plugins rejected comes back only for
events those plugins registered for, and whose hint says it is worth it; a Pod that failed by an error just backs off.

Time is handed in; `next_deadline` says when `flush` has something to do. `on_ready` is called when `pop` would succeed.
Path: 13 scheduler picks a node. Upstream: pkg/scheduler/backend/queue. Pure.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pybernetes.api.types import core
from pybernetes.scheduler import cluster_events, framework, in_flight, nominator, pod_heap
from pybernetes.scheduler.cluster_events import ClusterEvent, Hint
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.runtime import Framework

Key = str
Check = Callable[[core.Pod], bool]

INITIAL_BACKOFF, MAX_BACKOFF = 1.0, 10.0
MAX_IN_UNSCHEDULABLE = 300.0
ORDERING_WINDOW = 1.0
"""Backoff ends at whole seconds, and within one second the more important Pod goes first."""


class QueuedPodInfo:
    """A Pod in the queue and what it has been through."""

    __slots__ = (
        "attempts",
        "backoff_expiration",
        "consecutive_errors",
        "flushed",
        "flushed_at",
        "gating_plugin",
        "info",
        "initial_attempt",
        "pending_plugins",
        "timestamp",
        "unschedulable_count",
        "unschedulable_plugins",
    )

    def __init__(self, info: PodInfo, timestamp: float) -> None:
        self.info = info
        self.timestamp = timestamp
        self.attempts = 0
        self.unschedulable_count = 0
        self.consecutive_errors = 0
        self.backoff_expiration: float | None = None
        self.initial_attempt: float | None = None
        self.unschedulable_plugins: set[str] = set()
        self.pending_plugins: set[str] = set()
        self.gating_plugin = ""
        self.flushed = False
        self.flushed_at = 0.0

    @property
    def pod(self) -> core.Pod:
        """The Pod as the queue knows it."""
        return self.info.pod

    @property
    def priority(self) -> int:
        """Of the Pod."""
        return self.info.priority

    @property
    def uid(self) -> str:
        """Of the Pod."""
        return self.info.uid

    @property
    def key(self) -> Key:
        """namespace/name."""
        return self.info.key

    @property
    def rejectors(self) -> set[str]:
        """The plugins that said no last time."""
        return self.unschedulable_plugins | self.pending_plugins


class Strategy(enum.IntEnum):
    """What an event is worth to a waiting Pod."""

    SKIP = 0
    AFTER_BACKOFF = 1
    IMMEDIATELY = 2


class PriorityQueue:
    """The scheduling queue of all profiles."""

    def __init__(
        self,
        profiles: Mapping[str, Framework],
        now: Callable[[], float],
        *,
        initial_backoff: float = INITIAL_BACKOFF,
        max_backoff: float = MAX_BACKOFF,
        nominations: nominator.Nominator | None = None,
    ) -> None:
        self._profiles = profiles
        self._now = now
        self._initial_backoff = initial_backoff
        self._max_backoff = max_backoff
        self.nominator = nominator.Nominator() if nominations is None else nominations
        self.on_ready: Callable[[], None] = lambda: None
        self.on_backoff: Callable[[], None] = lambda: None
        """Called when `next_deadline` may have come nearer."""
        self.on_incoming: Callable[[str, str], None] = lambda queue, event: None
        """Called with the queue's name and the event's label, for metrics."""
        sort_key = next(iter(profiles.values())).queue_sort.sort_key
        self.active: pod_heap.Heap[QueuedPodInfo] = pod_heap.Heap(sort_key)
        self.backoff: pod_heap.Heap[QueuedPodInfo] = pod_heap.Heap(lambda one: (self._expiry(one), sort_key(one)))
        self.error_backoff: pod_heap.Heap[QueuedPodInfo] = pod_heap.Heap(lambda one: (self._expiry(one),))
        self.unschedulable: dict[Key, QueuedPodInfo] = {}
        self.in_flight = in_flight.InFlight()
        self._hints = {name: _hints_of(profile) for name, profile in profiles.items()}

    # into the queue

    def add(self, pod: core.Pod) -> None:
        """A new Pod to schedule."""
        queued = QueuedPodInfo(PodInfo(pod), self._now())
        self.nominator.add(queued.info)
        self._to_active(queued, cluster_events.UNSCHEDULED_POD_ADD.label)

    def add_unschedulable(self, queued: QueuedPodInfo) -> None:
        """A popped Pod found no node (`unschedulable_plugins` say why), or its attempt failed (none of them set)."""
        key = queued.key
        if self.find(key) is not None:
            self.in_flight.done(queued.uid)
            return
        if queued.rejectors:
            queued.unschedulable_count += 1
            queued.consecutive_errors = 0
        else:
            queued.consecutive_errors += 1
        queued.timestamp = self._now()
        queued.backoff_expiration = None
        queued.flushed = False
        queued.flushed_at = 0.0
        strategy = self._strategy_in_flight(queued)
        self.in_flight.done(queued.uid)
        self._requeue(queued, strategy, cluster_events.SCHEDULE_ATTEMPT_FAILURE)

    def activate(self, pods: Iterable[core.Pod]) -> None:
        """Try these again now, wherever they wait."""
        for pod in pods:
            key = _key(pod)
            queued = self.unschedulable.get(key) or self.backoff.remove(key) or self.error_backoff.remove(key)
            if queued is not None:
                self._to_active(queued, cluster_events.FORCE_ACTIVATE.label)
            elif pod.metadata.uid in self.in_flight:
                self.in_flight.record(cluster_events.FORCE_ACTIVATE, None, pod)

    # out of the queue

    def pop(self) -> QueuedPodInfo | None:
        """The next Pod to try; it is in flight until `done` or `add_unschedulable`. With Active empty, the Pod whose
        backoff would end first."""
        while True:
            queued = self.active.pop()
            if queued is None:
                queued = self.backoff.pop()
                if queued is None:
                    return None
                self.on_incoming("active", cluster_events.POP_FROM_BACKOFF_Q)
            queued.attempts += 1
            if queued.uid not in self.in_flight:
                self.in_flight.start(queued.uid)
                return queued

    def done(self, uid: str) -> None:
        """A popped Pod will not come back."""
        self.in_flight.done(uid)

    def delete(self, pod: core.Pod) -> None:
        """The Pod is gone or bound."""
        self.nominator.delete(pod.metadata.uid)
        key = _key(pod)
        for heap in (self.active, self.backoff, self.error_backoff):
            heap.remove(key)
        self.unschedulable.pop(key, None)

    def find(self, key: Key) -> QueuedPodInfo | None:
        """A Pod that waits."""
        return (
            self.active.get(key) or self.backoff.get(key) or self.error_backoff.get(key) or self.unschedulable.get(key)
        )

    # changes

    def update(self, old: core.Pod, new: core.Pod) -> None:
        """A waiting Pod was changed; that may be what it needed."""
        events = cluster_events.pod_changes(new, old, target=True)
        if new.metadata.uid in self.in_flight:
            for event in events:
                self.in_flight.record(event, old, new)
            return
        key = _key(old)
        for heap in (self.active, self.backoff, self.error_backoff):
            queued = heap.get(key)
            if queued is not None and queued.uid == new.metadata.uid:
                queued.info = queued.info.with_pod(new)
                self.nominator.update(old, queued.info)
                heap.add(key, queued)
                return
        queued = self.unschedulable.get(key)
        if queued is None or queued.uid != new.metadata.uid:
            self.add(new)
            return
        queued.info = queued.info.with_pod(new)
        self.nominator.update(old, queued.info)
        for event in events:
            self._requeue(queued, self._strategy(queued, event, old, new), event.label)
            if key not in self.unschedulable:
                return

    def move_all(self, event: ClusterEvent, old: Any, new: Any, check: Check | None = None) -> None:
        """Something happened: try again whoever it may help."""
        if not event.wild_card and not any(hints.interested(event) for hints in self._hints.values()):
            return
        for queued in [*self.unschedulable.values()]:
            if check is None or check(queued.pod):
                self._move(queued, event, old, new)
        self.in_flight.record(event, old, new)

    def _move(self, queued: QueuedPodInfo, event: ClusterEvent, old: Any, new: Any) -> None:
        if queued.gating_plugin and not event.wild_card:
            hints = self._hints.get(queued.pod.spec.schedulerName)
            if hints is None or not hints.registered(queued.gating_plugin, event):
                return
        strategy = self._strategy(queued, event, old, new)
        if strategy != Strategy.SKIP:
            del self.unschedulable[queued.key]
            self._requeue(queued, strategy, event.label)

    # time

    def next_deadline(self) -> float | None:
        """When `flush` will have something to do."""
        times = [
            self._expiry(first) + ORDERING_WINDOW for first in (self.backoff.peek(), self.error_backoff.peek()) if first
        ]
        if self.unschedulable:
            times.append(min(map(_waiting_since, self.unschedulable.values())) + MAX_IN_UNSCHEDULABLE)
        return min(times, default=None)

    def flush(self) -> None:
        """Move Pods whose backoff is over, and those that nothing has helped for five minutes."""
        for heap in (self.backoff, self.error_backoff):
            while (first := heap.peek()) is not None and not self._backing_off(first):
                heap.remove(first.key)
                self._to_active(first, cluster_events.BACKOFF_COMPLETE)
        now = self._now()
        late = [one for one in self.unschedulable.values() if now - _waiting_since(one) >= MAX_IN_UNSCHEDULABLE]
        for queued in late:
            queued.flushed = True
            queued.flushed_at = now
            self._move(queued, cluster_events.UNSCHEDULABLE_TIMEOUT, None, None)

    def _expiry(self, queued: QueuedPodInfo) -> float:
        count = queued.consecutive_errors or queued.unschedulable_count
        if not count or not self._max_backoff:
            return float("-inf")
        if queued.backoff_expiration is None:
            duration = min(self._initial_backoff * 2.0 ** min(count - 1, 60), self._max_backoff)
            queued.backoff_expiration = _window(queued.timestamp + duration)
        return queued.backoff_expiration

    def _backing_off(self, queued: QueuedPodInfo) -> bool:
        return self._expiry(queued) >= _window(self._now())

    # inside

    def _requeue(self, queued: QueuedPodInfo, strategy: Strategy, event: str) -> None:
        if strategy == Strategy.SKIP:
            self._keep(queued, event)
        elif strategy == Strategy.AFTER_BACKOFF and self._backing_off(queued):
            self._to_backoff(queued, event)
        else:
            self._to_active(queued, event)

    def _keep(self, queued: QueuedPodInfo, event: str) -> None:
        if not self.unschedulable:
            self.on_backoff()
        self.unschedulable[queued.key] = queued
        self.on_incoming("unschedulable", event)

    def _to_active(self, queued: QueuedPodInfo, event: str) -> None:
        if self._gated(queued):
            queued.flushed = False
            self._keep(queued, event)
            return
        if queued.initial_attempt is None:
            queued.initial_attempt = self._now()
        self.unschedulable.pop(queued.key, None)
        self.active.add(queued.key, queued)
        self.on_incoming("active", event)
        self.on_ready()

    def _to_backoff(self, queued: QueuedPodInfo, event: str) -> None:
        if self._gated(queued):
            queued.flushed = False
            self._keep(queued, event)
            return
        self.unschedulable.pop(queued.key, None)
        heap = self.backoff if queued.rejectors else self.error_backoff
        heap.add(queued.key, queued)
        self.on_incoming("backoff", event)
        self.on_ready()
        self.on_backoff()

    def _gated(self, queued: QueuedPodInfo) -> bool:
        profile = self._profiles.get(queued.pod.spec.schedulerName)
        for plugin in profile.pre_enqueue if profile is not None else ():
            status = plugin.pre_enqueue(queued.info)
            if status is not None:
                queued.unschedulable_plugins.add(status.plugin)
                queued.gating_plugin = status.plugin
                return True
        queued.gating_plugin = ""
        return False

    def _strategy_in_flight(self, queued: QueuedPodInfo) -> Strategy:
        """What the events since it was popped are worth together."""
        if not queued.rejectors or queued.uid not in self.in_flight:
            return Strategy.AFTER_BACKOFF
        best = Strategy.SKIP
        for happened in self.in_flight.since_popped(queued.uid):
            strategy = self._strategy(queued, happened.event, happened.old, happened.new)
            if strategy == Strategy.IMMEDIATELY or (strategy and not queued.pending_plugins):
                return strategy
            best = max(best, strategy)
        return best

    def _strategy(self, queued: QueuedPodInfo, event: ClusterEvent, old: Any, new: Any) -> Strategy:
        rejectors = queued.rejectors
        if not rejectors:
            return Strategy.AFTER_BACKOFF
        if event.wild_card:
            if new is None:
                return Strategy.AFTER_BACKOFF
            itself = isinstance(new, core.Pod) and new.metadata.uid == queued.uid
            return Strategy.AFTER_BACKOFF if itself else Strategy.SKIP
        hints = self._hints.get(queued.pod.spec.schedulerName)
        if hints is None:
            return Strategy.AFTER_BACKOFF
        best = Strategy.SKIP
        for plugin, hint in hints.matching(event):
            if plugin not in rejectors or (hint is not None and not hint(queued.info, old, new)):
                continue
            if plugin in queued.pending_plugins:
                return Strategy.IMMEDIATELY
            if not queued.pending_plugins:
                return Strategy.AFTER_BACKOFF
            best = Strategy.AFTER_BACKOFF
        return best


class _Hints:
    """Which plugin of a profile wants to hear of what; answers are kept for each kind of event."""

    def __init__(self, rows: Sequence[tuple[str, ClusterEvent, Hint | None]]) -> None:
        self._rows = rows
        self._known: dict[tuple[str, int], list[tuple[str, Hint | None]]] = {}

    def matching(self, event: ClusterEvent) -> list[tuple[str, Hint | None]]:
        """(plugin, hint) of the registrations that cover the event."""
        key = (event.resource, event.actions)
        found = self._known.get(key)
        if found is None:
            found = [(plugin, hint) for plugin, row, hint in self._rows if cluster_events.matches(row, event)]
            self._known[key] = found
        return found

    def interested(self, event: ClusterEvent) -> bool:
        """Whether anybody cares."""
        return bool(self.matching(event))

    def registered(self, plugin: str, event: ClusterEvent) -> bool:
        """Whether that plugin cares."""
        return any(name == plugin for name, _ in self.matching(event))


def _hints_of(profile: Framework) -> _Hints:
    rows: list[tuple[str, ClusterEvent, Hint | None]] = []
    for plugin in profile.plugins:
        if isinstance(plugin, framework.EnqueueExtensions):
            rows += [(plugin.name, one.event, one.hint) for one in plugin.events_to_register()]
    return _Hints(rows)


def _key(pod: core.Pod) -> Key:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def _window(moment: float) -> float:
    return moment // ORDERING_WINDOW * ORDERING_WINDOW


def _waiting_since(queued: QueuedPodInfo) -> float:
    return max(queued.timestamp, queued.flushed_at)
