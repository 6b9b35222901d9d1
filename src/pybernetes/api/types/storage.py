"""storage.k8s.io/v1: StorageClass, VolumeAttachment and what CSI drivers publish.

Upstream: k8s.io/api/storage/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import core, meta
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, Time, always


class StorageClass(Object):
    """How volumes are made for claims that name it."""

    apiVersion: str = always("storage.k8s.io/v1")
    kind: str = always("StorageClass")
    provisioner: str = always("")
    parameters: Mapping[str, str] = EMPTY
    reclaimPolicy: str | None = None
    mountOptions: tuple[str, ...] = ()
    allowVolumeExpansion: bool | None = None
    volumeBindingMode: str | None = None
    allowedTopologies: tuple[core.TopologySelectorTerm, ...] = ()


class VolumeAttachmentSource(Struct):
    persistentVolumeName: str | None = None
    inlineVolumeSpec: core.PersistentVolumeSpec | None = None


class VolumeAttachmentSpec(Struct):
    attacher: str = always("")
    source: VolumeAttachmentSource = VolumeAttachmentSource()
    nodeName: str = always("")


class VolumeError(Struct):
    time: Time = ""
    message: str = ""
    errorCode: int | None = None


class VolumeAttachmentStatus(Struct):
    attached: bool = always(False)
    attachmentMetadata: Mapping[str, str] = EMPTY
    attachError: VolumeError | None = None
    detachError: VolumeError | None = None


class VolumeAttachment(Object):
    """The wish to attach a volume to a node."""

    apiVersion: str = always("storage.k8s.io/v1")
    kind: str = always("VolumeAttachment")
    spec: VolumeAttachmentSpec = VolumeAttachmentSpec()
    status: VolumeAttachmentStatus = VolumeAttachmentStatus()


class VolumeNodeResources(Struct):
    count: int | None = None


class CSINodeDriver(Struct):
    name: str = always("")
    nodeID: str = always("")
    topologyKeys: tuple[str, ...] = ()
    allocatable: VolumeNodeResources | None = None


class CSINodeSpec(Struct):
    drivers: tuple[CSINodeDriver, ...] = ()


class StorageHealthCondition(Struct):
    status: str = always("")
    reason: str = always("")
    message: str = ""
    accessMode: str | None = None
    volumeMode: str | None = None
    lastTransitionTime: Time = ""


class StorageHealth(Struct):
    name: str = always("")
    healthConditions: tuple[StorageHealthCondition, ...] = ()


class CSINodeStatus(Struct):
    storageHealth: tuple[StorageHealth, ...] = ()


class CSINode(Object):
    """The CSI drivers of one node."""

    apiVersion: str = always("storage.k8s.io/v1")
    kind: str = always("CSINode")
    spec: CSINodeSpec = CSINodeSpec()
    status: CSINodeStatus = CSINodeStatus()


class TokenRequest(Struct):
    """Asks for a token of a service account."""

    audience: str = always("")
    expirationSeconds: int | None = None


class CSIDriverSpec(Struct):
    attachRequired: bool | None = None
    podInfoOnMount: bool | None = None
    volumeLifecycleModes: tuple[str, ...] = ()
    storageCapacity: bool | None = None
    fsGroupPolicy: str | None = None
    tokenRequests: tuple[TokenRequest, ...] = ()
    requiresRepublish: bool | None = None
    seLinuxMount: bool | None = None
    nodeAllocatableUpdatePeriodSeconds: int | None = None
    serviceAccountTokenInSecrets: bool | None = None
    preventPodSchedulingIfMissing: bool | None = None


class CSIDriver(Object):
    """What a CSI driver can and wants."""

    apiVersion: str = always("storage.k8s.io/v1")
    kind: str = always("CSIDriver")
    spec: CSIDriverSpec = CSIDriverSpec()


class CSIStorageCapacity(Object):
    """How much storage of a class a topology segment has left."""

    apiVersion: str = always("storage.k8s.io/v1")
    kind: str = always("CSIStorageCapacity")
    nodeTopology: meta.LabelSelector | None = None
    storageClassName: str = always("")
    capacity: Quantity | None = None
    maximumVolumeSize: Quantity | None = None


class VolumeAttributesClass(Object):
    """Changeable properties of volumes."""

    apiVersion: str = always("storage.k8s.io/v1")
    kind: str = always("VolumeAttributesClass")
    driverName: str = always("")
    parameters: Mapping[str, str] = EMPTY
