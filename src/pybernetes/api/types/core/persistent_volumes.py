"""Core v1: PersistentVolume and its sources.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping
from typing import Any

from pybernetes.api.types.core.references import NodeSelector, ObjectReference, SecretReference
from pybernetes.api.types.core.volumes import (
    AWSElasticBlockStoreVolumeSource,
    GCEPersistentDiskVolumeSource,
    HostPathVolumeSource,
    NFSVolumeSource,
)
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, Time, always


class RBDPersistentVolumeSource(Struct):
    monitors: tuple[str, ...] = ()
    image: str = always("")
    fsType: str = ""
    pool: str = ""
    user: str = ""
    keyring: str = ""
    secretRef: SecretReference | None = None
    readOnly: bool = False


class ISCSIPersistentVolumeSource(Struct):
    targetPortal: str = always("")
    iqn: str = always("")
    lun: int = always(0)
    iscsiInterface: str = ""
    fsType: str = ""
    readOnly: bool = False
    portals: tuple[str, ...] = ()
    chapAuthDiscovery: bool = False
    chapAuthSession: bool = False
    secretRef: SecretReference | None = None
    initiatorName: str | None = None


class LocalVolumeSource(Struct):
    path: str = always("")
    fsType: str | None = None


class CSIPersistentVolumeSource(Struct):
    driver: str = always("")
    volumeHandle: str = always("")
    readOnly: bool = False
    fsType: str = ""
    volumeAttributes: Mapping[str, str] = EMPTY
    controllerPublishSecretRef: SecretReference | None = None
    nodeStageSecretRef: SecretReference | None = None
    nodePublishSecretRef: SecretReference | None = None
    controllerExpandSecretRef: SecretReference | None = None
    nodeExpandSecretRef: SecretReference | None = None


class PersistentVolumeSource(Struct):
    """The storage behind a volume: exactly one is set."""

    gcePersistentDisk: GCEPersistentDiskVolumeSource | None = None
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource | None = None
    hostPath: HostPathVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    rbd: RBDPersistentVolumeSource | None = None
    iscsi: ISCSIPersistentVolumeSource | None = None
    fc: Any = None
    local: LocalVolumeSource | None = None
    csi: CSIPersistentVolumeSource | None = None


class VolumeNodeAffinity(Struct):
    required: NodeSelector | None = None


class PersistentVolumeSpec(PersistentVolumeSource):
    capacity: Mapping[str, Quantity] = EMPTY
    accessModes: tuple[str, ...] = ()
    claimRef: ObjectReference | None = None
    persistentVolumeReclaimPolicy: str = ""
    storageClassName: str = ""
    mountOptions: tuple[str, ...] = ()
    volumeMode: str | None = None
    nodeAffinity: VolumeNodeAffinity | None = None
    volumeAttributesClassName: str | None = None


class PersistentVolumeStatus(Struct):
    phase: str = ""
    message: str = ""
    reason: str = ""
    lastPhaseTransitionTime: Time | None = None


class PersistentVolume(Object):
    """A piece of storage of the cluster."""

    apiVersion: str = always("v1")
    kind: str = always("PersistentVolume")
    spec: PersistentVolumeSpec = PersistentVolumeSpec()
    status: PersistentVolumeStatus = PersistentVolumeStatus()
