"""Core v1: Pod, its template and its binding; ReplicationController.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping
from typing import Any

from pybernetes.api.types import meta
from pybernetes.api.types.core.containers import (
    AppArmorProfile,
    Container,
    ContainerStatus,
    EphemeralContainer,
    SeccompProfile,
    SELinuxOptions,
    WindowsSecurityContextOptions,
)
from pybernetes.api.types.core.references import (
    LocalObjectReference,
    NodeSelector,
    NodeSelectorTerm,
    ObjectReference,
    ResourceRequirements,
    Toleration,
)
from pybernetes.api.types.core.volumes import Volume
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, Time, always


class Sysctl(Struct):
    name: str = always("")
    value: str = always("")


class PodSecurityContext(Struct):
    """Privileges of all containers of a pod."""

    seLinuxOptions: SELinuxOptions | None = None
    windowsOptions: WindowsSecurityContextOptions | None = None
    runAsUser: int | None = None
    runAsGroup: int | None = None
    runAsNonRoot: bool | None = None
    supplementalGroups: tuple[int, ...] = ()
    supplementalGroupsPolicy: str | None = None
    fsGroup: int | None = None
    sysctls: tuple[Sysctl, ...] = ()
    fsGroupChangePolicy: str | None = None
    seccompProfile: SeccompProfile | None = None
    appArmorProfile: AppArmorProfile | None = None
    seLinuxChangePolicy: str | None = None


class PreferredSchedulingTerm(Struct):
    weight: int = always(0)
    preference: NodeSelectorTerm = NodeSelectorTerm()


class NodeAffinity(Struct):
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None = None
    preferredDuringSchedulingIgnoredDuringExecution: tuple[PreferredSchedulingTerm, ...] = ()


class PodAffinityTerm(Struct):
    labelSelector: meta.LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    topologyKey: str = always("")
    namespaceSelector: meta.LabelSelector | None = None
    matchLabelKeys: tuple[str, ...] = ()
    mismatchLabelKeys: tuple[str, ...] = ()


class WeightedPodAffinityTerm(Struct):
    weight: int = always(0)
    podAffinityTerm: PodAffinityTerm = PodAffinityTerm()


class PodAffinity(Struct):
    requiredDuringSchedulingIgnoredDuringExecution: tuple[PodAffinityTerm, ...] = ()
    preferredDuringSchedulingIgnoredDuringExecution: tuple[WeightedPodAffinityTerm, ...] = ()


class PodAntiAffinity(Struct):
    requiredDuringSchedulingIgnoredDuringExecution: tuple[PodAffinityTerm, ...] = ()
    preferredDuringSchedulingIgnoredDuringExecution: tuple[WeightedPodAffinityTerm, ...] = ()


class Affinity(Struct):
    """Which nodes, and which company, a pod likes or avoids."""

    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAntiAffinity | None = None


class HostAlias(Struct):
    ip: str = always("")
    hostnames: tuple[str, ...] = ()


class PodDNSConfigOption(Struct):
    name: str = ""
    value: str | None = None


class PodDNSConfig(Struct):
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()


class PodReadinessGate(Struct):
    conditionType: str = always("")


class TopologySpreadConstraint(Struct):
    """How evenly matching pods must be spread over a topology."""

    maxSkew: int = always(0)
    topologyKey: str = always("")
    whenUnsatisfiable: str = always("")
    labelSelector: meta.LabelSelector | None = None
    minDomains: int | None = None
    nodeAffinityPolicy: str | None = None
    nodeTaintsPolicy: str | None = None
    matchLabelKeys: tuple[str, ...] = ()


class PodOS(Struct):
    name: str = always("")


class PodSchedulingGate(Struct):
    name: str = always("")


class PodResourceClaim(Struct):
    name: str = always("")
    resourceClaimName: str | None = None
    resourceClaimTemplateName: str | None = None


class PodSpec(Struct):
    """What shall run, and where."""

    volumes: tuple[Volume, ...] = ()
    initContainers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()
    ephemeralContainers: tuple[EphemeralContainer, ...] = ()
    restartPolicy: str = ""
    terminationGracePeriodSeconds: int | None = None
    activeDeadlineSeconds: int | None = None
    dnsPolicy: str = ""
    nodeSelector: Mapping[str, str] = EMPTY
    serviceAccountName: str = ""
    serviceAccount: str = ""
    automountServiceAccountToken: bool | None = None
    nodeName: str = ""
    hostNetwork: bool = False
    hostPID: bool = False
    hostIPC: bool = False
    shareProcessNamespace: bool | None = None
    securityContext: PodSecurityContext | None = None
    imagePullSecrets: tuple[LocalObjectReference, ...] = ()
    hostname: str = ""
    subdomain: str = ""
    affinity: Affinity | None = None
    schedulerName: str = ""
    tolerations: tuple[Toleration, ...] = ()
    hostAliases: tuple[HostAlias, ...] = ()
    priorityClassName: str = ""
    priority: int | None = None
    dnsConfig: PodDNSConfig | None = None
    readinessGates: tuple[PodReadinessGate, ...] = ()
    runtimeClassName: str | None = None
    enableServiceLinks: bool | None = None
    preemptionPolicy: str | None = None
    overhead: Mapping[str, Quantity] = EMPTY
    topologySpreadConstraints: tuple[TopologySpreadConstraint, ...] = ()
    setHostnameAsFQDN: bool | None = None
    os: PodOS | None = None
    hostUsers: bool | None = None
    schedulingGates: tuple[PodSchedulingGate, ...] = ()
    resourceClaims: tuple[PodResourceClaim, ...] = ()
    resources: ResourceRequirements | None = None
    hostnameOverride: str | None = None
    schedulingGroup: Any = None
    evictionResponders: Any = None


class PodCondition(Struct):
    type: str = always("")
    observedGeneration: int = 0
    status: str = always("")
    lastProbeTime: Time | None = None
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class HostIP(Struct):
    ip: str = always("")


class PodIP(Struct):
    ip: str = always("")


class PodResourceClaimStatus(Struct):
    name: str = always("")
    resourceClaimName: str | None = None


class ContainerExtendedResourceRequest(Struct):
    containerName: str = always("")
    resourceName: str = always("")
    requestName: str = always("")


class PodExtendedResourceClaimStatus(Struct):
    requestMappings: tuple[ContainerExtendedResourceRequest, ...] = ()
    resourceClaimName: str = always("")


class NodeAllocatableMappedResources(Struct):
    name: str = always("")
    quantity: Quantity | None = None


class NodeAllocatableOverheadResources(Struct):
    name: str = always("")
    perPod: Quantity | None = None
    perContainer: Quantity | None = None


class NodeAllocatableResourceClaimStatus(Struct):
    resourceClaimName: str = always("")
    containers: tuple[str, ...] = ()
    mapping: tuple[NodeAllocatableMappedResources, ...] = ()
    overhead: tuple[NodeAllocatableOverheadResources, ...] = ()


class PodStatus(Struct):
    """What the kubelet last saw of the pod."""

    observedGeneration: int = 0
    phase: str = ""
    conditions: tuple[PodCondition, ...] = ()
    message: str = ""
    reason: str = ""
    nominatedNodeName: str = ""
    hostIP: str = ""
    hostIPs: tuple[HostIP, ...] = ()
    podIP: str = ""
    podIPs: tuple[PodIP, ...] = ()
    startTime: Time | None = None
    initContainerStatuses: tuple[ContainerStatus, ...] = ()
    containerStatuses: tuple[ContainerStatus, ...] = ()
    qosClass: str = ""
    ephemeralContainerStatuses: tuple[ContainerStatus, ...] = ()
    resize: str = ""
    resourceClaimStatuses: tuple[PodResourceClaimStatus, ...] = ()
    extendedResourceClaimStatus: PodExtendedResourceClaimStatus | None = None
    allocatedResources: Mapping[str, Quantity] = EMPTY
    resources: ResourceRequirements | None = None
    nodeAllocatableResourceClaimStatuses: tuple[NodeAllocatableResourceClaimStatus, ...] = ()
    volumeHealth: Any = None


class Pod(Object):
    """A group of containers that run together on one node."""

    apiVersion: str = always("v1")
    kind: str = always("Pod")
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class PodTemplateSpec(Struct):
    """The pod that a controller makes copies of."""

    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: PodSpec = PodSpec()


class Binding(Object):
    """Ties a pod to a node."""

    apiVersion: str = always("v1")
    kind: str = always("Binding")
    target: ObjectReference = ObjectReference()


class ReplicationControllerSpec(Struct):
    replicas: int | None = None
    minReadySeconds: int = 0
    selector: Mapping[str, str] = EMPTY
    template: PodTemplateSpec | None = None


class ReplicationControllerCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class ReplicationControllerStatus(Struct):
    replicas: int = always(0)
    fullyLabeledReplicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    observedGeneration: int = 0
    conditions: tuple[ReplicationControllerCondition, ...] = ()


class ReplicationController(Object):
    """Keeps a number of equal pods alive (the old ReplicaSet)."""

    apiVersion: str = always("v1")
    kind: str = always("ReplicationController")
    spec: ReplicationControllerSpec = ReplicationControllerSpec()
    status: ReplicationControllerStatus = ReplicationControllerStatus()
