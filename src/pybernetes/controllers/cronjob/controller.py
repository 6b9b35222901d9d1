"""The controller `cronjob`: a key is a CronJob; its Jobs lead to it, and the time it is next due.

Upstream: pkg/controller/cronjob/cronjob_controllerv2.go.
"""

import datetime
from collections.abc import Callable, Iterable

from msgspec import structs

from pybernetes.api import cron
from pybernetes.api.types import batch, core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller, patches
from pybernetes.controllers import pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.cronjob import schedule as schedules

SCHEDULED_TIMESTAMP = "batch.kubernetes.io/cronjob-scheduled-timestamp"
NEXT_SCHEDULE_DELTA = 0.1
"""A little later than due, so that clocks that differ a little agree that it is."""
_CONTROLLER_INDEX = "controllerUID"


class CronJobController:
    """See the module."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("cronjob-controller")
        self._clock = context.clock
        self._cron_jobs = context.informers.informer(batch.CronJob)
        self._jobs = context.informers.informer(batch.Job)
        self._jobs.add_index(_CONTROLLER_INDEX, _owner_uids)
        self._resource = client.resource(batch.CronJob)
        self._job_resource = client.resource(batch.Job)
        self._recorder = context.recorder("cronjob-controller", client)
        workers = context.settings.concurrent_cron_job_syncs
        self.controller = controller.Controller("cronjob", self.sync_cron_job, clock=context.clock, workers=workers)
        self.controller.watches(self._cron_jobs)
        self.controller.watches(self._jobs, key=_owner_key)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    async def sync_cron_job(self, key: str) -> float | None:
        """Look after one CronJob; returns when it is next due."""
        cron_job = self._cron_jobs.by_key(key)
        if cron_job is None:
            return None
        work = _Sync(self._recorder_event, cron_job)
        jobs = self._jobs.by_index(_CONTROLLER_INDEX, cron_job.metadata.uid)
        await self._clean_up(work, jobs)
        try:
            await self._note_jobs(work, jobs)
            return await self._start(work) if cron_job.metadata.deletionTimestamp is None else None
        finally:
            await self._write_status(cron_job, work.status)

    def _recorder_event(self, cron_job: batch.CronJob, kind: str, reason: str, message: str) -> None:
        self._recorder.event(cron_job, kind, reason, message)

    async def _write_status(self, cron_job: batch.CronJob, status: batch.CronJobStatus) -> None:
        patch = patches.status(cron_job, status, resource_version=True)
        if not patch:
            return
        name, namespace = cron_job.metadata.name, cron_job.metadata.namespace
        try:
            await self._resource.patch(name, patch, namespace, subresource="status")
        except errors.NotFound:
            return

    # its Jobs

    async def _clean_up(self, work: "_Sync", jobs: Iterable[batch.Job]) -> None:
        """Keep as many finished Jobs as wished, the newest."""
        spec = work.cron_job.spec
        for kind, limit in (("Complete", spec.successfulJobsHistoryLimit), ("Failed", spec.failedJobsHistoryLimit)):
            if limit is None:
                continue
            finished = [job for job in jobs if _finished(job) == kind]
            finished.sort(key=lambda job: (job.status.startTime or "9", job.metadata.name))
            for job in finished[: max(0, len(finished) - limit)]:
                await self._delete(work, job.metadata.name, job.metadata.uid)

    async def _delete(self, work: "_Sync", name: str, uid: str) -> bool:
        namespace = work.cron_job.metadata.namespace
        try:
            await self._job_resource.delete(name, namespace, propagation="Background")
        except pod_control.FAILURES as error:
            if not isinstance(error, errors.NotFound):
                work.event("Warning", "FailedDelete", f"Deleted job: {error}")
                return False
        work.forget(uid)
        work.event("Normal", "SuccessfulDelete", f"Deleted job {name}")
        return True

    async def _note_jobs(self, work: "_Sync", jobs: Iterable[batch.Job]) -> None:
        """Bring the list of active Jobs up to date."""
        children: set[str] = set()
        for job in jobs:
            children.add(job.metadata.uid)
            verdict, listed = _finished(job), work.is_active(job.metadata.uid)
            if not verdict and not listed:
                fresh = await self._resource.get(work.cron_job.metadata.name, work.cron_job.metadata.namespace)
                if not any(one.uid == job.metadata.uid for one in fresh.status.active):
                    text = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
                    work.event("Warning", "UnexpectedJob", text)
            elif verdict and listed:
                work.forget(job.metadata.uid)
                text = f"Saw completed job: {job.metadata.name}, condition: {verdict}"
                work.event("Normal", "SawCompletedJob", text)
            ended = job.status.completionTime
            if verdict == "Complete" and ended and ended > (work.status.lastSuccessfulTime or ""):
                work.status = structs.replace(work.status, lastSuccessfulTime=ended)
        for reference in work.status.active:
            if reference.uid not in children:
                try:
                    await self._job_resource.get(reference.name, work.cron_job.metadata.namespace)
                except errors.NotFound:
                    work.event("Normal", "MissingJob", f"Active job went missing: {reference.name}")
                    work.forget(reference.uid)

    # the schedule

    async def _start(self, work: "_Sync") -> float | None:
        cron_job, spec, now = work.cron_job, work.cron_job.spec, self._clock.now()
        try:
            zone = cron.load_zone(spec.timeZone or "")
        except cron.ScheduleError as error:
            work.event("Warning", "UnknownTimeZone", f'invalid timeZone: "{spec.timeZone}": {error}')
            return None
        if spec.suspend:
            return None
        try:
            schedule = cron.parse(spec.schedule, spec.timeZone)
        except cron.ScheduleError as error:
            work.event("Warning", "UnparseableSchedule", f'unparseable schedule: "{spec.schedule}" : {error}')
            return None
        try:
            missed = schedules.most_recent(schedule, _earliest(cron_job, now, deadline=True), now)
        except cron.ScheduleError as error:
            work.event("Warning", "InvalidSchedule", f"invalid schedule: {spec.schedule} : {error}")
            return None
        if missed.many:
            text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            work.event("Warning", "TooManyMissedTimes", text)
        if missed.latest is not None and self._may_start(work, missed.latest, now):
            await self._replace(work)
            await self._create(work, missed.latest, zone)
        due = schedule.next(_served(work, schedule, now))
        return None if due is None else (due - now).total_seconds() + NEXT_SCHEDULE_DELTA

    @staticmethod
    def _may_start(work: "_Sync", at: datetime.datetime, now: datetime.datetime) -> bool:
        spec, status = work.cron_job.spec, work.status
        if spec.startingDeadlineSeconds is not None:
            if at + datetime.timedelta(seconds=spec.startingDeadlineSeconds) < now:
                when = at.strftime("%a, %d %b %Y %H:%M:%S +0000")
                work.event("Warning", "MissSchedule", f"Missed scheduled time to start a job: {when}")
                return False
        name = _job_name(work.cron_job, at)
        if any(one.name == name for one in status.active) or status.lastScheduleTime == timestamps.format_time(at):
            return False
        if spec.concurrencyPolicy == "Forbid" and status.active:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            work.event("Normal", "JobAlreadyActive", text)
            return False
        return True

    async def _replace(self, work: "_Sync") -> None:
        if work.cron_job.spec.concurrencyPolicy != "Replace":
            return
        for reference in work.status.active:
            if not await self._delete(work, reference.name, reference.uid):
                raise StillRunning(f"could not replace job {reference.namespace}/{reference.name}")

    async def _create(self, work: "_Sync", at: datetime.datetime, zone: datetime.tzinfo) -> None:
        cron_job = work.cron_job
        wanted = _job_from_template(cron_job, at, zone)
        try:
            job = await self._job_resource.create(wanted, cron_job.metadata.namespace)
            work.event("Normal", "SuccessfulCreate", f"Created job {job.metadata.name}")
        except errors.AlreadyExists:
            # Made by this controller before it could say so in the status, or somebody else's.
            job = await self._job_resource.get(wanted.metadata.name, cron_job.metadata.namespace)
            if not meta.is_controlled_by(job, cron_job):
                return
        except pod_control.FAILURES as error:
            if not pod_control.namespace_terminating(error):
                work.event("Warning", "FailedCreate", f"Error creating job: {error}")
            raise
        reference = core.ObjectReference(
            apiVersion=job.apiVersion,
            kind=job.kind,
            namespace=job.metadata.namespace,
            name=job.metadata.name,
            uid=job.metadata.uid,
            resourceVersion=job.metadata.resourceVersion,
        )
        work.status = structs.replace(
            work.status, active=(*work.status.active, reference), lastScheduleTime=timestamps.format_time(at)
        )


class StillRunning(Exception):
    """A Job that was to be replaced could not be deleted."""


class _Sync:
    """One CronJob and its status as one sync finds it out."""

    def __init__(self, record: Callable[[batch.CronJob, str, str, str], None], cron_job: batch.CronJob) -> None:
        self._record = record
        self.cron_job = cron_job
        self.status = cron_job.status

    def event(self, kind: str, reason: str, message: str) -> None:
        """Tell it about the CronJob."""
        self._record(self.cron_job, kind, reason, message)

    def is_active(self, uid: str) -> bool:
        """Whether the Job is listed as running."""
        return any(one.uid == uid for one in self.status.active)

    def forget(self, uid: str) -> None:
        """The Job runs no longer."""
        self.status = structs.replace(self.status, active=tuple(one for one in self.status.active if one.uid != uid))


def _earliest(cron_job: batch.CronJob, now: datetime.datetime, *, deadline: bool) -> datetime.datetime:
    """Everything up to then was served, or is too late to be."""
    since = timestamps.parse(cron_job.status.lastScheduleTime or cron_job.metadata.creationTimestamp)
    seconds = cron_job.spec.startingDeadlineSeconds
    if deadline and seconds is not None:
        since = max(since, now - datetime.timedelta(seconds=seconds))
    return since


def _served(work: _Sync, schedule: cron.Schedule, now: datetime.datetime) -> datetime.datetime:
    """The time after which the next start is to be looked for."""
    current = structs.replace(work.cron_job, status=work.status)
    try:
        missed = schedules.most_recent(schedule, _earliest(current, now, deadline=False), now)
    except cron.ScheduleError:
        return now
    if missed.latest is not None:
        return missed.latest
    return now if missed.count else missed.earliest


def _job_name(cron_job: batch.CronJob, at: datetime.datetime) -> str:
    return f"{cron_job.metadata.name}-{int(at.timestamp()) // 60}"


def _job_from_template(cron_job: batch.CronJob, at: datetime.datetime, zone: datetime.tzinfo) -> batch.Job:
    template = cron_job.spec.jobTemplate
    local = at.astimezone(zone).isoformat(timespec="seconds")
    stamp = {SCHEDULED_TIMESTAMP: local.removesuffix("+00:00") + "Z" if local.endswith("+00:00") else local}
    return batch.Job(
        metadata=meta.ObjectMeta(
            name=_job_name(cron_job, at),
            namespace=cron_job.metadata.namespace,
            labels=template.metadata.labels,
            annotations={**template.metadata.annotations, **stamp},
            ownerReferences=(meta.owner_reference(cron_job),),
        ),
        spec=template.spec,
    )


def _finished(job: batch.Job) -> str:
    for one in job.status.conditions:
        if one.type in ("Complete", "Failed") and one.status == "True":
            return one.type
    return ""


def _owner_uids(job: batch.Job) -> tuple[str, ...]:
    owner = meta.controller_of(job)
    return (owner.uid,) if owner is not None and owner.kind == "CronJob" else ()


def _owner_key(job: batch.Job) -> str | None:
    owner = meta.controller_of(job)
    return f"{job.metadata.namespace}/{owner.name}" if owner is not None and owner.kind == "CronJob" else None
