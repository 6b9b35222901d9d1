"""What a Job's Pods say and what new ones look like.

Upstream: pkg/controller/job (indexed_job_utils.go, backoff_utils.go, tracking_utils.go). Pure.
"""

import datetime

from msgspec import structs

from pybernetes.api.types import batch, core
from pybernetes.apimachinery import names, timestamps
from pybernetes.controllers import pod_control

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURE_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"
_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


def is_indexed(job: batch.Job) -> bool:
    """Whether each completion has a number."""
    return job.spec.completionMode == "Indexed"


def has_limit_per_index(job: batch.Job) -> bool:
    """Whether each index fails on its own account."""
    return job.spec.backoffLimitPerIndex is not None


def replaces_only_failed(job: batch.Job) -> bool:
    """Whether a Pod that is ending counts as running until it has failed."""
    return job.spec.podReplacementPolicy == "Failed"


def is_suspended(job: batch.Job) -> bool:
    """Whether no Pod should run."""
    return bool(job.spec.suspend)


def has_finalizer(pod: core.Pod) -> bool:
    """Whether the Pod has yet to be counted."""
    return FINALIZER in pod.metadata.finalizers


def is_failed(pod: core.Pod, job: batch.Job) -> bool:
    """Whether the Pod counts as failed: one that is being deleted may never get to say so itself."""
    if pod.status.phase == "Failed":
        return True
    if replaces_only_failed(job):
        return False
    return pod.metadata.deletionTimestamp is not None and pod.status.phase != "Succeeded"


def completion_index(pod: core.Pod) -> int:
    """The Pod's number, -1 if it has none."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdecimal() else -1


def failures(pod: core.Pod) -> int:
    """How often its index had failed before this Pod."""
    return _count(pod, FAILURE_COUNT)


def all_failures(pod: core.Pod) -> int:
    """The same with those that a policy ignores."""
    return _count(pod, FAILURE_COUNT) + _count(pod, IGNORED_FAILURE_COUNT)


def _count(pod: core.Pod, annotation: str) -> int:
    text = pod.metadata.annotations.get(annotation, "")
    return int(text) if text.isdecimal() and int(text) < 2**31 else 0


def finished_time(pod: core.Pod) -> datetime.datetime:
    """When the last container ended, or the best guess at it."""
    sidecars = {one.name for one in pod.spec.initContainers if one.restartPolicy == "Always"}
    statuses = [*pod.status.containerStatuses]
    statuses += [one for one in pod.status.initContainerStatuses if one.name in sidecars]
    ends = [one.state.terminated.finishedAt if one.state.terminated is not None else "" for one in statuses]
    if ends and all(ends):
        return max(timestamps.parse(end) for end in ends if end)
    ready = pod_control.pod_condition(pod, "Ready")
    if ready is not None and ready.status == "False" and ready.lastTransitionTime:
        return timestamps.parse(ready.lastTransitionTime)
    if pod.metadata.deletionTimestamp is not None:
        grace = datetime.timedelta(seconds=pod.metadata.deletionGracePeriodSeconds or 0)
        return timestamps.parse(pod.metadata.deletionTimestamp) - grace
    return timestamps.parse(pod.metadata.creationTimestamp)


def restarts(pod: core.Pod) -> int:
    """Of all containers together."""
    return sum(one.restartCount for one in (*pod.status.initContainerStatuses, *pod.status.containerStatuses))


# new Pods


def pod_template(job: batch.Job) -> core.PodTemplateSpec:
    """The template of all Pods: each is to be counted before it may go."""
    template = job.spec.template
    about = template.metadata
    finalizers = about.finalizers if FINALIZER in about.finalizers else (*about.finalizers, FINALIZER)
    spec = template.spec
    if is_indexed(job):
        spec = structs.replace(
            spec,
            initContainers=tuple(map(_with_variable, spec.initContainers)),
            containers=tuple(map(_with_variable, spec.containers)),
        )
    return structs.replace(template, metadata=structs.replace(about, finalizers=finalizers), spec=spec)


def _with_variable(container: core.Container) -> core.Container:
    if any(one.name == _INDEX_VARIABLE for one in container.env):
        return container
    field = core.ObjectFieldSelector(fieldPath=f"metadata.labels['{INDEX}']")
    variable = core.EnvVar(name=_INDEX_VARIABLE, valueFrom=core.EnvVarSource(fieldRef=field))
    return structs.replace(container, env=(*container.env, variable))


def indexed_template(
    job: batch.Job, template: core.PodTemplateSpec, index: int, counts: tuple[int, int] | None
) -> core.PodTemplateSpec:
    """The template for one index; `counts` are its failures, counted and ignored."""
    annotations = {**template.metadata.annotations, INDEX: str(index)}
    if counts is not None:
        annotations[FAILURE_COUNT] = str(counts[0])
        if counts[1]:
            annotations[IGNORED_FAILURE_COUNT] = str(counts[1])
    labels = {**template.metadata.labels, INDEX: str(index)}
    about = structs.replace(template.metadata, annotations=annotations, labels=labels)
    spec = structs.replace(template.spec, hostname=f"{job.metadata.name}-{index}")
    return structs.replace(template, metadata=about, spec=spec)


def generate_name(job: batch.Job, index: int) -> str:
    """The beginning of the name of an index's Pods."""
    suffix = f"-{index}-"
    return job.metadata.name[: names.GENERATE_BASE_MAX - len(suffix)] + suffix
