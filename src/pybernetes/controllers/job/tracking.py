"""Counts Pods that have ended, each exactly once, and says when the Job is over.

    noted in status.uncountedTerminatedPods -> finalizer removed -> counted in status.succeeded or status.failed

Upstream: pkg/controller/job (trackJobStatusAndRemoveFinalizers), tracking_utils.go.
"""

from collections.abc import Iterable, Sequence

from msgspec import structs

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import batch, core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import events, patches, rest
from pybernetes.controllers import pod_control
from pybernetes.controllers.job import indexes, judgement, members, policy
from pybernetes.controllers.job.judgement import Standing

MAX_UNCOUNTED = 500


class Tracker:
    """Remembers per Job what it has written and its caches have not shown yet."""

    def __init__(
        self,
        jobs: rest.Resource[batch.Job],
        pods: rest.Resource[core.Pod],
        recorder: events.EventRecorder,
        clock: clocks.Clock,
    ) -> None:
        self._jobs = jobs
        self._pods = pods
        self._recorder = recorder
        self._clock = clock
        self._written: dict[str, int] = {}
        self._removals: dict[str, set[str]] = {}

    # what the caches do not show yet

    def is_behind(self, key: str, job: batch.Job) -> bool:
        """Whether this Job is older than our own last write to it."""
        return int(job.metadata.resourceVersion) < self._written.get(key, 0)

    def removed(self, key: str) -> set[str]:
        """Pods whose finalizer we removed and that were not seen without it yet."""
        return {*self._removals.get(key, ())}

    def removal_observed(self, key: str, uid: str) -> None:
        """The Pod was seen without its finalizer."""
        self._removals.get(key, set()).discard(uid)

    def forget(self, key: str) -> None:
        """The Job is over or gone."""
        self._written.pop(key, None)
        self._removals.pop(key, None)

    # counting

    async def track(
        self, job: batch.Job, standing: Standing, status: batch.JobStatus, finished: batch.JobCondition | None
    ) -> None:
        """Write the status, count what has ended, finish the Job if it is over; `job` is as it is stored."""
        key = meta.key(job)
        pending = {pod.metadata.uid for pod in standing.pods if standing.to_be_counted(pod)}
        status = _count(status, pending)
        status, doomed, all_noted = _note(standing, status, finished)
        if members.is_indexed(job):
            status = _with_indexes(standing, status, doomed)
        status, finished = _announce(standing, status, finished)
        job = await self._write(key, job, status)
        gone = await self._remove_finalizers(key, doomed)
        status = _count(job.status, pending - gone)
        over = finished is not None and all_noted and _may_finish(status, standing.terminating)
        if over and finished is not None:
            status = structs.replace(status, conditions=(*status.conditions, finished))
            if finished.type == judgement.COMPLETE:
                status = structs.replace(status, completionTime=finished.lastTransitionTime)
        job = await self._write(key, job, status)
        if over and finished is not None:
            self._report(job, finished)

    async def _write(self, key: str, job: batch.Job, status: batch.JobStatus) -> batch.Job:
        patch = patches.status(job, status, resource_version=True)
        if not patch:
            return job
        name, namespace = job.metadata.name, job.metadata.namespace
        written = await self._jobs.patch(name, patch, namespace, subresource="status")
        self._written[key] = int(written.metadata.resourceVersion)
        return written

    async def _remove_finalizers(self, key: str, pods: Sequence[core.Pod]) -> set[str]:
        """Remove them; returns the uids of Pods that have none any longer. Raises the first failure after all."""
        if not pods:
            return set()
        expected = self._removals.setdefault(key, set())
        expected.update(pod.metadata.uid for pod in pods)
        gone: set[str] = set()

        async def remove(pod: core.Pod) -> None:
            try:
                if not await self.remove_finalizer(pod):
                    expected.discard(pod.metadata.uid)
                gone.add(pod.metadata.uid)
            except pod_control.FAILURES:
                expected.discard(pod.metadata.uid)
                raise

        await tasks.gather(*map(remove, pods), name="remove tracking finalizers")
        return gone

    async def remove_finalizer(self, pod: core.Pod) -> bool:
        """Let the Pod go; False if it has gone already."""
        patch = {
            "metadata": {
                "uid": pod.metadata.uid,
                "$deleteFromPrimitiveList/finalizers": [members.FINALIZER],
            }
        }
        try:
            await self._pods.patch(pod.metadata.name, patch, pod.metadata.namespace, type="strategic")
        except (errors.NotFound, errors.Conflict, errors.Invalid):
            # Gone, or another Pod by that name.
            return False
        return True

    def _report(self, job: batch.Job, finished: batch.JobCondition) -> None:
        if finished.type != judgement.COMPLETE:
            self._recorder.event(job, "Warning", finished.reason, finished.message)
            return
        if job.spec.completions is not None and job.status.succeeded > job.spec.completions:
            text = "Too many succeeded pods running after completion count reached"
            self._recorder.event(job, "Warning", "TooManySucceededPods", text)
        self._recorder.event(job, "Normal", "Completed", "Job completed")


