"""A Deployment's ReplicaSets: which one is new, what they are called, which annotations count their revisions.

Upstream: pkg/controller/deployment/util. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from pybernetes.api.types import apps, core, meta
from pybernetes.apimachinery import names
from pybernetes.controllers import template_hash

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
POD_TEMPLATE_HASH = "pod-template-hash"
_NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    )
)
_HISTORY_LIMIT = 2000
"""Characters of revision history, about a hundred revisions."""


def replica_set_name(deployment: str, suffix: str) -> str:
    """The name of the ReplicaSet of a template, cut to what a name may hold."""
    return f"{deployment[: names.DNS1123_SUBDOMAIN_MAX - 1 - len(suffix)]}-{suffix}"


def equal_ignore_hash(one: core.PodTemplateSpec, other: core.PodTemplateSpec) -> bool:
    """Whether two templates make the same Pods."""
    return _without_hash(one) == _without_hash(other)


def _without_hash(template: core.PodTemplateSpec) -> core.PodTemplateSpec:
    labels = {key: value for key, value in template.metadata.labels.items() if key != POD_TEMPLATE_HASH}
    return structs.replace(template, metadata=structs.replace(template.metadata, labels=labels))


def by_creation(replica_sets: Iterable[apps.ReplicaSet]) -> list[apps.ReplicaSet]:
    """The oldest first."""
    return sorted(replica_sets, key=lambda one: (one.metadata.creationTimestamp, one.metadata.name))


def by_revision(replica_sets: Iterable[apps.ReplicaSet]) -> list[apps.ReplicaSet]:
    """The lowest revision first."""
    return sorted(replica_sets, key=lambda one: (revision(one), one.metadata.creationTimestamp, one.metadata.name))


def find_new(deployment: apps.Deployment, replica_sets: Iterable[apps.ReplicaSet]) -> apps.ReplicaSet | None:
    """The ReplicaSet of the Deployment's present template: the oldest, should there be several."""
    wanted = _without_hash(deployment.spec.template)
    return next((one for one in by_creation(replica_sets) if _without_hash(one.spec.template) == wanted), None)


def find_old(new: apps.ReplicaSet | None, replica_sets: Iterable[apps.ReplicaSet]) -> list[apps.ReplicaSet]:
    """All others, the oldest first."""
    return [one for one in by_creation(replica_sets) if new is None or one.metadata.uid != new.metadata.uid]


def revision(obj: meta.Object) -> int:
    """The revision an object says it is; 0 if it says none."""
    text = obj.metadata.annotations.get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def max_revision(replica_sets: Iterable[apps.ReplicaSet]) -> int:
    """The highest revision there is."""
    return max(map(revision, replica_sets), default=0)


def new_annotations(deployment: apps.Deployment, known: Mapping[str, str], new_revision: int) -> dict[str, str]:
    """All annotations of the new ReplicaSet: the Deployment's, and its revision raised to the highest."""
    result = dict(known)
    result.update((key, value) for key, value in deployment.metadata.annotations.items() if key not in _NOT_COPIED)
    before = known.get(REVISION, "")
    if before and not before.isdecimal():
        return result
    if int(before or 0) < new_revision:
        result[REVISION] = str(new_revision)
        if REVISION in known:
            _remember(result, before)
    return result


def _remember(annotations: dict[str, str], before: str) -> None:
    """Append a revision that the ReplicaSet once had; the earliest are dropped when the list grows too long."""
    history = annotations.get(REVISION_HISTORY, "")
    past = [*history.split(","), before] if history else [before]
    while len(past) > 1 and len(",".join(past)) > _HISTORY_LIMIT:
        del past[0]
    annotations[REVISION_HISTORY] = ",".join(past)


def replicas_annotations(desired: int, maximum: int) -> dict[str, str]:
    """What a ReplicaSet remembers of the Deployment's size, to tell scaling from rolling."""
    return {DESIRED_REPLICAS: str(desired), MAX_REPLICAS: str(maximum)}


def non_negative_annotation(replica_set: apps.ReplicaSet, name: str) -> int | None:
    """The number in an annotation, None if it holds none."""
    text = replica_set.metadata.annotations.get(name, "")
    return int(text) if text.isdecimal() and int(text) < 2**31 else None


def new_replica_set(deployment: apps.Deployment, replicas: int, annotations: Mapping[str, str]) -> apps.ReplicaSet:
    """The ReplicaSet of the Deployment's present template, as it is to be created."""
    template, spec = deployment.spec.template, deployment.spec
    suffix = template_hash.compute(template, deployment.status.collisionCount)
    unique = {POD_TEMPLATE_HASH: suffix}
    labels = {**template.metadata.labels, **unique}
    selector = spec.selector or meta.LabelSelector()
    return apps.ReplicaSet(
        metadata=meta.ObjectMeta(
            name=replica_set_name(deployment.metadata.name, suffix),
            namespace=deployment.metadata.namespace,
            labels=labels,
            annotations=annotations,
            ownerReferences=(meta.owner_reference(deployment),),
        ),
        spec=apps.ReplicaSetSpec(
            replicas=replicas,
            minReadySeconds=spec.minReadySeconds,
            selector=structs.replace(selector, matchLabels={**selector.matchLabels, **unique}),
            template=structs.replace(template, metadata=structs.replace(template.metadata, labels=labels)),
        ),
    )


def cleanup(deployment: apps.Deployment, old: Sequence[apps.ReplicaSet]) -> list[apps.ReplicaSet]:
    """The old ReplicaSets that history no longer keeps and that are quite empty."""
    limit = deployment.spec.revisionHistoryLimit
    if limit is None or limit == 2**31 - 1:
        return []
    alive = [one for one in old if one.metadata.deletionTimestamp is None]
    surplus = by_revision(alive)[: max(0, len(alive) - limit)]
    return [
        one
        for one in surplus
        if one.status.replicas == 0
        and one.spec.replicas == 0
        and one.metadata.generation <= one.status.observedGeneration
    ]
