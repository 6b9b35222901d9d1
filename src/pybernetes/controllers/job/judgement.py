"""Where a Job stands: what its Pods add up to, whether it is over, how many Pods it needs.

Upstream: pkg/controller/job/job_controller.go (syncJob), backoff_utils.go. Pure.
"""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Sequence

from pybernetes.api.types import batch, core
from pybernetes.apimachinery import timestamps
from pybernetes.controllers import pod_control
from pybernetes.controllers.job import indexes, members, policy

DEFAULT_BACKOFF, MAX_BACKOFF = 10.0, 600.0
COMPLETE, FAILED = "Complete", "Failed"
SUCCESS_CRITERIA_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"


@dataclasses.dataclass(frozen=True, slots=True)
class Backoff:
    """Failures since the last success, and when the last of them was."""

    failures: int = 0
    last: datetime.datetime | None = None

    def after(self, succeeded: Sequence[core.Pod], failed: Sequence[core.Pod]) -> "Backoff":
        """With the Pods that have just ended."""
        ends = sorted(map(members.finished_time, failed))
        if succeeded:
            success = max(map(members.finished_time, succeeded))
            ends = [end for end in ends if end > success]
            return Backoff(len(ends), ends[-1] if ends else None)
        return Backoff(self.failures + len(ends), ends[-1]) if ends else self

    def remaining(self, now: datetime.datetime) -> float:
        """Seconds until the next Pod may be made."""
        if self.failures == 0 or self.last is None:
            return 0.0
        delay = min(MAX_BACKOFF, DEFAULT_BACKOFF * 2.0 ** min(self.failures - 1, 30))
        return max(0.0, delay - (now - self.last).total_seconds())


def condition(kind: str, reason: str, message: str, now: datetime.datetime, status: str = "True") -> batch.JobCondition:
    """A condition as of now."""
    at = timestamps.format_time(now)
    return batch.JobCondition(
        type=kind, status=status, lastProbeTime=at, lastTransitionTime=at, reason=reason, message=message
    )


def find(conditions: Iterable[batch.JobCondition], kind: str) -> batch.JobCondition | None:
    """The condition of that type, if it is true."""
    return next((one for one in conditions if one.type == kind and one.status == "True"), None)


def is_finished(job: batch.Job) -> bool:
    """Whether the Job has completed or failed for good."""
    return any(find(job.status.conditions, kind) is not None for kind in (COMPLETE, FAILED))


