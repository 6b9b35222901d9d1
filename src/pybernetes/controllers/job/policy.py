"""What a Job's author thinks of failures and successes: podFailurePolicy and successPolicy.

Upstream: pkg/controller/job (pod_failure_policy.go, success_policy.go). Pure.
"""

import dataclasses
from collections.abc import Iterable, Set

from pybernetes.api.types import batch, core, meta
from pybernetes.controllers.job import indexes, members


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """About one failed Pod: whether it counts, what is done about it, why it fails the whole Job."""

    counts: bool = True
    action: str = ""
    message: str = ""


def judge_failure(policy: batch.PodFailurePolicy | None, pod: core.Pod) -> Verdict:
    """By the first rule that matches; without one the failure just counts."""
    for number, rule in enumerate(policy.rules if policy is not None else ()):
        reason = ""
        if rule.onExitCodes is not None:
            reason = _by_exit_codes(rule.onExitCodes, pod)
        elif rule.onPodConditions:
            reason = _by_conditions(rule.onPodConditions, pod)
        if reason:
            message = f"{reason} matching {rule.action} rule at index {number}" if rule.action == "FailJob" else ""
            return Verdict(rule.action != "Ignore", rule.action, message)
    return Verdict()


def _by_exit_codes(requirement: batch.PodFailurePolicyOnExitCodesRequirement, pod: core.Pod) -> str:
    for status in (*pod.status.containerStatuses, *pod.status.initContainerStatuses):
        ended = status.state.terminated
        if ended is None or ended.exitCode == 0 or requirement.containerName not in (None, status.name):
            continue
        if (ended.exitCode in requirement.values) == (requirement.operator == "In"):
            return f"Container {status.name} for pod {meta.key(pod)} failed with exit code {ended.exitCode}"
    return ""


def _by_conditions(patterns: Iterable[batch.PodFailurePolicyOnPodConditionsPattern], pod: core.Pod) -> str:
    wanted = {(one.type, one.status) for one in patterns}
    for condition in pod.status.conditions:
        if (condition.type, condition.status) in wanted:
            return f"Pod {meta.key(pod)} has condition {condition.type}"
    return ""


def failure_message(job: batch.Job, pods: Iterable[core.Pod]) -> str:
    """Why some failed Pod fails the whole Job; "" if none does."""
    if job.spec.podFailurePolicy is None:
        return ""
    for pod in pods:
        if members.is_failed(pod, job) and (message := judge_failure(job.spec.podFailurePolicy, pod).message):
            return message
    return ""


def success_message(job: batch.Job, succeeded: Set[int]) -> str:
    """Which rule says that the indexes that succeeded are enough; "" if none does."""
    policy = job.spec.successPolicy
    if policy is None or not succeeded:
        return ""
    for number, rule in enumerate(policy.rules):
        if rule.succeededIndexes is not None:
            required = indexes.parse(rule.succeededIndexes, job.spec.completions or 0)
            have = len(required & succeeded)
            met = bool(required) and (
                have == len(required) or (rule.succeededCount is not None and have >= rule.succeededCount)
            )
        else:
            met = rule.succeededCount is not None and len(succeeded) >= rule.succeededCount
        if met:
            return f"Matched rules at index {number}"
    return ""
