"""What happens while Pods are being tried: a Pod that fails is compared with the events since it was popped.

Without this an event that would have helped is lost when it comes between the decision and the return to the queue.

    popped A ─ event 1 ─ popped B ─ event 2         A must see 1 and 2, B only 2; 1 is dropped when A is done

Upstream: pkg/scheduler/backend/queue/active_queue.go (inFlightPods, inFlightEvents). Pure.
"""

import collections
import itertools
from typing import Any, NamedTuple

from pybernetes.scheduler.cluster_events import ClusterEvent


class Happened(NamedTuple):
    """An event with its objects."""

    event: ClusterEvent
    old: Any
    new: Any


class InFlight:
    """Pods between pop and done, and the events since the first of them was popped."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._entries: collections.OrderedDict[int, Happened | None] = collections.OrderedDict()
        """By number, in order: None marks a Pod."""
        self._pods: dict[str, int] = {}

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    def __len__(self) -> int:
        return len(self._pods)

    @property
    def event_count(self) -> int:
        """How many events are kept."""
        return len(self._entries) - len(self._pods)

    def start(self, uid: str) -> None:
        """The Pod was popped."""
        number = next(self._numbers)
        self._entries[number] = None
        self._pods[uid] = number

    def record(self, event: ClusterEvent, old: Any, new: Any) -> bool:
        """Keep the event, if anybody may ask for it."""
        if not self._pods:
            return False
        self._entries[next(self._numbers)] = Happened(event, old, new)
        return True

    def since_popped(self, uid: str) -> list[Happened]:
        """What happened since that Pod was popped, oldest first."""
        start = self._pods[uid]
        found: list[Happened] = []
        for number in reversed(self._entries):
            if number == start:
                break
            entry = self._entries[number]
            if entry is not None:
                found.append(entry)
        found.reverse()
        return found

    def done(self, uid: str) -> None:
        """The Pod is decided; events that nobody before it waits for are forgotten."""
        number = self._pods.pop(uid, None)
        if number is None:
            return
        del self._entries[number]
        while self._entries:
            first = next(iter(self._entries))
            if self._entries[first] is None:
                return
            del self._entries[first]
