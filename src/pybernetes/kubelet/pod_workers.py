"""One worker for each pod: it alone talks to the runtime about that pod, one step at a time.

    SYNC ──deleted, terminal, killed──► TERMINATING ──containers dead──► TERMINATED ──cleaned up──► FINISHED
     │ ▲                                   │ ▲
     └─┘ again on every change             └─┘ again with a shorter grace period, or after a failure

A step is cancelled when the pod has to end, or to end sooner, meanwhile.
A worker never goes back: a pod that has begun to terminate will not be started again. It sleeps until somebody wakes
it: a change of the pod, of its containers, of a probe's result, or a deadline it asked for itself.

Path: 14 kubelet decides the actions. Upstream: pkg/kubelet/pod_workers.go.
"""

import asyncio
import dataclasses
import enum
import logging
from collections.abc import Callable
from typing import Protocol

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import transport
from pybernetes.kubelet import measures, pod_conditions, runtime_manager
from pybernetes.kubelet.cri import runtime

logger = logging.getLogger(__name__)

_BACK_OFF = 10.0
_TERMINATION_RETRY = 1.0


class State(enum.Enum):
    """Where a pod is in its life on this node; see the picture above."""

    SYNC = "SyncPod"
    """containers are kept as the spec says"""
    TERMINATING = "SyncTerminatingPod"
    """containers are being stopped; none is started any more"""
    TERMINATED = "SyncTerminatedPod"
    """no container runs; volumes and the like are taken away"""
    FINISHED = "Finished"
    """nothing is left to do but to remember that"""


@dataclasses.dataclass(frozen=True, slots=True)
class Kill:
    """Why a pod must end although nobody deleted it, and how the status says so."""

    reason: str = ""
    message: str = ""
    phase: str = "Failed"
    grace: int | None = None
    condition: core.PodCondition | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Synced:
    """What came of one SyncPod: whether the pod has ended by itself, and when to look again."""

    terminal: bool = False
    again_after: float | None = None


class PodSyncer(Protocol):
    """What a worker drives; the kubelet implements it."""

    async def sync_pod(self, pod: core.Pod) -> Synced:
        """Bring the pod's containers to what the spec says."""

    async def sync_terminating_pod(self, pod: core.Pod, grace: int | None, kill: Kill | None) -> None:
        """Stop all containers."""

    async def sync_terminated_pod(self, pod: core.Pod) -> None:
        """Take away what the pod had, and report its end."""


class PodWorkers:
    """The workers of this node, by pod uid."""

    def __init__(self, syncer: PodSyncer, clock: clocks.Clock, group: tasks.TaskGroup, resync: float) -> None:
        self._syncer = syncer
        self._clock = clock
        self._group = group
        self._resync = resync
        self._workers: dict[str, PodWorker] = {}
        self.on_finished: Callable[[core.Pod], None] = lambda _: None

    def update(self, pod: core.Pod) -> None:
        """A pod appeared or changed."""
        worker = self._workers.get(pod.metadata.uid)
        if worker is None:
            worker = self._workers[pod.metadata.uid] = PodWorker(pod, self._syncer, self._clock, self._resync)
            worker.on_finished = self._finished
            worker.start(self._group)
        worker.update(pod)

    def _finished(self, pod: core.Pod) -> None:
        self.on_finished(pod)

    def kill(self, uid: str, kill: Kill) -> None:
        """End a pod."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.kill(kill)

    def removed(self, pod: core.Pod) -> None:
        """The pod is gone from the API: end it if it still runs."""
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            worker.removed = True
            worker.kill(Kill())

    def wake(self, uid: str) -> None:
        """Something about that pod changed: look again."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def forget(self, uid: str) -> None:
        """Nothing of the pod is left."""
        worker = self._workers.pop(uid, None)
        if worker is not None:
            worker.stop()

    def get(self, uid: str) -> "PodWorker | None":
        """The worker of a pod."""
        return self._workers.get(uid)

    def known(self) -> set[str]:
        """The uids of all pods that have a worker."""
        return set(self._workers)

    def pods(self) -> list[core.Pod]:
        """Every pod that has a worker."""
        return [one.pod for one in self._workers.values()]

    def termination_requested(self, uid: str) -> bool:
        """Whether the pod is on its way out."""
        worker = self._workers.get(uid)
        return worker is None or worker.state is not State.SYNC

    def could_have_running_containers(self, uid: str) -> bool:
        """Whether containers of the pod may still be running."""
        worker = self._workers.get(uid)
        return worker is not None and worker.state in (State.SYNC, State.TERMINATING)


