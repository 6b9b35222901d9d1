"""Core v1: the volumes of a pod.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping
from typing import Any

from pybernetes.api.types import meta
from pybernetes.api.types.core.claims import PersistentVolumeClaimSpec
from pybernetes.api.types.core.references import LocalObjectReference
from pybernetes.api.types.meta import EMPTY, Quantity, Struct, always


class HostPathVolumeSource(Struct):
    path: str = always("")
    type: str | None = None


class EmptyDirVolumeSource(Struct):
    medium: str = ""
    sizeLimit: Quantity | None = None
    mode: int | None = None


class GCEPersistentDiskVolumeSource(Struct):
    pdName: str = always("")
    fsType: str = ""
    partition: int = 0
    readOnly: bool = False


class AWSElasticBlockStoreVolumeSource(Struct):
    volumeID: str = always("")
    fsType: str = ""
    partition: int = 0
    readOnly: bool = False


class KeyToPath(Struct):
    key: str = always("")
    path: str = always("")
    mode: int | None = None
    user: int | None = None


class SecretVolumeSource(Struct):
    secretName: str = ""
    items: tuple[KeyToPath, ...] = ()
    defaultMode: int | None = None
    optional: bool | None = None
    defaultUser: int | None = None


class NFSVolumeSource(Struct):
    server: str = always("")
    path: str = always("")
    readOnly: bool = False


class ISCSIVolumeSource(Struct):
    targetPortal: str = always("")
    iqn: str = always("")
    lun: int = always(0)
    iscsiInterface: str = ""
    fsType: str = ""
    readOnly: bool = False
    portals: tuple[str, ...] = ()
    chapAuthDiscovery: bool = False
    chapAuthSession: bool = False
    secretRef: LocalObjectReference | None = None
    initiatorName: str | None = None


class PersistentVolumeClaimVolumeSource(Struct):
    claimName: str = always("")
    readOnly: bool = False


class RBDVolumeSource(Struct):
    monitors: tuple[str, ...] = ()
    image: str = always("")
    fsType: str = ""
    pool: str = ""
    user: str = ""
    keyring: str = ""
    secretRef: LocalObjectReference | None = None
    readOnly: bool = False


class ObjectFieldSelector(Struct):
    apiVersion: str = ""
    fieldPath: str = always("")


class ResourceFieldSelector(Struct):
    containerName: str = ""
    resource: str = always("")
    divisor: Quantity = ""


class DownwardAPIVolumeFile(Struct):
    path: str = always("")
    fieldRef: ObjectFieldSelector | None = None
    resourceFieldRef: ResourceFieldSelector | None = None
    mode: int | None = None
    user: int | None = None


class DownwardAPIVolumeSource(Struct):
    items: tuple[DownwardAPIVolumeFile, ...] = ()
    defaultMode: int | None = None
    defaultUser: int | None = None


class ConfigMapVolumeSource(LocalObjectReference):
    items: tuple[KeyToPath, ...] = ()
    defaultMode: int | None = None
    optional: bool | None = None
    defaultUser: int | None = None


class SecretProjection(LocalObjectReference):
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class DownwardAPIProjection(Struct):
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class ConfigMapProjection(LocalObjectReference):
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class ServiceAccountTokenProjection(Struct):
    audience: str = ""
    expirationSeconds: int | None = None
    path: str = always("")
    user: int | None = None


class ClusterTrustBundleProjection(Struct):
    name: str | None = None
    signerName: str | None = None
    labelSelector: meta.LabelSelector | None = None
    optional: bool | None = None
    path: str = always("")
    user: int | None = None


class PodCertificateProjection(Struct):
    signerName: str = ""
    keyType: str = ""
    maxExpirationSeconds: int | None = None
    credentialBundlePath: str = ""
    keyPath: str = ""
    certificateChainPath: str = ""
    userAnnotations: Mapping[str, str] = EMPTY
    user: int | None = None


class VolumeProjection(Struct):
    secret: SecretProjection | None = None
    downwardAPI: DownwardAPIProjection | None = None
    configMap: ConfigMapProjection | None = None
    serviceAccountToken: ServiceAccountTokenProjection | None = None
    clusterTrustBundle: ClusterTrustBundleProjection | None = None
    podCertificate: PodCertificateProjection | None = None


class ProjectedVolumeSource(Struct):
    sources: tuple[VolumeProjection, ...] = ()
    defaultMode: int | None = None
    defaultUser: int | None = None


class CSIVolumeSource(Struct):
    driver: str = always("")
    readOnly: bool | None = None
    fsType: str | None = None
    volumeAttributes: Mapping[str, str] = EMPTY
    nodePublishSecretRef: LocalObjectReference | None = None


class PersistentVolumeClaimTemplate(Struct):
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()


class EphemeralVolumeSource(Struct):
    volumeClaimTemplate: PersistentVolumeClaimTemplate | None = None


class ImageVolumeSource(Struct):
    reference: str = ""
    pullPolicy: str = ""


class VolumeSource(Struct):
    """Where the content of a volume comes from: exactly one is set."""

    hostPath: HostPathVolumeSource | None = None
    emptyDir: EmptyDirVolumeSource | None = None
    gcePersistentDisk: GCEPersistentDiskVolumeSource | None = None
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    persistentVolumeClaim: PersistentVolumeClaimVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    downwardAPI: DownwardAPIVolumeSource | None = None
    fc: Any = None
    configMap: ConfigMapVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    image: ImageVolumeSource | None = None
    # What no component looks into is kept as it is, for Pods made from templates.
    azureDisk: Any = None
    azureFile: Any = None
    cephfs: Any = None
    cinder: Any = None
    flexVolume: Any = None
    flocker: Any = None
    gitRepo: Any = None
    glusterfs: Any = None
    photonPersistentDisk: Any = None
    portworxVolume: Any = None
    quobyte: Any = None
    scaleIO: Any = None
    storageos: Any = None
    vsphereVolume: Any = None


class Volume(VolumeSource):
    """A named directory that containers of a pod may mount."""

    name: str = always("")
