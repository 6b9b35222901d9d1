"""Core v1: PersistentVolumeClaim.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping
from typing import Any

from pybernetes.api.types import meta
from pybernetes.api.types.core.references import (
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
    dataSource: Any = None
    dataSourceRef: Any = None
    volumeAttributesClassName: str | None = None


class PersistentVolumeClaimCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastProbeTime: Time | None = None
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class PersistentVolumeClaimStatus(Struct):
    phase: str = ""
    accessModes: tuple[str, ...] = ()
    capacity: Mapping[str, Quantity] = EMPTY
    conditions: tuple[PersistentVolumeClaimCondition, ...] = ()
    allocatedResources: Mapping[str, Quantity] = EMPTY
    allocatedResourceStatuses: Mapping[str, str] = EMPTY
    currentVolumeAttributesClassName: str | None = None


class PersistentVolumeClaim(Object):
    """A wish for storage, bound to one PersistentVolume."""

    apiVersion: str = always("v1")
    kind: str = always("PersistentVolumeClaim")
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    status: PersistentVolumeClaimStatus = PersistentVolumeClaimStatus()
