"""Which volume suits a claim, and whether the two are bound to each other.

Upstream: k8s.io/component-helpers/storage/volume. Pure.
"""

from collections.abc import Iterable

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import labels, quantity

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
BETA_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


def claim_class(claim: core.PersistentVolumeClaim) -> str:
    """The storage class a claim asks for; "" for none."""
    return claim.metadata.annotations.get(BETA_STORAGE_CLASS) or claim.spec.storageClassName or ""


def has_class(claim: core.PersistentVolumeClaim) -> bool:
    """Whether the claim says anything about its class, were it that it wants none."""
    return BETA_STORAGE_CLASS in claim.metadata.annotations or claim.spec.storageClassName is not None


def volume_class(volume: core.PersistentVolume) -> str:
    """The storage class a volume belongs to."""
    return volume.metadata.annotations.get(BETA_STORAGE_CLASS) or volume.spec.storageClassName


def is_bound_to(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> bool:
    """Whether the volume says that it is that claim's."""
    reference = volume.spec.claimRef
    if reference is None:
        return False
    if (reference.name, reference.namespace) != (claim.metadata.name, claim.metadata.namespace):
        return False
    return reference.uid in ("", claim.metadata.uid)


def storage(amounts: object) -> quantity.Quantity:
    """The amount of storage in a map of resources."""
    text = amounts.get("storage", "0") if hasattr(amounts, "get") else "0"
    return quantity.parse(text)


def mode_mismatch(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> bool:
    """Whether one is a filesystem and the other a raw device."""
    return (volume.spec.volumeMode or "Filesystem") != (claim.spec.volumeMode or "Filesystem")


def find_best_match(
    claim: core.PersistentVolumeClaim, volumes: Iterable[core.PersistentVolume], *, delayed: bool
) -> core.PersistentVolume | None:
    """The volume that is the claim's already, else the smallest free one that suits it.

    With `delayed` binding only the former: the scheduler chooses where.
    """
    best: core.PersistentVolume | None = None
    wanted = storage(claim.spec.resources.requests)
    selector = claim.spec.selector
    chosen = labels.from_label_selector(meta.to_dict(selector)) if selector is not None else labels.EVERYTHING
    for volume in sorted(volumes, key=lambda one: (len(one.spec.accessModes), one.metadata.name)):
        if volume.spec.claimRef is not None and not is_bound_to(volume, claim):
            continue
        if storage(volume.spec.capacity) < wanted or mode_mismatch(volume, claim):
            continue
        if volume.metadata.deletionTimestamp is not None:
            continue
        if (volume.spec.volumeAttributesClassName or "") != (claim.spec.volumeAttributesClassName or ""):
            continue
        if not {*claim.spec.accessModes} <= {*volume.spec.accessModes}:
            continue
        if is_bound_to(volume, claim):
            return volume
        if delayed or volume.status.phase != "Available" or not chosen.matches(volume.metadata.labels):
            continue
        if volume_class(volume) != claim_class(claim):
            continue
        if best is None or storage(volume.spec.capacity) < storage(best.spec.capacity):
            best = volume
    return best


def mismatch(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> str:
    """Why the volume that a claim names is not good for it; "" if it is."""
    if storage(volume.spec.capacity) < storage(claim.spec.resources.requests):
        return "requested PV is too small"
    if volume_class(volume) != claim_class(claim):
        return "storageClassName does not match"
    if mode_mismatch(volume, claim):
        return "incompatible volumeMode"
    if not {*claim.spec.accessModes} <= {*volume.spec.accessModes}:
        return "incompatible accessMode"
    return ""
