"""A Deployment's status: counts, the conditions Available, Progressing and ReplicaFailure, and the progress deadline.

Upstream: pkg/controller/deployment/progress.go, sync.go (calculateStatus). Pure.
"""

import datetime
from collections.abc import Iterable, Sequence

from msgspec import structs

from pybernetes.api.types import apps
from pybernetes.apimachinery import timestamps
from pybernetes.controllers.deployment import rollout

AVAILABLE, PROGRESSING, REPLICA_FAILURE = "Available", "Progressing", "ReplicaFailure"
FAILED_CREATE = "ReplicaSetCreateError"
NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"

Conditions = tuple[apps.DeploymentCondition, ...]


def condition(kind: str, status: str, reason: str, message: str, now: datetime.datetime) -> apps.DeploymentCondition:
    """A condition as of now."""
    at = timestamps.format_time(now)
    return apps.DeploymentCondition(
        type=kind, status=status, reason=reason, message=message, lastUpdateTime=at, lastTransitionTime=at
    )


def find(conditions: Iterable[apps.DeploymentCondition], kind: str) -> apps.DeploymentCondition | None:
    """The condition of that type."""
    return next((one for one in conditions if one.type == kind), None)


def without(conditions: Conditions, kind: str) -> Conditions:
    """All others."""
    return tuple(one for one in conditions if one.type != kind)


def with_condition(conditions: Conditions, new: apps.DeploymentCondition) -> Conditions:
    """Set a condition; one that says the same already stays as it is."""
    known = find(conditions, new.type)
    if known is not None and known.status == new.status:
        if known.reason == new.reason:
            return conditions
        new = structs.replace(new, lastTransitionTime=known.lastTransitionTime)
    return (*without(conditions, new.type), new)


def has_deadline(deployment: apps.Deployment) -> bool:
    """Whether anybody asked for progress within some time."""
    return deployment.spec.progressDeadlineSeconds not in (None, 2**31 - 1)


def paused_condition(deployment: apps.Deployment, now: datetime.datetime) -> apps.DeploymentCondition | None:
    """The Progressing condition to set because the Deployment was paused or resumed, if so."""
    if not has_deadline(deployment):
        return None
    known = find(deployment.status.conditions, PROGRESSING)
    if known is not None and known.reason == TIMED_OUT:
        return None
    was_paused = known is not None and known.reason == PAUSED
    if deployment.spec.paused and not was_paused:
        return condition(PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now)
    if not deployment.spec.paused and was_paused:
        return condition(PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now)
    return None


def calculate_status(
    deployment: apps.Deployment,
    new: apps.ReplicaSet | None,
    old: Sequence[apps.ReplicaSet],
    now: datetime.datetime,
) -> apps.DeploymentStatus:
    """What the ReplicaSets say about the Deployment; only the condition Available is judged anew."""
    everyone = [*old, new] if new is not None else [*old]
    ready = rollout.available(everyone)
    if ready >= rollout.replicas(deployment) - rollout.max_unavailable(deployment):
        verdict = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        verdict = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return apps.DeploymentStatus(
        observedGeneration=deployment.metadata.generation,
        replicas=sum(one.status.replicas for one in everyone),
        updatedReplicas=new.status.replicas if new is not None else 0,
        readyReplicas=sum(one.status.readyReplicas for one in everyone),
        availableReplicas=ready,
        unavailableReplicas=max(0, rollout.total(everyone) - ready),
        terminatingReplicas=_terminating(everyone),
        collisionCount=deployment.status.collisionCount,
        conditions=with_condition(deployment.status.conditions, condition(AVAILABLE, *verdict, now)),
    )


def _terminating(replica_sets: Iterable[apps.ReplicaSet]) -> int | None:
    """Pods on their way out; unknown as soon as one ReplicaSet that was looked at does not say."""
    count = 0
    for one in replica_sets:
        if one.status.terminatingReplicas is not None:
            count += one.status.terminatingReplicas
        elif one.status.observedGeneration != 0:
            return None
    return count


def complete(deployment: apps.Deployment, status: apps.DeploymentStatus) -> bool:
    """Whether the rollout is done."""
    wanted = rollout.replicas(deployment)
    return (
        status.updatedReplicas == status.replicas == status.availableReplicas == wanted
        and status.observedGeneration >= deployment.metadata.generation
    )