def _uncounted(status: batch.JobStatus) -> batch.UncountedTerminatedPods:
    return status.uncountedTerminatedPods or batch.UncountedTerminatedPods()


def _count(status: batch.JobStatus, pending: Iterable[str]) -> batch.JobStatus:
    """Noted Pods whose finalizer is gone become part of the count."""
    noted, still = _uncounted(status), {*pending}
    succeeded = tuple(uid for uid in noted.succeeded if uid in still)
    failed = tuple(uid for uid in noted.failed if uid in still)
    return structs.replace(
        status,
        succeeded=status.succeeded + len(noted.succeeded) - len(succeeded),
        failed=status.failed + len(noted.failed) - len(failed),
        uncountedTerminatedPods=batch.UncountedTerminatedPods(succeeded=succeeded, failed=failed),
    )


def _note(
    standing: Standing, status: batch.JobStatus, finished: batch.JobCondition | None
) -> tuple[batch.JobStatus, list[core.Pod], bool]:
    """The status with all Pods noted that may be counted, those Pods, and whether these were all there are."""
    job = standing.job
    noted = _uncounted(status)
    succeeded, failed = [*noted.succeeded], [*noted.failed]
    doomed: list[core.Pod] = []
    indexed = members.is_indexed(job)
    new_indexes: set[int] = set()
    failing = finished is not None and finished.type != judgement.SUCCESS_CRITERIA_MET
    for pod in sorted(standing.pods, key=members.completion_index) if indexed else standing.pods:
        if not standing.to_be_counted(pod) or not _may_go(standing, pod, finished):
            continue
        doomed.append(pod)
        uid = pod.metadata.uid
        if pod.status.phase == "Succeeded" and uid not in standing.uncounted_failed:
            if indexed:
                if standing.valid_index(pod):
                    new_indexes.add(members.completion_index(pod))
            elif uid not in standing.uncounted_succeeded:
                succeeded.append(uid)
        elif (members.is_failed(pod, job) or failing) and uid not in standing.uncounted_failed:
            if (not indexed or standing.valid_index(pod)) and policy.judge_failure(
                job.spec.podFailurePolicy, pod
            ).counts:
                failed.append(uid)
        if len(new_indexes) + len(succeeded) + len(failed) >= MAX_UNCOUNTED:
            break
    uncounted = batch.UncountedTerminatedPods(succeeded=tuple(succeeded), failed=tuple(failed))
    full = len(new_indexes) + len(succeeded) + len(failed) >= MAX_UNCOUNTED
    return structs.replace(status, uncountedTerminatedPods=uncounted), doomed, not full


def _may_go(standing: Standing, pod: core.Pod, finished: batch.JobCondition | None) -> bool:
    if standing.job.metadata.deletionTimestamp is not None or finished is not None:
        return True
    if pod.status.phase == "Succeeded":
        return True
    if not members.is_failed(pod, standing.job):
        return False
    kept = standing.delayed.get(members.completion_index(pod))
    return kept is None or kept.metadata.uid != pod.metadata.uid


def _with_indexes(standing: Standing, status: batch.JobStatus, doomed: Iterable[core.Pod]) -> batch.JobStatus:
    done = {
        members.completion_index(pod) for pod in doomed if pod.status.phase == "Succeeded" and standing.valid_index(pod)
    }
    succeeded = standing.before_succeeded | standing.succeeded_indexes | done
    failed = standing.failed_indexes
    return structs.replace(
        status,
        succeeded=len(succeeded),
        completedIndexes=indexes.render(succeeded),
        failedIndexes=indexes.render(failed) if failed is not None else None,
    )


def _announce(
    standing: Standing, status: batch.JobStatus, finished: batch.JobCondition | None
) -> tuple[batch.JobStatus, batch.JobCondition | None]:
    """The verdict is told (FailureTarget, SuccessCriteriaMet) before the Job is finished by it."""
    if finished is None or finished.type == judgement.FAILED:
        return status, finished
    if judgement.find(status.conditions, finished.type) is None:
        status = structs.replace(status, conditions=(*status.conditions, finished))
    kind = judgement.FAILED if finished.type == judgement.FAILURE_TARGET else judgement.COMPLETE
    return status, judgement.condition(kind, finished.reason, finished.message, standing.now)


def _may_finish(status: batch.JobStatus, terminating: int) -> bool:
    noted = _uncounted(status)
    return not noted.succeeded and not noted.failed and terminating == 0
