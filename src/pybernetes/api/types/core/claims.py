"""Core v1: PersistentVolumeClaim.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import meta
from pybernetes.api.types.core.references import (
    TypedLocalObjectReference,
    TypedObjectReference,
    VolumeResourceRequirements,
)
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, Time, always


class PersistentVolumeClaimSpec(Struct):
    accessModes: tuple[str, ...] = ()
    selector: meta.LabelSelector | None = None
    resources: VolumeResourceRequirements = VolumeResourceRequirements()
    volumeName: str = ""
    storageClassName: str | None = None
    volumeMode: str | None = None
    dataSource: TypedLocalObjectReference | None = None
    dataSourceRef: TypedObjectReference | None = None
    volumeAttributesClassName: str | None = None


class PersistentVolumeClaimCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastProbeTime: Time | None = None
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class ModifyVolumeStatus(Struct):
    targetVolumeAttributesClassName: str = ""
    status: str = always("")


class VolumeHealthCondition(Struct):
    status: str = always("")
    reason: str = always("")
    message: str = ""


class VolumeHealthStatus(Struct):
    healthConditions: tuple[VolumeHealthCondition, ...] = ()
    lastTransitionTime: Time = ""


class PersistentVolumeClaimStatus(Struct):
    phase: str = ""
    accessModes: tuple[str, ...] = ()
    capacity: Mapping[str, Quantity] = EMPTY
    conditions: tuple[PersistentVolumeClaimCondition, ...] = ()
    allocatedResources: Mapping[str, Quantity] = EMPTY
    allocatedResourceStatuses: Mapping[str, str] = EMPTY
    currentVolumeAttributesClassName: str | None = None
    modifyVolumeStatus: ModifyVolumeStatus | None = None
    healthStatus: VolumeHealthStatus | None = None


class PersistentVolumeClaim(Object):
    """A wish for storage, bound to one PersistentVolume."""

    apiVersion: str = always("v1")
    kind: str = always("PersistentVolumeClaim")
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    status: PersistentVolumeClaimStatus = PersistentVolumeClaimStatus()