def progressing(old: apps.DeploymentStatus, new: apps.DeploymentStatus) -> bool:
    """Whether anything moved in the right direction."""
    return (
        new.updatedReplicas > old.updatedReplicas
        or new.replicas - new.updatedReplicas < old.replicas - old.updatedReplicas
        or new.readyReplicas > old.readyReplicas
        or new.availableReplicas > old.availableReplicas
    )


def _deadline(deployment: apps.Deployment, since: apps.DeploymentCondition) -> datetime.datetime:
    seconds = deployment.spec.progressDeadlineSeconds or 0
    return timestamps.parse(since.lastUpdateTime) + datetime.timedelta(seconds=seconds)


def timed_out(deployment: apps.Deployment, status: apps.DeploymentStatus, now: datetime.datetime) -> bool:
    """Whether the last progress is too long ago."""
    known = find(status.conditions, PROGRESSING)
    if not has_deadline(deployment) or known is None or known.reason == NEW_AVAILABLE:
        return False
    return known.reason == TIMED_OUT or _deadline(deployment, known) < now


def rollout_status(
    deployment: apps.Deployment,
    new: apps.ReplicaSet | None,
    old: Sequence[apps.ReplicaSet],
    now: datetime.datetime,
) -> apps.DeploymentStatus:
    """The status during a rollout: also whether it makes progress and what keeps ReplicaSets from working."""
    status = calculate_status(deployment, new, old, now)
    conditions = status.conditions
    current = find(deployment.status.conditions, PROGRESSING)
    if not has_deadline(deployment):
        conditions = without(conditions, PROGRESSING)
    elif not (status.replicas == status.updatedReplicas and current is not None and current.reason == NEW_AVAILABLE):
        conditions = _judge(deployment, new, status, now)
    failure = _replica_failure(new, old)
    if failure is not None:
        conditions = with_condition(conditions, failure)
    else:
        conditions = without(conditions, REPLICA_FAILURE)
    return structs.replace(status, conditions=conditions)


def _judge(
    deployment: apps.Deployment, new: apps.ReplicaSet | None, status: apps.DeploymentStatus, now: datetime.datetime
) -> Conditions:
    name = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    if complete(deployment, status):
        done = condition(PROGRESSING, "True", NEW_AVAILABLE, f"{name} has successfully progressed.", now)
        return with_condition(status.conditions, done)
    if progressing(deployment.status, status):
        moving = condition(PROGRESSING, "True", "ReplicaSetUpdated", f"{name} is progressing.", now)
        current = find(deployment.status.conditions, PROGRESSING)
        if current is not None and current.status == "True":
            moving = structs.replace(moving, lastTransitionTime=current.lastTransitionTime)
        # Unlike other conditions this one is renewed though it says the same: its update time is the last progress.
        return (*without(status.conditions, PROGRESSING), moving)
    if timed_out(deployment, status, now):
        late = condition(PROGRESSING, "False", TIMED_OUT, f"{name} has timed out progressing.", now)
        return with_condition(status.conditions, late)
    return status.conditions


def _replica_failure(new: apps.ReplicaSet | None, old: Sequence[apps.ReplicaSet]) -> apps.DeploymentCondition | None:
    """The new ReplicaSet's failure, else the first of the old ones'."""
    for one in (new, *old) if new is not None else old:
        for known in one.status.conditions if one is not None else ():
            if known.type == REPLICA_FAILURE:
                return apps.DeploymentCondition(
                    type=known.type,
                    status=known.status,
                    reason=known.reason,
                    message=known.message,
                    lastUpdateTime=known.lastTransitionTime,
                    lastTransitionTime=known.lastTransitionTime,
                )
    return None


def next_check(deployment: apps.Deployment, status: apps.DeploymentStatus, now: datetime.datetime) -> float | None:
    """Seconds until somebody must look whether the rollout is stuck; None if nobody need."""
    current = find(deployment.status.conditions, PROGRESSING)
    if not has_deadline(deployment) or current is None:
        return None
    if complete(deployment, status) or current.reason in (TIMED_OUT, NEW_AVAILABLE):
        return None  # what has been available once does not time out
    left = (_deadline(deployment, current) - now).total_seconds()
    # One more second: times are stored in whole seconds.
    return max(0.0, left) + 1.0