class Standing:
    """One Job at one moment. `removed` are uids of Pods whose finalizer is gone though the cache still shows it."""

    def __init__(self, job: batch.Job, pods: Sequence[core.Pod], removed: set[str], now: datetime.datetime) -> None:
        self.job = job
        self.pods = [*pods]
        self.now = now
        self._removed = removed
        uncounted = job.status.uncountedTerminatedPods or batch.UncountedTerminatedPods()
        self.uncounted_succeeded, self.uncounted_failed = {*uncounted.succeeded}, {*uncounted.failed}
        self.active = pod_control.filter_active_pods(pods)
        self.terminating = sum(
            pod.metadata.deletionTimestamp is not None and pod.status.phase not in ("Succeeded", "Failed")
            for pod in pods
        )
        self.new_succeeded = self._new(self.uncounted_succeeded, lambda pod: pod.status.phase == "Succeeded")
        self.new_failed = self._new(self.uncounted_failed, lambda pod: members.is_failed(pod, job))
        self.succeeded = job.status.succeeded + len(self.new_succeeded) + len(self.uncounted_succeeded)
        counted = [pod for pod in self.new_failed if policy.judge_failure(job.spec.podFailurePolicy, pod).counts]
        self.failed = job.status.failed + len(counted) + len(self.uncounted_failed)
        self.before_succeeded: set[int] = set()
        self.succeeded_indexes: set[int] = set()
        self.failed_indexes: set[int] | None = None
        self.delayed: dict[int, core.Pod] = {}
        """By index, the failed Pod that is kept until its successor has been made: it remembers the failures."""
        if members.is_indexed(job):
            self._count_indexes()

    @property
    def completions(self) -> int:
        """How many indexes there are."""
        return self.job.spec.completions or 0

    def to_be_counted(self, pod: core.Pod) -> bool:
        """Whether the Pod still has its finalizer."""
        return members.has_finalizer(pod) and pod.metadata.uid not in self._removed

    def valid_index(self, pod: core.Pod) -> bool:
        """Whether the Pod has a number that the Job has."""
        return 0 <= members.completion_index(pod) < self.completions

    def _new(self, uncounted: set[str], accept: Callable[[core.Pod], bool]) -> list[core.Pod]:
        return [
            pod
            for pod in self.pods
            if self.to_be_counted(pod)
            and pod.metadata.uid not in uncounted
            and (not members.is_indexed(self.job) or self.valid_index(pod))
            and accept(pod)
        ]

    def _count_indexes(self) -> None:
        job = self.job
        self.before_succeeded = indexes.parse(job.status.completedIndexes, self.completions)
        finished = [pod for pod in self.pods if self.valid_index(pod) and members.has_finalizer(pod)]
        new = {members.completion_index(pod) for pod in finished if pod.status.phase == "Succeeded"}
        self.succeeded_indexes = self.before_succeeded | new
        self.succeeded = len(self.succeeded_indexes)
        if not members.has_limit_per_index(job):
            return
        self.failed_indexes = indexes.parse(job.status.failedIndexes or "", self.completions)
        self.failed_indexes |= {members.completion_index(pod) for pod in finished if self._index_failed(pod)}
        over = self.succeeded_indexes | self.failed_indexes | self.active_indexes()
        for pod in self._new(set(), lambda pod: members.is_failed(pod, job)):
            index = members.completion_index(pod)
            known = self.delayed.get(index)
            if index not in over and (known is None or _later(pod, known)):
                self.delayed[index] = pod

    def _index_failed(self, pod: core.Pod) -> bool:
        if not members.is_failed(pod, self.job):
            return False
        verdict = policy.judge_failure(self.job.spec.podFailurePolicy, pod)
        if verdict.action == "FailIndex":
            return True
        return verdict.counts and members.failures(pod) >= (self.job.spec.backoffLimitPerIndex or 0)

    def active_indexes(self) -> set[int]:
        """Indexes that somebody works at."""
        pods = self.active
        if members.replaces_only_failed(self.job):
            pods = [pod for pod in self.pods if pod.status.phase not in ("Succeeded", "Failed")]
        return {members.completion_index(pod) for pod in pods} - {-1}

    # is it over?

    def finished(self) -> batch.JobCondition | None:
        """The condition that the Job is about to get, because of what is known before any Pod is made or deleted."""
        known = find(self.job.status.conditions, SUCCESS_CRITERIA_MET)
        if known is not None:
            return known
        target = find(self.job.status.conditions, FAILURE_TARGET)
        if target is not None:
            return condition(FAILED, target.reason, target.message, self.now)
        failure = self._failure()
        if failure is not None:
            return condition(FAILURE_TARGET, *failure, self.now)
        message = policy.success_message(self.job, self.succeeded_indexes) if members.is_indexed(self.job) else ""
        return condition(SUCCESS_CRITERIA_MET, "SuccessPolicy", message, self.now) if message else None

    def _failure(self) -> tuple[str, str] | None:
        spec = self.job.spec
        message = policy.failure_message(self.job, self.pods)
        if message:
            return "PodFailurePolicy", message
        limit = 6 if spec.backoffLimit is None else spec.backoffLimit
        if self.failed > limit or self._past_restarts(limit):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        left = self.deadline_left()
        if left is not None and left <= 0:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        if self.failed_indexes is not None:
            if spec.maxFailedIndexes is not None and len(self.failed_indexes) > spec.maxFailedIndexes:
                text = "Job has exceeded the specified maximal number of failed indexes"
                return "MaxFailedIndexesExceeded", text
            if self.failed_indexes and len(self.failed_indexes) + len(self.succeeded_indexes) >= self.completions:
                return "FailedIndexes", "Job has failed indexes"
        return None

    def _past_restarts(self, limit: int) -> bool:
        if self.job.spec.template.spec.restartPolicy != "OnFailure":
            return False
        count = sum(members.restarts(pod) for pod in self.pods if pod.status.phase in ("Running", "Pending"))
        return count > 0 if limit == 0 else count >= limit

    def deadline_left(self) -> float | None:
        """Seconds until activeDeadlineSeconds are over; None if there is no deadline now."""
        deadline, since = self.job.spec.activeDeadlineSeconds, self.job.status.startTime
        if deadline is None or since is None or members.is_suspended(self.job):
            return None
        return deadline - (self.now - timestamps.parse(since)).total_seconds()

    def complete(self, active: int) -> bool:
        """Whether enough have succeeded, and nobody runs any longer."""
        if active:
            return False
        wanted = self.job.spec.completions
        return self.succeeded > 0 if wanted is None else self.succeeded >= wanted

    # how many Pods

    def wanted_active(self) -> int:
        """How many Pods should run."""
        parallelism = 1 if self.job.spec.parallelism is None else self.job.spec.parallelism
        if members.is_suspended(self.job):
            return 0
        if self.job.spec.completions is None:
            return len(self.active) if self.succeeded > 0 else parallelism
        return max(0, min(parallelism, self.job.spec.completions - self.succeeded))

    def surplus(self) -> list[core.Pod]:
        """Active Pods that are too many, or work at an index that is done or somebody else's."""
        at_least = max(0, len(self.active) - self.wanted_active())
        doomed: list[core.Pod] = []
        left = self.active
        if members.is_indexed(self.job):
            doomed, left = self._duplicates()
        if len(doomed) < at_least:
            doomed += pod_control.order_for_deletion(left, {}, self.now)[: at_least - len(doomed)]
        return doomed

    def _duplicates(self) -> tuple[list[core.Pod], list[core.Pod]]:
        by_index: dict[int, list[core.Pod]] = {}
        for pod in self.active:
            by_index.setdefault(members.completion_index(pod), []).append(pod)
        doomed: list[core.Pod] = []
        left: list[core.Pod] = []
        for index, pods in sorted(by_index.items()):
            if index < 0 or index >= self.completions:
                doomed += pods
            else:
                ordered = pod_control.order_for_deletion(pods, {}, self.now)
                doomed += ordered[:-1]
                left += ordered[-1:]
        return doomed, left

    def missing(self) -> int:
        """How many Pods to make."""
        ending = self.terminating if members.replaces_only_failed(self.job) else 0
        return max(0, self.wanted_active() - ending - len(self.active))

    def indexes_to_add(self, count: int) -> tuple[list[int], float]:
        """The indexes to make Pods for; none, and how long to wait, while all of them have to rest after failures."""
        taken = self.succeeded_indexes | self.active_indexes() | (self.failed_indexes or set())
        free = indexes.first_pending(taken, count, self.completions)
        if not members.has_limit_per_index(self.job):
            return free, 0.0
        waits = {index: self._index_backoff(index) for index in free}
        ready = [index for index in free if waits[index] == 0]
        return ready, 0.0 if ready else min(waits.values(), default=0.0)

    def _index_backoff(self, index: int) -> float:
        last = self.delayed.get(index)
        if last is None:
            return 0.0
        return Backoff(members.all_failures(last) + 1, members.finished_time(last)).remaining(self.now)

    def failure_counts(self, index: int) -> tuple[int, int] | None:
        """For the next Pod of an index: how often it failed, counted and ignored; None where nobody counts."""
        if not members.has_limit_per_index(self.job):
            return None
        last = self.delayed.get(index)
        if last is None:
            return 0, 0
        counted = members.failures(last)
        ignored = members.all_failures(last) - counted
        if policy.judge_failure(self.job.spec.podFailurePolicy, last).counts:
            return counted + 1, ignored
        return counted, ignored + 1


def _later(pod: core.Pod, known: core.Pod) -> bool:
    return members.all_failures(known) <= members.all_failures(pod) and members.finished_time(
        pod
    ) >= members.finished_time(known)
