"""batch/v1: Job, CronJob.

Upstream: k8s.io/api/batch/v1. Pure.
"""

from typing import Any

from pybernetes.api.types import core, meta
from pybernetes.api.types.meta import Object, Struct, Time, always


class PodFailurePolicyOnExitCodesRequirement(Struct):
    containerName: str | None = None
    operator: str = always("")
    values: tuple[int, ...] = ()


class PodFailurePolicyOnPodConditionsPattern(Struct):
    type: str = always("")
    status: str = always("")


class PodFailurePolicyRule(Struct):
    action: str = always("")
    onExitCodes: PodFailurePolicyOnExitCodesRequirement | None = None
    onPodConditions: tuple[PodFailurePolicyOnPodConditionsPattern, ...] = ()


class PodFailurePolicy(Struct):
    rules: tuple[PodFailurePolicyRule, ...] = ()


class SuccessPolicyRule(Struct):
    succeededIndexes: str | None = None
    succeededCount: int | None = None


class SuccessPolicy(Struct):
    rules: tuple[SuccessPolicyRule, ...] = ()


class JobSpec(Struct):
    parallelism: int | None = None
    completions: int | None = None
    activeDeadlineSeconds: int | None = None
    podFailurePolicy: PodFailurePolicy | None = None
    successPolicy: SuccessPolicy | None = None
    backoffLimit: int | None = None
    backoffLimitPerIndex: int | None = None
    maxFailedIndexes: int | None = None
    selector: meta.LabelSelector | None = None
    manualSelector: bool | None = None
    scheduling: Any = None
    template: core.PodTemplateSpec = core.PodTemplateSpec()
    ttlSecondsAfterFinished: int | None = None
    completionMode: str | None = None
    suspend: bool | None = None
    podReplacementPolicy: str | None = None
    managedBy: str | None = None


class JobCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastProbeTime: Time | None = None
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class UncountedTerminatedPods(Struct):
    succeeded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class JobStatus(Struct):
    conditions: tuple[JobCondition, ...] = ()
    startTime: Time | None = None
    completionTime: Time | None = None
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    terminating: int | None = None
    completedIndexes: str = ""
    failedIndexes: str | None = None
    uncountedTerminatedPods: UncountedTerminatedPods | None = None
    ready: int | None = None


class Job(Object):
    """Runs pods until enough of them have succeeded."""

    apiVersion: str = always("batch/v1")
    kind: str = always("Job")
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


class JobTemplateSpec(Struct):
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: JobSpec = JobSpec()


class CronJobSpec(Struct):
    schedule: str = always("")
    timeZone: str | None = None
    startingDeadlineSeconds: int | None = None
    concurrencyPolicy: str = ""
    suspend: bool | None = None
    jobTemplate: JobTemplateSpec = JobTemplateSpec()
    successfulJobsHistoryLimit: int | None = None
    failedJobsHistoryLimit: int | None = None


class CronJobStatus(Struct):
    active: tuple[core.ObjectReference, ...] = ()
    lastScheduleTime: Time | None = None
    lastSuccessfulTime: Time | None = None


class CronJob(Object):
    """Makes Jobs on a schedule."""

    apiVersion: str = always("batch/v1")
    kind: str = always("CronJob")
    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()
