"""storage.k8s.io/v1: StorageClass, VolumeAttachment and what CSI drivers publish.

Upstream: k8s.io/api/storage/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import core, meta
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, always


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


class VolumeNodeResources(Struct):
    count: int | None = None


class CSINodeDriver(Struct):
    name: str = always("")
    nodeID: str = always("")
    topologyKeys: tuple[str, ...] = ()
    allocatable: VolumeNodeResources | None = None


class CSINodeSpec(Struct):
    drivers: tuple[CSINodeDriver, ...] = ()


class CSINode(Object):
    """The CSI drivers of one node."""

    apiVersion: str = always("storage.k8s.io/v1")
    kind: str = always("CSINode")
    spec: CSINodeSpec = CSINodeSpec()


class CSIDriverSpec(Struct):
    storageCapacity: bool | None = None


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
