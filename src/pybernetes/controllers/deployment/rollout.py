"""How big each ReplicaSet of a Deployment should be next: scaling in proportion, rolling within what may be missing.

Every function returns what to scale to what, in the order in which to do it.
Upstream: pkg/controller/deployment (rolling.go, sync.go scale), pkg/controller/deployment/util. Pure.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from msgspec import structs

from pybernetes.api.types import apps
from pybernetes.apimachinery import intorstring
from pybernetes.controllers.deployment import revisions


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """Give a ReplicaSet that size; with `force` also when only the annotations about sizes are out of date."""

    replica_set: apps.ReplicaSet
    replicas: int
    force: bool = False


def replicas(obj: apps.Deployment | apps.ReplicaSet) -> int:
    """`spec.replicas`, 1 where it was left out."""
    return 1 if obj.spec.replicas is None else obj.spec.replicas


def is_rolling_update(deployment: apps.Deployment) -> bool:
    """Whether Pods are replaced bit by bit."""
    return deployment.spec.strategy.type in ("RollingUpdate", "")


def resolve_fenceposts(surge: int | str | None, unavailable: int | str | None, desired: int) -> tuple[int, int]:
    """maxSurge (rounded up) and maxUnavailable (rounded down); never both zero, or nothing could move."""
    above = intorstring.scaled(surge or 0, desired, round_up=True)
    below = intorstring.scaled(unavailable or 0, desired, round_up=False)
    return above, 1 if above == 0 and below == 0 else below


def _fenceposts(deployment: apps.Deployment) -> tuple[int, int]:
    rolling = deployment.spec.strategy.rollingUpdate or apps.RollingUpdateDeployment()
    return resolve_fenceposts(rolling.maxSurge, rolling.maxUnavailable, replicas(deployment))


def max_unavailable(deployment: apps.Deployment) -> int:
    """How many Pods may be missing during a rollout."""
    if not is_rolling_update(deployment) or replicas(deployment) == 0:
        return 0
    return min(_fenceposts(deployment)[1], replicas(deployment))


def max_surge(deployment: apps.Deployment) -> int:
    """How many Pods there may be beyond the wanted number during a rollout."""
    return _fenceposts(deployment)[0] if is_rolling_update(deployment) else 0


def size_annotations(deployment: apps.Deployment) -> dict[str, str]:
    """What every ReplicaSet that is scaled now should remember."""
    return revisions.replicas_annotations(replicas(deployment), replicas(deployment) + max_surge(deployment))


def total(replica_sets: Iterable[apps.ReplicaSet]) -> int:
    """Pods asked for."""
    return sum(map(replicas, replica_sets))


def available(replica_sets: Iterable[apps.ReplicaSet]) -> int:
    """Pods that are available."""
    return sum(one.status.availableReplicas for one in replica_sets)


def active(replica_sets: Iterable[apps.ReplicaSet]) -> list[apps.ReplicaSet]:
    """Those that want Pods."""
    return [one for one in replica_sets if replicas(one) > 0]


def new_replicas(deployment: apps.Deployment, present: Iterable[apps.ReplicaSet], new_size: int) -> int:
    """How big the new ReplicaSet may be, now that it has `new_size` and `present` are all of them."""
    if not is_rolling_update(deployment):
        return replicas(deployment)
    rolling = deployment.spec.strategy.rollingUpdate or apps.RollingUpdateDeployment()
    surge = intorstring.scaled(rolling.maxSurge or 0, replicas(deployment), round_up=True)
    room = replicas(deployment) + surge - total(present)
    if room <= 0:
        return new_size
    return new_size + min(room, replicas(deployment) - new_size)


def scale_new(deployment: apps.Deployment, new: apps.ReplicaSet, old: Sequence[apps.ReplicaSet]) -> Scale | None:
    """The next size of the new ReplicaSet during a rolling update."""
    size, wanted = replicas(new), replicas(deployment)
    if size == wanted:
        return None
    target = wanted if size > wanted else new_replicas(deployment, (*old, new), size)
    return Scale(new, target) if target != size else None


def scale_old(deployment: apps.Deployment, new: apps.ReplicaSet, old: Sequence[apps.ReplicaSet]) -> list[Scale]:
    """Which old ReplicaSets can shrink: unhealthy Pods first, then as far as enough Pods stay available."""
    old = revisions.by_creation(active(old))
    minimum = replicas(deployment) - max_unavailable(deployment)
    new_unavailable = replicas(new) - new.status.availableReplicas
    room = total((*old, new)) - minimum - new_unavailable
    if not old or room <= 0:
        return []
    sizes = {one.metadata.uid: replicas(one) for one in old}
    steps = _shrink(old, sizes, room, {one.metadata.uid: one.status.availableReplicas for one in old})
    surplus = available((*old, new)) - minimum
    if surplus > 0:
        steps += _shrink(old, sizes, surplus, {})
    return steps


def _shrink(old: Sequence[apps.ReplicaSet], sizes: dict[str, int], room: int, keep: dict[str, int]) -> list[Scale]:
    """Take `room` Pods away from the oldest first, none of those to keep; `sizes` is brought up to date."""
    steps = []
    for one in old:
        uid = one.metadata.uid
        count = min(room, sizes[uid] - keep.get(uid, 0))
        if count <= 0:
            continue
        shown = structs.replace(one, spec=structs.replace(one.spec, replicas=sizes[uid]))
        sizes[uid] -= count
        room -= count
        steps.append(Scale(shown, sizes[uid]))
    return steps


def is_scaling_event(deployment: apps.Deployment, replica_sets: Iterable[apps.ReplicaSet]) -> bool:
    """Whether the Deployment was scaled since its ReplicaSets were."""
    for one in active(replica_sets):
        desired = revisions.non_negative_annotation(one, revisions.DESIRED_REPLICAS)
        if desired is not None and desired != replicas(deployment):
            return True
    return False


def find_active_or_latest(new: apps.ReplicaSet | None, old: Sequence[apps.ReplicaSet]) -> apps.ReplicaSet | None:
    """The only ReplicaSet with Pods; if none has any, the newest; None if several have."""
    everyone = [*old, new] if new is not None else [*old]
    busy = active(everyone)
    if len(busy) > 1 or not everyone:
        return None
    if busy:
        return busy[0]
    return new or revisions.by_creation(old)[-1]


def is_saturated(deployment: apps.Deployment, new: apps.ReplicaSet | None) -> bool:
    """Whether the new ReplicaSet alone serves the Deployment."""
    if new is None:
        return False
    wanted = replicas(deployment)
    desired = revisions.non_negative_annotation(new, revisions.DESIRED_REPLICAS)
    return replicas(new) == wanted == desired and new.status.availableReplicas == wanted


def scale(deployment: apps.Deployment, new: apps.ReplicaSet | None, old: Sequence[apps.ReplicaSet]) -> list[Scale]:
    """What a change of `spec.replicas` means, without speeding up a rollout that is under way."""
    wanted = replicas(deployment)
    single = find_active_or_latest(new, old)
    if single is not None:
        return [] if replicas(single) == wanted else [Scale(single, wanted)]
    if is_saturated(deployment, new):
        return [Scale(one, 0) for one in active(old)]
    if not is_rolling_update(deployment):
        return []
    return _proportionally(deployment, active([*old, new] if new is not None else old))


def _proportionally(deployment: apps.Deployment, busy: list[apps.ReplicaSet]) -> list[Scale]:
    wanted = replicas(deployment)
    allowed = wanted + max_surge(deployment) if wanted > 0 else 0
    to_add = allowed - total(busy)
    # Larger ones first; of two equal ones the newer grows first, the older shrinks first.
    ordered = revisions.by_creation(busy)
    if to_add > 0:
        ordered.reverse()
    if to_add != 0:
        ordered.sort(key=replicas, reverse=True)
    added = 0
    sizes = []
    for one in ordered:
        part = _proportion(deployment, one, to_add, added)
        sizes.append(replicas(one) + part)
        added += part
    if sizes:
        sizes[0] = max(0, sizes[0] + to_add - added)
    return [Scale(one, size, force=True) for one, size in zip(ordered, sizes, strict=True)]


def _proportion(deployment: apps.Deployment, one: apps.ReplicaSet, to_add: int, added: int) -> int:
    if replicas(one) == 0 or to_add in (0, added):
        return 0
    fraction, left = _fraction(deployment, one), to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _fraction(deployment: apps.Deployment, one: apps.ReplicaSet) -> int:
    """How much this ReplicaSet should change by, were all changed alike."""
    if replicas(deployment) == 0:
        return -replicas(one)
    before = revisions.non_negative_annotation(one, revisions.MAX_REPLICAS) or deployment.status.replicas
    if not before:
        return 0
    size = replicas(one) * (replicas(deployment) + max_surge(deployment)) / before
    return math.floor(size + 0.5) - replicas(one)
