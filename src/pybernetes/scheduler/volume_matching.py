"""Claims and volumes: whose volume it is, whether it is bound for good, and which free volume suits a claim on a node.

Upstream: k8s.io/component-helpers/storage/{volume,ephemeral}. Pure.
"""

from collections.abc import Container, Iterable, Iterator

from pybernetes.api import node_matching
from pybernetes.api.types import core, meta, storage
from pybernetes.apimachinery import labels, quantity
from pybernetes.scheduler.node_info import selector_of

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BETA_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
NOT_SUPPORTED_PROVISIONER = "kubernetes.io/no-provisioner"
WAIT_FOR_FIRST_CONSUMER = "WaitForFirstConsumer"
READ_WRITE_ONCE_POD = "ReadWriteOncePod"
_STORAGE = "storage"


def claim_names(pod: core.Pod) -> Iterator[tuple[str, bool]]:
    """The claims behind the Pod's volumes; True for those made for the Pod alone (generic ephemeral volumes)."""
    for volume in pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            yield volume.persistentVolumeClaim.claimName, False
        elif volume.ephemeral is not None:
            yield f"{pod.metadata.name}-{volume.name}", True


def is_for_pod(claim: core.PersistentVolumeClaim, pod: core.Pod) -> bool:
    """Whether an ephemeral claim is this Pod's, and not one that happens to have its name."""
    return meta.is_controlled_by(claim, pod)


def claim_class(claim: core.PersistentVolumeClaim) -> str:
    """The storage class a claim names."""
    return claim.metadata.annotations.get(BETA_STORAGE_CLASS) or claim.spec.storageClassName or ""


def volume_class(volume: core.PersistentVolume) -> str:
    """The storage class a volume belongs to."""
    return volume.metadata.annotations.get(BETA_STORAGE_CLASS) or volume.spec.storageClassName


def fully_bound(claim: core.PersistentVolumeClaim) -> bool:
    """Bound, and the controller has said so on both sides."""
    return bool(claim.spec.volumeName) and BIND_COMPLETED in claim.metadata.annotations


def bound_to(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> bool:
    """Whether the volume is reserved for the claim, by a controller or by its maker."""
    reference = volume.spec.claimRef
    if reference is None:
        return False
    metadata = claim.metadata
    return (reference.namespace, reference.name) == (metadata.namespace, metadata.name) and (
        reference.uid in ("", metadata.uid)
    )


def reaches(volume: core.PersistentVolume, node: core.Node) -> bool:
    """Whether the volume can be used on the node."""
    affinity = volume.spec.nodeAffinity
    if affinity is None or affinity.required is None:
        return True
    return node_matching.NodeSelector(affinity.required).matches(node)


def provisionable_on(storage_class: storage.StorageClass, node: core.Node) -> bool:
    """Whether the class may make volumes for that node."""
    terms = storage_class.allowedTopologies
    if not terms:
        return True
    present = node.metadata.labels
    return any(
        all(present.get(one.key) in one.values for one in term.matchLabelExpressions)
        for term in terms
        if term.matchLabelExpressions
    )


def storage_request(claim: core.PersistentVolumeClaim) -> quantity.Quantity:
    """How much a claim wants."""
    return quantity.parse(claim.spec.resources.requests.get(_STORAGE, "0"))


def find_matching_volume(
    claim: core.PersistentVolumeClaim,
    volumes: Iterable[core.PersistentVolume],
    node: core.Node,
    excluded: Container[str],
) -> core.PersistentVolume | None:
    """The volume reserved for the claim, or the smallest free one that suits it and reaches the node."""
    wanted = storage_request(claim)
    selector = None if claim.spec.selector is None else selector_of(claim.spec.selector)
    best: tuple[quantity.Quantity, core.PersistentVolume] | None = None
    for volume in volumes:
        reserved = bound_to(volume, claim)
        if volume.metadata.name in excluded or (volume.spec.claimRef is not None and not reserved):
            continue
        size = quantity.parse(volume.spec.capacity.get(_STORAGE, "0"))
        if size < wanted or volume.metadata.deletionTimestamp is not None or not _same_kind(claim, volume):
            continue
        if reserved:
            return volume if reaches(volume, node) else None
        if _suits(claim, volume, selector) and (best is None or size < best[0]) and reaches(volume, node):
            best = (size, volume)
    return None if best is None else best[1]


def _same_kind(claim: core.PersistentVolumeClaim, volume: core.PersistentVolume) -> bool:
    return (claim.spec.volumeMode or "Filesystem") == (volume.spec.volumeMode or "Filesystem") and (
        claim.spec.volumeAttributesClassName or ""
    ) == (volume.spec.volumeAttributesClassName or "")


def _suits(claim: core.PersistentVolumeClaim, volume: core.PersistentVolume, selector: labels.Selector | None) -> bool:
    return (
        volume.status.phase == "Available"
        and (selector is None or selector.matches(volume.metadata.labels))
        and volume_class(volume) == claim_class(claim)
        and {*claim.spec.accessModes} <= {*volume.spec.accessModes}
    )


def claim_reference(claim: core.PersistentVolumeClaim) -> core.ObjectReference:
    """How a volume names the claim it is bound to."""
    metadata = claim.metadata
    return core.ObjectReference(
        kind="PersistentVolumeClaim",
        apiVersion="v1",
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resourceVersion=metadata.resourceVersion,
    )
