"""Who is who in a StatefulSet: names, ordinals, claims, labels, and the owners of claims.

Upstream: pkg/controller/statefulset/stateful_set_utils.go. Pure.
"""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import structs

from pybernetes.api.types import apps, core, meta
from pybernetes.controllers import pod_control

REVISION_LABEL = "controller-revision-hash"
HASH_LABEL = "controller.kubernetes.io/hash"
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"
_numbered = re.compile(r"(.*)-([0-9]+)", re.ASCII).fullmatch
_RETAIN, _DELETE = "Retain", "Delete"


def parent_and_ordinal(name: str) -> tuple[str, int]:
    """The set's name and the number in the name of a Pod; "" and -1 if it has none."""
    found = _numbered(name)
    return (found[1], int(found[2])) if found is not None and int(found[2]) < 2**31 else ("", -1)


def ordinal(pod: core.Pod) -> int:
    """The Pod's number, -1 if it has none."""
    return parent_and_ordinal(pod.metadata.name)[1]


def is_member(stateful_set: apps.StatefulSet, pod: core.Pod) -> bool:
    """Whether the Pod is named as one of the set."""
    return parent_and_ordinal(pod.metadata.name)[0] == stateful_set.metadata.name


def replicas(stateful_set: apps.StatefulSet) -> int:
    """`spec.replicas`, 1 where it was left out."""
    return 1 if stateful_set.spec.replicas is None else stateful_set.spec.replicas


def start(stateful_set: apps.StatefulSet) -> int:
    """The first ordinal."""
    return stateful_set.spec.ordinals.start if stateful_set.spec.ordinals is not None else 0


def in_range(stateful_set: apps.StatefulSet, number: int) -> bool:
    """Whether there should be a Pod of that number."""
    return start(stateful_set) <= number < start(stateful_set) + replicas(stateful_set)


def pod_name(stateful_set: apps.StatefulSet, number: int) -> str:
    """The name of the Pod of that number."""
    return f"{stateful_set.metadata.name}-{number}"


def claim_name(stateful_set: apps.StatefulSet, template: core.PersistentVolumeClaim, number: int) -> str:
    """The name of that Pod's claim of that template."""
    return f"{template.metadata.name}-{stateful_set.metadata.name}-{number}"


def claims(stateful_set: apps.StatefulSet, number: int) -> list[core.PersistentVolumeClaim]:
    """All claims of one Pod, as they are to be created."""
    selector = stateful_set.spec.selector
    chosen = selector.matchLabels if selector is not None else {}
    return [
        structs.replace(
            template,
            metadata=structs.replace(
                template.metadata,
                name=claim_name(stateful_set, template, number),
                namespace=stateful_set.metadata.namespace,
                labels={**template.metadata.labels, **chosen},
            ),
            status=core.PersistentVolumeClaimStatus(),
        )
        for template in stateful_set.spec.volumeClaimTemplates
    ]


def new_pod(
    stateful_set: apps.StatefulSet, template: core.PodTemplateSpec, revision: str, number: int
) -> dict[str, Any]:
    """The Pod of that number and revision, as it is to be created."""
    reference = meta.owner_reference(stateful_set)
    pod = pod_control.get_pod_from_template(template, stateful_set, reference)
    name = pod_name(stateful_set, number)
    pod["metadata"] |= {"name": name, "namespace": stateful_set.metadata.namespace}
    pod["metadata"]["labels"] |= {
        POD_NAME_LABEL: name,
        POD_INDEX_LABEL: str(number),
        REVISION_LABEL: revision,
    }
    pod["spec"] |= {"hostname": name, "volumes": _volumes(stateful_set, pod["spec"].get("volumes", []), number)}
    if stateful_set.spec.serviceName:
        pod["spec"]["subdomain"] = stateful_set.spec.serviceName
    if not pod["spec"]["volumes"]:
        del pod["spec"]["volumes"]
    return pod


def _volumes(stateful_set: apps.StatefulSet, present: list[Any], number: int) -> list[Any]:
    """The claims in place of volumes of the same name, then all others."""
    mine = [
        {
            "name": template.metadata.name,
            "persistentVolumeClaim": {"claimName": claim_name(stateful_set, template, number)},
        }
        for template in stateful_set.spec.volumeClaimTemplates
    ]
    names = {one["name"] for one in mine}
    return mine + [one for one in present if one["name"] not in names]


def revision_of(pod: core.Pod | None) -> str:
    """The revision a Pod is of."""
    return pod.metadata.labels.get(REVISION_LABEL, "") if pod is not None else ""


def identity_matches(stateful_set: apps.StatefulSet, pod: core.Pod) -> bool:
    """Whether the Pod's labels say who it is."""
    return is_member(stateful_set, pod) and pod.metadata.labels.get(POD_NAME_LABEL) == pod.metadata.name


# who owns the claims


def _refers_to(reference: meta.OwnerReference, owner: meta.Object) -> bool:
    return (reference.apiVersion, reference.kind, reference.name) == (
        owner.apiVersion,
        owner.kind,
        owner.metadata.name,
    )


def has_stale_owner(claim: core.PersistentVolumeClaim, owner: meta.Object) -> bool:
    """Whether the claim belongs to a former object of the same name: it is about to be collected."""
    found = next((one for one in claim.metadata.ownerReferences if _refers_to(one, owner)), None)
    return found is not None and found.uid != owner.metadata.uid


def retention(stateful_set: apps.StatefulSet) -> tuple[str, str]:
    """What becomes of claims when the set is deleted, and when it is scaled down."""
    policy = stateful_set.spec.persistentVolumeClaimRetentionPolicy
    if policy is None:
        return _RETAIN, _RETAIN
    return policy.whenDeleted or _RETAIN, policy.whenScaled or _RETAIN


def has_conflicting_controller(
    claim: core.PersistentVolumeClaim, stateful_set: apps.StatefulSet, pod: core.Pod
) -> bool:
    """Whether somebody else controls the claim, so that its retention is not ours to decide."""
    if retention(stateful_set) == (_RETAIN, _RETAIN):
        return False
    for reference in claim.metadata.ownerReferences:
        mine = next((one for one in (stateful_set, pod) if _refers_to(reference, one)), None)
        if mine is not None:
            if reference.uid != mine.metadata.uid:
                return True
        elif reference.controller:
            return True
    return False


def claim_owners(
    claim: core.PersistentVolumeClaim, stateful_set: apps.StatefulSet, pod: core.Pod
) -> tuple[meta.OwnerReference, ...]:
    """The owner references that the retention policy asks for; the present ones where nothing may be changed."""
    present = claim.metadata.ownerReferences
    if has_stale_owner(claim, stateful_set) or has_stale_owner(claim, pod):
        return present
    others = tuple(one for one in present if not _refers_to(one, stateful_set) and not _refers_to(one, pod))
    if has_conflicting_controller(claim, stateful_set, pod):
        return others
    deleted, scaled = retention(stateful_set)
    gone = not in_range(stateful_set, ordinal(pod))
    owner: Iterable[meta.Object] = ()
    if scaled == _DELETE and gone:
        owner = (pod,)
    elif deleted == _DELETE:
        owner = (stateful_set,)
    return (*others, *(meta.owner_reference(one) for one in owner))