class PodWorker:
    """Drives one pod through its states."""

    def __init__(self, pod: core.Pod, syncer: PodSyncer, clock: clocks.Clock, resync: float) -> None:
        self.pod = pod
        self.state = State.SYNC
        self.removed = False
        self.on_finished: Callable[[core.Pod], None] = lambda _: None
        self._syncer = syncer
        self._clock = clock
        self._resync = resync
        self._kill: Kill | None = None
        self._grace: int | None = None
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._step: asyncio.Task[float | None] | None = None
        self._timer: clocks.Timer | None = None

    def start(self, group: tasks.TaskGroup) -> None:
        """Begin."""
        self._task = group.start(self._run(group), f"pod {meta.key(self.pod)}")

    def stop(self) -> None:
        """End without further ado."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def wake(self) -> None:
        """Look again."""
        self._woken.set()

    def update(self, pod: core.Pod) -> None:
        """The pod changed in the API."""
        old, self.pod = self.pod, pod
        if self.state in (State.SYNC, State.TERMINATING):
            self._consider_termination()
        if self.state is State.SYNC and old is not pod and not _concerns_kubelet(old, pod):
            return  # the echo of our own status
        if self.state is not State.FINISHED:
            self.wake()

    def kill(self, kill: Kill) -> None:
        """The pod must end."""
        if self._kill is None:
            self._kill = kill
        self._consider_termination()
        self.wake()

    def _consider_termination(self) -> None:
        """The one place where a pod turns from being kept to being ended, and where its grace period shrinks."""
        metadata = self.pod.metadata
        ending = (
            metadata.deletionTimestamp is not None
            or self._kill is not None
            or pod_conditions.is_terminal(self.pod.status.phase)
        )
        if not ending or self.state not in (State.SYNC, State.TERMINATING):
            return
        begins = self.state is State.SYNC
        self.state = State.TERMINATING
        wanted = [] if self._kill is None or self._kill.grace is None else [self._kill.grace]
        if metadata.deletionTimestamp is not None and metadata.deletionGracePeriodSeconds is not None:
            wanted.append(metadata.deletionGracePeriodSeconds)
        grace = max(1, min(wanted)) if wanted else None
        shorter = grace is not None and (self._grace is None or grace < self._grace)
        if shorter:
            self._grace = grace
        if (begins or shorter) and self._step is not None:
            self._step.cancel()  # it may be waiting for a hook, a pull, or a longer grace period

    async def _run(self, group: tasks.TaskGroup) -> None:
        while self.state is not State.FINISHED:
            await self._woken.wait()
            self._woken.clear()
            self._step = step = group.start(self._attempt(), f"{self.state.value} {meta.key(self.pod)}")
            try:
                await asyncio.wait([step])
            finally:
                self._step = None
                step.cancel()
            again = 0.0 if step.cancelled() else step.result()
            if again is not None:
                self._look_again(again, "")
            elif self.state is State.SYNC and self._resync:
                self._look_again(self._resync, "pod resync")
        self.on_finished(self.pod)

    def _look_again(self, seconds: float, upkeep: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(seconds, self.wake, upkeep=upkeep)

    async def _attempt(self) -> float | None:
        """One step in the present state; the answer is when to take the next if nothing happens before."""
        try:
            match self.state:
                case State.SYNC:
                    return await self._sync()
                case State.TERMINATING:
                    await self._syncer.sync_terminating_pod(self.pod, self._grace, self._kill)
                    self.state = State.TERMINATED
                case State.TERMINATED:
                    await self._syncer.sync_terminated_pod(self.pod)
                    self.state = State.FINISHED
                case State.FINISHED:
                    return None
        except (runtime.CriError, runtime_manager.SyncError, errors.StatusError, transport.TransportError) as failure:
            return self._failed(failure)
        except (OSError, ValueError) as failure:
            return self._failed(failure)
        return 0.0

    def _failed(self, failure: Exception) -> float:
        logger.warning("%s of %s: %s", self.state.value, meta.key(self.pod), failure)
        wanted = failure.retry_after if isinstance(failure, runtime_manager.SyncError) else None
        if wanted is not None:
            return wanted
        return _BACK_OFF if self.state is State.SYNC else _TERMINATION_RETRY

    async def _sync(self) -> float | None:
        begin = self._clock.monotonic()
        synced = await self._syncer.sync_pod(self.pod)
        measures.pod_worker_duration.labels("sync").observe(self._clock.monotonic() - begin)
        if synced.terminal and self.state is State.SYNC:
            self.state = State.TERMINATING
        if self.state is not State.SYNC:
            return 0.0
        return synced.again_after


def _concerns_kubelet(old: core.Pod, new: core.Pod) -> bool:
    """Whether a change of a pod is more than its own status coming back."""
    before, after = old.metadata, new.metadata
    return (
        old.spec != new.spec
        or before.deletionTimestamp != after.deletionTimestamp
        or before.deletionGracePeriodSeconds != after.deletionGracePeriodSeconds
        or before.generation != after.generation
        or before.labels != after.labels
        or before.annotations != after.annotations
        or _foreign_conditions(old) != _foreign_conditions(new)
    )


def _foreign_conditions(pod: core.Pod) -> list[core.PodCondition]:
    return [one for one in pod.status.conditions if one.type not in pod_conditions.OWNED]
