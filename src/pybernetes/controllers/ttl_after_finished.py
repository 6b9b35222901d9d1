"""Deletes Jobs some time after they have finished (`spec.ttlSecondsAfterFinished`).

Upstream: pkg/controller/ttlafterfinished.
"""

from pybernetes.api.types import batch, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller
from pybernetes.controllers.context import ControllerContext


class TTLAfterFinishedController:
    """The controller `ttl-after-finished`: a key is a Job."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("ttl-after-finished-controller")
        self._clock = context.clock
        self._jobs = context.informers.informer(batch.Job)
        self._resource = client.resource(batch.Job)
        self.controller = controller.Controller("ttl_jobs_to_delete", self.sync_job, clock=context.clock, workers=5)
        self.controller.watches(self._jobs, key=lambda job: meta.key(job) if needs_cleanup(job) else None)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    async def sync_job(self, key: str) -> float | None:
        """Delete one Job when its time is over; returns how long that is."""
        job = self._jobs.by_key(key)
        if job is None or not needs_cleanup(job):
            return None
        left = self._time_left(job)
        if left > 0:
            return left
        namespace, name = meta.split_key(key)
        try:
            fresh = await self._resource.get(name, namespace)
            if not needs_cleanup(fresh):
                return None
            left = self._time_left(fresh)
            if left > 0:
                return left
            await self._resource.delete(name, namespace, uid=fresh.metadata.uid, propagation="Foreground")
        except errors.NotFound:
            return None
        return None

    def _time_left(self, job: batch.Job) -> float:
        finished = finish_time(job)
        if finished is None:
            return 0.0
        age = (self._clock.now() - timestamps.parse(finished)).total_seconds()
        return (job.spec.ttlSecondsAfterFinished or 0) - age


def finish_time(job: batch.Job) -> str | None:
    """When the Job completed or failed; None while it has not."""
    for one in job.status.conditions:
        if one.type in ("Complete", "Failed") and one.status == "True":
            return one.lastTransitionTime
    return None


def needs_cleanup(job: batch.Job) -> bool:
    """Whether the Job is to be deleted some time."""
    limited = job.spec.ttlSecondsAfterFinished is not None
    return limited and job.metadata.deletionTimestamp is None and finish_time(job) is not None
