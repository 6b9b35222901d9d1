"""The controller `job`: a key is a Job; its Pods lead to it.

A Pod that has ended is counted exactly once: its uid is first noted in the status, then its finalizer is removed, then
the note becomes part of the count. A crash between any two of these steps repeats, and counts, nothing.
Path: 12 controllers.
Upstream: pkg/controller/job/job_controller.go.
"""

from collections.abc import Sequence

from msgspec import structs

from pybernetes.aio import tasks
from pybernetes.api.types import batch, core, meta, selectors
from pybernetes.apimachinery import errors, labels, timestamps
from pybernetes.client import controller, expectations, informer, workqueue
from pybernetes.controllers import adoption, pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.job import judgement, members, tracking
from pybernetes.controllers.job.judgement import Standing

SYNC_BATCH_PERIOD = 0.1
"""Pods that end together are counted together."""
MAX_CREATE_DELETE = 500
CONTROLLER_NAME = "kubernetes.io/job-controller"


class NoSelector(Exception):
    """Pods of such a Job would be released as soon as they are made, and made again, for ever."""


class JobController:
    """See the module."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("job-controller")
        self._clock = context.clock
        self._jobs = context.informers.informer(batch.Job)
        self._pods = context.informers.informer(core.Pod)
        pod_control.index_by_controller(self._pods)
        self._resource = client.resource(batch.Job)
        self._pod_resource = client.resource(core.Pod)
        self._recorder = context.recorder("job-controller", client)
        self._control = pod_control.RealPodControl(client, self._recorder)
        self._tracker = tracking.Tracker(self._resource, self._pod_resource, self._recorder, context.clock)
        self._expectations = expectations.ControllerExpectations(context.clock)
        self._backoffs: dict[str, judgement.Backoff] = {}
        self._group = context.group
        self.controller = controller.Controller(
            "job",
            self.sync_job,
            clock=context.clock,
            workers=context.settings.concurrent_job_syncs,
            limit=workqueue.RateLimit(initial=1.0, maximum=60.0),
        )
        self._orphans = controller.Controller("job_orphan_pod", self.sync_orphan_pod, clock=context.clock)
        self.controller.watches(
            self._jobs,
            on_add=lambda job: self.controller.enqueue(meta.key(job)),
            on_update=lambda old, new: self.controller.enqueue(meta.key(new)),
            on_delete=self._job_deleted,
        )
        self.controller.watches(
            self._pods, on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_gone
        )

    async def run(self) -> None:
        """Work until cancelled."""
        self._group.start(self._orphans.run(), "job: orphan pods")
        await self.controller.run()

    # what the watches bring

    def _job_deleted(self, obj: informer.Deleted[batch.Job]) -> None:
        job = informer.last_known(obj)
        self.controller.enqueue(meta.key(job))
        for pod in pod_control.controlled_by(self._pods, job.metadata.uid):
            if members.has_finalizer(pod):
                self._orphans.enqueue(meta.key(pod))

    def _resolve(self, pod: core.Pod) -> batch.Job | None:
        owner = meta.controller_of(pod)
        if owner is None or owner.kind != "Job":
            return None
        job = self._jobs.get(pod.metadata.namespace, owner.name)
        return job if job is not None and job.metadata.uid == owner.uid else None

    def _enqueue_batched(self, job: batch.Job) -> None:
        self.controller.enqueue_after(meta.key(job), SYNC_BATCH_PERIOD)

    def _pod_added(self, pod: core.Pod) -> None:
        if pod.metadata.deletionTimestamp is not None:
            self._pod_deleted(pod, final=False)
            return
        job = self._resolve(pod)
        if job is not None:
            self._expectations.creation_observed(meta.key(job))
            self._enqueue_batched(job)
        else:
            self._without_job(pod)

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        if new.metadata.deletionTimestamp is not None:
            self._pod_deleted(new, final=False)
            return
        before, after = self._resolve(old), self._resolve(new)
        lost = members.has_finalizer(old) and not members.has_finalizer(new)
        if before is not None and (after is None or before.metadata.uid != after.metadata.uid):
            if lost:
                self._tracker.removal_observed(meta.key(before), new.metadata.uid)
            self.controller.enqueue(meta.key(before))
        if after is not None:
            if lost:
                self._tracker.removal_observed(meta.key(after), new.metadata.uid)
            self._enqueue_batched(after)
        else:
            self._without_job(new)

    def _pod_gone(self, obj: informer.Deleted[core.Pod]) -> None:
        self._pod_deleted(informer.last_known(obj), final=True)

    def _pod_deleted(self, pod: core.Pod, *, final: bool) -> None:
        job = self._resolve(pod)
        if job is None:
            self._without_job(pod)
            return
        key = meta.key(job)
        self._expectations.deletion_observed(key, pod.metadata.uid)
        if final or not members.has_finalizer(pod):
            self._tracker.removal_observed(key, pod.metadata.uid)
        self._enqueue_batched(job)

    def _without_job(self, pod: core.Pod) -> None:
        owner = meta.controller_of(pod)
        if owner is None:
            for job in self._jobs.list(pod.metadata.namespace):
                if selectors.of_workload(job.spec.selector).matches(pod.metadata.labels):
                    self.controller.enqueue(meta.key(job))
        if members.has_finalizer(pod) and (owner is None or owner.kind == "Job"):
            self._orphans.enqueue(meta.key(pod))

    async def sync_orphan_pod(self, key: str) -> None:
        """A Pod whose Job is gone will be counted by nobody."""
        pod = self._pods.by_key(key)
        if pod is None or not members.has_finalizer(pod) or self._resolve(pod) is not None:
            return
        owner = meta.controller_of(pod)
        if owner is not None and owner.kind == "Job":
            try:
                job = await self._resource.get(owner.name, pod.metadata.namespace)
                if job.metadata.uid == owner.uid:
                    return
            except errors.NotFound:
                pass
        await self._tracker.remove_finalizer(pod)

    # the sync

    async def sync_job(self, key: str) -> float | None:
        """Bring one Job further; returns when to look again, if time matters."""
        job = self._jobs.by_key(key)
        if job is None or judgement.is_finished(job):
            self._backoffs.pop(key, None)
            self._expectations.delete(key)
            self._tracker.forget(key)
            return None
        if job.spec.managedBy not in (None, CONTROLLER_NAME) or self._tracker.is_behind(key, job):
            # Somebody else's; or our own last write is still on its way back to us.
            return None
        if selectors.of_workload(job.spec.selector) == labels.NOTHING:
            raise NoSelector(f"job {key} selects no pods: the server should have given it a selector")
        pods = await self._claim(job)
        now = self._clock.now()
        stored = job
        if job.status.startTime is None and not members.is_suspended(job):
            job = structs.replace(job, status=structs.replace(job.status, startTime=timestamps.format_time(now)))
        standing = Standing(job, pods, self._tracker.removed(key), now)
        run = _Run(standing)
        failure = await self._decide(key, run)
        record = self._backoffs.get(key, judgement.Backoff()).after(standing.new_succeeded, standing.new_failed)
        await self._tracker.track(stored, standing, run.status(), run.finished)
        self._backoffs[key] = record
        if failure is not None:
            raise failure
        left = standing.deadline_left()
        return min((one for one in (run.wait, left) if one is not None and one > 0), default=None)

    async def _claim(self, job: batch.Job) -> list[core.Pod]:
        candidates = pod_control.controlled_by(self._pods, job.metadata.uid)
        candidates += pod_control.orphans(self._pods, job.metadata.namespace)
        can_adopt = adoption.recheck_deletion(self._resource, job)
        manager = adoption.ControllerRefManager(
            self._pod_resource, job, selectors.of_workload(job.spec.selector), can_adopt, (members.FINALIZER,)
        )
        return await manager.claim(candidates)

    async def _decide(self, key: str, run: "_Run") -> Exception | None:
        """Make or delete Pods, and find out whether the Job is over; returns what failed on the way."""
        standing, job = run.standing, run.standing.job
        satisfied = self._expectations.satisfied(key)
        finished = standing.finished()
        if finished is not None:
            deleted, failure = await self._delete(job, standing.active)
            # Only when nobody runs any longer; the next sync will find the same verdict.
            run.finished = finished if deleted == len(standing.active) and satisfied else None
            run.removed(standing.active[:deleted])
            return failure
        failure = None
        managed = satisfied and job.metadata.deletionTimestamp is None
        if managed:
            failure = await self._manage(key, run)
        if standing.complete(run.active):
            text = "Reached expected number of succeeded pods"
            run.finished = judgement.condition(judgement.SUCCESS_CRITERIA_MET, "CompletionsReached", text, standing.now)
        elif managed:
            self._note_suspension(run)
        return failure

    def _note_suspension(self, run: "_Run") -> None:
        job, now = run.standing.job, run.standing.now
        known = next((one for one in run.conditions if one.type == "Suspended"), None)
        suspended = members.is_suspended(job)
        if (known is None and not suspended) or (known is not None and (known.status == "True") == suspended):
            return
        word = "Suspended" if suspended else "Resumed"
        new = judgement.condition("Suspended", f"Job{word}", f"Job {word.lower()}", now, str(suspended))
        run.conditions = (*(one for one in run.conditions if one.type != "Suspended"), new)
        run.start_time = None if suspended else timestamps.format_time(now)
        self._recorder.event(job, "Normal", word, f"Job {word.lower()}")

    # Pods

    async def _manage(self, key: str, run: "_Run") -> Exception | None:
        standing = run.standing
        doomed = standing.surplus()[:MAX_CREATE_DELETE]
        if doomed:
            self._expectations.expect_deletions(key, [pod.metadata.uid for pod in doomed])
            deleted, failure = await self._delete(standing.job, doomed, key=key)
            run.removed(doomed[:deleted])
            return failure
        count = min(standing.missing(), MAX_CREATE_DELETE)
        if count == 0 or members.is_suspended(standing.job):
            return None
        if not members.has_limit_per_index(standing.job):
            record = self._backoffs.get(key, judgement.Backoff())
            wait = record.after(standing.new_succeeded, standing.new_failed).remaining(standing.now)
            if wait > 0:
                run.wait = wait
                return None
        if members.is_indexed(standing.job):
            numbers, wait = standing.indexes_to_add(count)
            if not numbers:
                run.wait = wait or None
                return None
            return await self._create(key, run, numbers)
        return await self._create(key, run, [-1] * count)

    async def _create(self, key: str, run: "_Run", numbers: Sequence[int]) -> Exception | None:
        standing, job = run.standing, run.standing.job
        template = members.pod_template(job)
        reference = meta.owner_reference(job)
        waiting = iter(numbers)
        self._expectations.expect_creations(key, len(numbers))

        async def create() -> None:
            index = next(waiting)
            one, prefix = template, ""
            if index >= 0:
                one = members.indexed_template(job, template, index, standing.failure_counts(index))
                prefix = members.generate_name(job, index)
            try:
                await self._control.create_pods(job.metadata.namespace, one, job, reference, generate_name=prefix)
            except pod_control.FAILURES as error:
                if not pod_control.namespace_terminating(error):
                    raise
                self._expectations.creation_observed(key)

        created, failure = await pod_control.slow_start_batch(len(numbers), 1, create)
        self._expectations.lower(key, len(numbers) - created)
        run.active += created
        return failure

    async def _delete(self, job: batch.Job, pods: Sequence[core.Pod], *, key: str = "") -> tuple[int, Exception | None]:
        """Delete Pods; with a key they are not to be counted, so their finalizers go first."""
        failures: list[Exception] = []

        async def delete(pod: core.Pod) -> None:
            try:
                if key and members.has_finalizer(pod):
                    await self._tracker.remove_finalizer(pod)
                await self._control.delete_pod(pod.metadata.namespace, pod.metadata.name, job)
            except errors.NotFound:
                self._expectations.deletion_observed(key, pod.metadata.uid)
            except pod_control.FAILURES as error:
                self._expectations.deletion_observed(key, pod.metadata.uid)
                failures.append(error)

        await tasks.gather(*map(delete, pods), name="delete pods of a job")
        return len(pods) - len(failures), failures[0] if failures else None


class _Run:
    """What one sync finds out on its way."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.active = len(standing.active)
        self.ready = sum(map(pod_control.is_ready, standing.active))
        self.terminating = standing.terminating
        self.finished: batch.JobCondition | None = None
        self.wait: float | None = None
        self.conditions = standing.job.status.conditions
        self.start_time = standing.job.status.startTime

    def removed(self, pods: Sequence[core.Pod]) -> None:
        """These active Pods were deleted."""
        self.active -= len(pods)
        self.terminating += len(pods)
        self.ready -= sum(map(pod_control.is_ready, pods))

    def status(self) -> batch.JobStatus:
        """The Job's status so far; what has ended is counted by the tracker."""
        self.standing.terminating = self.terminating
        return structs.replace(
            self.standing.job.status,
            active=self.active,
            ready=self.ready,
            terminating=self.terminating,
            conditions=self.conditions,
            startTime=self.start_time,
            uncountedTerminatedPods=self.standing.job.status.uncountedTerminatedPods or batch.UncountedTerminatedPods(),
        )
