"""What the parts of one scheduler share.

Upstream: pkg/scheduler/scheduler.go (Scheduler, its fields).
"""

import asyncio
import dataclasses

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.client import events, rest
from pybernetes.scheduler import instruments, listers, waiting_pods
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.profiles import Profile
from pybernetes.scheduler.queue import PriorityQueue
from pybernetes.scheduler.runtime import Framework


@dataclasses.dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """Settings; names and defaults are upstream's (KubeSchedulerConfiguration)."""

    profiles: tuple[Profile, ...] = (Profile(),)
    percentage_of_nodes_to_score: int = 0
    """0: half of the nodes in small clusters, down to 5 % in large ones."""
    pod_initial_backoff_seconds: float = 1.0
    pod_max_backoff_seconds: float = 10.0
    parallelism: int = 16
    """Bindings sent at once; decisions do not wait for them."""
    seed: int | None = None
    """Makes the choice among equal nodes repeatable."""
    host: str = ""
    """This machine's name, as Events report it."""


@dataclasses.dataclass(frozen=True, slots=True)
class SchedulerContext:
    """Handed to every part."""

    client: rest.Client
    clock: clocks.Clock
    group: tasks.TaskGroup
    cache: Cache
    queue: PriorityQueue
    listers: listers.Listers
    profiles: dict[str, Framework]
    recorders: dict[str, events.EventRecorder]
    instruments: instruments.Instruments
    waiting: waiting_pods.WaitingPods
    bindings: asyncio.Semaphore

    def event(self, pod: core.Pod, kind: str, reason: str, action: str, message: str) -> None:
        """Record an Event about a Pod as its profile."""
        self.recorders[pod.spec.schedulerName].event(pod, kind, reason, message, action=action)
