"""One pass over the Pods of a StatefulSet: fill the numbers that are missing, take away what is too much, then roll.

    OrderedReady   one Pod at a time, each waits for its predecessor (predecessors in reverse when scaling down)
    Parallel       all at once
A pass stops where it has to wait; the next event starts another one.
Upstream: pkg/controller/statefulset/stateful_set_control.go.
"""

import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pybernetes.aio import tasks
from pybernetes.api.types import apps, core
from pybernetes.apimachinery import intorstring
from pybernetes.controllers import pod_control
from pybernetes.controllers.statefulset import identity
from pybernetes.controllers.statefulset.pods import StatefulPodControl

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Revision:
    """A revision's name and the template it stands for."""

    name: str
    template: core.PodTemplateSpec


class Wait(Exception):
    """The pass has to stop here; nothing is wrong."""


class Pass:
    """Made for one sync."""

    def __init__(
        self,
        stateful_set: apps.StatefulSet,
        current: Revision,
        update: Revision,
        control: StatefulPodControl,
        now: datetime.datetime,
    ) -> None:
        self._set = stateful_set
        self._current = current
        self._update = update
        self._control = control
        self._now = now
        self._monotonic = stateful_set.spec.podManagementPolicy != "Parallel"
        self._replicas: list[core.Pod | None] = []
        self._condemned: list[core.Pod] = []
        self._deleted_old = 0

    async def run(self, pods: Sequence[core.Pod]) -> None:
        """Do what can be done now. Raises what the API raises."""
        if self._set.metadata.deletionTimestamp is not None:
            return
        first = identity.start(self._set)
        self._replicas = [None] * identity.replicas(self._set)
        for pod in pods:
            number = identity.ordinal(pod)
            if identity.in_range(self._set, number):
                self._replicas[number - first] = pod
            elif number >= 0:
                self._condemned.append(pod)
        self._condemned.sort(key=identity.ordinal, reverse=True)
        try:
            await self._for_all(range(len(self._replicas)), self._process_replica)
            for pod in self._condemned:
                await self._control.sync_claim_owners(self._set, pod)
            unhealthy = self._first_unavailable()
            await self._for_all(self._condemned, lambda pod: self._process_condemned(pod, unhealthy))
            if self._set.spec.updateStrategy.type != "OnDelete":
                await self._roll()
        except Wait:
            return

    async def _for_all(self, items: Sequence[T], work: Callable[[T], Awaitable[None]]) -> None:
        """In order up to the first that has to wait; or side by side in growing batches."""
        if self._monotonic:
            for item in items:
                await work(item)
            return
        waiting = iter(items)

        async def one() -> None:
            try:
                await work(next(waiting))
            except Wait:
                return

        _, failure = await pod_control.slow_start_batch(len(items), 1, one)
        if failure is not None:
            raise failure

    # one number

    async def _process_replica(self, index: int) -> None:
        pod = self._replicas[index]
        if pod is None:
            await self._create(index)
            return
        if pod.status.phase in ("Failed", "Succeeded"):
            if pod.metadata.deletionTimestamp is None:
                await self._control.delete(self._set, pod)
            raise Wait
        if pod.status.phase in ("Pending", ""):
            await self._control.create_claims(self._set, pod.metadata.name)
            await self._control.sync_claim_owners(self._set, pod)
        if self._monotonic and (pod.metadata.deletionTimestamp is not None or not self.available(pod)):
            raise Wait
        await self._control.update(self._set, pod)

    async def _create(self, index: int) -> None:
        number = identity.start(self._set) + index
        name = identity.pod_name(self._set, number)
        if self._control.claim_is_stale(self._set, name):
            raise Wait
        revision = self._current if self._is_current(number) else self._update
        pod = identity.new_pod(self._set, revision.template, revision.name, number)
        self._replicas[index] = await self._control.create(self._set, pod)
        if self._monotonic:
            raise Wait

    def _is_current(self, number: int) -> bool:
        """Whether a new Pod of that number is still of the revision that is being left."""
        strategy = self._set.spec.updateStrategy
        first = identity.start(self._set)
        if strategy.rollingUpdate is not None:
            return number < first + (strategy.rollingUpdate.partition or 0)
        return strategy.type == "RollingUpdate" and number < first + self._set.status.currentReplicas

    async def _process_condemned(self, pod: core.Pod, unhealthy: core.Pod | None) -> None:
        if pod.metadata.deletionTimestamp is not None:
            raise Wait
        if self._monotonic and not self.available(pod) and pod is not unhealthy:
            raise Wait
        await self._control.delete(self._set, pod)
        raise Wait

    # judgement

    def available(self, pod: core.Pod | None) -> bool:
        """Ready for long enough."""
        return pod is not None and pod_control.available_in(pod, self._set.spec.minReadySeconds, self._now) == 0

    def _unavailable(self, pod: core.Pod | None) -> bool:
        return pod is None or not self.available(pod) or pod.metadata.deletionTimestamp is not None

    def _first_unavailable(self) -> core.Pod | None:
        for pod in (*self._replicas, *reversed(self._condemned)):
            if self._unavailable(pod):
                return pod
        return None

    # rolling

    async def _roll(self) -> None:
        """Delete Pods of other revisions, the highest number first; they come back as new ones."""
        rolling = self._set.spec.updateStrategy.rollingUpdate
        lowest = (rolling.partition or 0) if rolling is not None else 0
        limit = 1
        if rolling is not None and rolling.maxUnavailable is not None:
            limit = max(1, intorstring.scaled(rolling.maxUnavailable, len(self._replicas), round_up=False))
        missing = sum(map(self._unavailable, self._replicas))
        old = [
            pod
            for pod in reversed(self._replicas[lowest:])
            if pod is not None
            and identity.revision_of(pod) != self._update.name
            and pod.metadata.deletionTimestamp is None
        ]
        if self._monotonic:
            doomed = old[: max(0, limit - missing)]
        else:
            useless = [pod for pod in old if not self.available(pod)]
            good = [pod for pod in old if self.available(pod)]
            doomed = useless + good[: max(0, limit - missing)]
        deletions = [self._control.delete(self._set, pod) for pod in doomed]
        await tasks.gather(*deletions, name="delete pods of an older revision")
        self._deleted_old = sum(identity.revision_of(pod) == self._current.name for pod in doomed)

    def status(self, pods: Sequence[core.Pod], collisions: int) -> apps.StatefulSetStatus:
        """What there is after the pass: the Pods it found and those it made."""
        made = [pod for pod in self._replicas if pod is not None and pod not in pods]
        everyone = [pod for pod in (*pods, *made) if pod.status.phase]
        ready = [pod for pod in everyone if pod.status.phase == "Running" and pod_control.is_ready(pod)]
        staying = [pod for pod in everyone if pod.metadata.deletionTimestamp is None]
        wanted = identity.replicas(self._set)
        current = sum(identity.revision_of(pod) == self._current.name for pod in staying) - self._deleted_old
        updated = sum(identity.revision_of(pod) == self._update.name for pod in staying)
        complete = updated == len(ready) == len(everyone) == wanted
        return apps.StatefulSetStatus(
            observedGeneration=self._set.metadata.generation,
            replicas=len(everyone),
            readyReplicas=len(ready),
            availableReplicas=sum(map(self.available, ready)),
            currentReplicas=updated if complete else current,
            updatedReplicas=updated,
            currentRevision=self._update.name if complete else self._current.name,
            updateRevision=self._update.name,
            collisionCount=collisions,
            conditions=self._set.status.conditions,
        )
