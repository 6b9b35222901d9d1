"""Core v1: pods, nodes, services, volumes, configuration.

Upstream: k8s.io/api/core/v1. Pure.
"""

from pybernetes.api.types.core.claims import (
    ModifyVolumeStatus as ModifyVolumeStatus,
)
from pybernetes.api.types.core.claims import (
    PersistentVolumeClaim as PersistentVolumeClaim,
)
from pybernetes.api.types.core.claims import (
    PersistentVolumeClaimCondition as PersistentVolumeClaimCondition,
)
from pybernetes.api.types.core.claims import (
    PersistentVolumeClaimSpec as PersistentVolumeClaimSpec,
)
from pybernetes.api.types.core.claims import (
    PersistentVolumeClaimStatus as PersistentVolumeClaimStatus,
)
from pybernetes.api.types.core.claims import (
    VolumeHealthCondition as VolumeHealthCondition,
)
from pybernetes.api.types.core.claims import (
    VolumeHealthStatus as VolumeHealthStatus,
)
from pybernetes.api.types.core.containers import (
    AppArmorProfile as AppArmorProfile,
)
from pybernetes.api.types.core.containers import (
    Capabilities as Capabilities,
)
from pybernetes.api.types.core.containers import (
    ConfigMapEnvSource as ConfigMapEnvSource,
)
from pybernetes.api.types.core.containers import (
    ConfigMapKeySelector as ConfigMapKeySelector,
)
from pybernetes.api.types.core.containers import (
    Container as Container,
)
from pybernetes.api.types.core.containers import (
    ContainerPort as ContainerPort,
)
from pybernetes.api.types.core.containers import (
    ContainerResizePolicy as ContainerResizePolicy,
)
from pybernetes.api.types.core.containers import (
    ContainerRestartRule as ContainerRestartRule,
)
from pybernetes.api.types.core.containers import (
    ContainerRestartRuleOnExitCodes as ContainerRestartRuleOnExitCodes,
)
from pybernetes.api.types.core.containers import (
    ContainerState as ContainerState,
)
from pybernetes.api.types.core.containers import (
    ContainerStateRunning as ContainerStateRunning,
)
from pybernetes.api.types.core.containers import (
    ContainerStateTerminated as ContainerStateTerminated,
)
from pybernetes.api.types.core.containers import (
    ContainerStateWaiting as ContainerStateWaiting,
)
from pybernetes.api.types.core.containers import (
    ContainerStatus as ContainerStatus,
)
from pybernetes.api.types.core.containers import (
    ContainerUser as ContainerUser,
)
from pybernetes.api.types.core.containers import (
    EnvFromSource as EnvFromSource,
)
from pybernetes.api.types.core.containers import (
    EnvVar as EnvVar,
)
from pybernetes.api.types.core.containers import (
    EnvVarSource as EnvVarSource,
)
from pybernetes.api.types.core.containers import (
    EphemeralContainer as EphemeralContainer,
)
from pybernetes.api.types.core.containers import (
    EphemeralContainerCommon as EphemeralContainerCommon,
)
from pybernetes.api.types.core.containers import (
    ExecAction as ExecAction,
)
from pybernetes.api.types.core.containers import (
    FileKeySelector as FileKeySelector,
)
from pybernetes.api.types.core.containers import (
    GRPCAction as GRPCAction,
)
from pybernetes.api.types.core.containers import (
    HTTPGetAction as HTTPGetAction,
)
from pybernetes.api.types.core.containers import (
    HTTPHeader as HTTPHeader,
)
from pybernetes.api.types.core.containers import (
    ImageVolumeStatus as ImageVolumeStatus,
)
from pybernetes.api.types.core.containers import (
    Lifecycle as Lifecycle,
)
from pybernetes.api.types.core.containers import (
    LifecycleHandler as LifecycleHandler,
)
from pybernetes.api.types.core.containers import (
    LinuxContainerUser as LinuxContainerUser,
)
from pybernetes.api.types.core.containers import (
    Probe as Probe,
)
from pybernetes.api.types.core.containers import (
    ProbeHandler as ProbeHandler,
)
from pybernetes.api.types.core.containers import (
    ResourceHealth as ResourceHealth,
)
from pybernetes.api.types.core.containers import (
    ResourceStatus as ResourceStatus,
)
from pybernetes.api.types.core.containers import (
    SeccompProfile as SeccompProfile,
)
from pybernetes.api.types.core.containers import (
    SecretEnvSource as SecretEnvSource,
)
from pybernetes.api.types.core.containers import (
    SecretKeySelector as SecretKeySelector,
)
from pybernetes.api.types.core.containers import (
    SecurityContext as SecurityContext,
)
from pybernetes.api.types.core.containers import (
    SELinuxOptions as SELinuxOptions,
)
from pybernetes.api.types.core.containers import (
    SleepAction as SleepAction,
)
from pybernetes.api.types.core.containers import (
    TCPSocketAction as TCPSocketAction,
)
from pybernetes.api.types.core.containers import (
    VolumeDevice as VolumeDevice,
)
from pybernetes.api.types.core.containers import (
    VolumeMount as VolumeMount,
)
from pybernetes.api.types.core.containers import (
    VolumeMountStatus as VolumeMountStatus,
)
from pybernetes.api.types.core.containers import (
    VolumeStatus as VolumeStatus,
)
from pybernetes.api.types.core.containers import (
    WindowsSecurityContextOptions as WindowsSecurityContextOptions,
)
from pybernetes.api.types.core.namespaces import (
    ConfigMap as ConfigMap,
)
from pybernetes.api.types.core.namespaces import (
    Event as Event,
)
from pybernetes.api.types.core.namespaces import (
    EventSeries as EventSeries,
)
from pybernetes.api.types.core.namespaces import (
    EventSource as EventSource,
)
from pybernetes.api.types.core.namespaces import (
    LimitRange as LimitRange,
)
from pybernetes.api.types.core.namespaces import (
    LimitRangeItem as LimitRangeItem,
)
from pybernetes.api.types.core.namespaces import (
    LimitRangeSpec as LimitRangeSpec,
)
from pybernetes.api.types.core.namespaces import (
    Namespace as Namespace,
)
from pybernetes.api.types.core.namespaces import (
    NamespaceCondition as NamespaceCondition,
)
from pybernetes.api.types.core.namespaces import (
    NamespaceSpec as NamespaceSpec,
)
from pybernetes.api.types.core.namespaces import (
    NamespaceStatus as NamespaceStatus,
)
from pybernetes.api.types.core.namespaces import (
    ResourceQuota as ResourceQuota,
)
from pybernetes.api.types.core.namespaces import (
    ResourceQuotaSpec as ResourceQuotaSpec,
)
from pybernetes.api.types.core.namespaces import (
    ResourceQuotaStatus as ResourceQuotaStatus,
)
from pybernetes.api.types.core.namespaces import (
    ScopedResourceSelectorRequirement as ScopedResourceSelectorRequirement,
)
from pybernetes.api.types.core.namespaces import (
    ScopeSelector as ScopeSelector,
)
from pybernetes.api.types.core.namespaces import (
    Secret as Secret,
)
from pybernetes.api.types.core.namespaces import (
    ServiceAccount as ServiceAccount,
)
from pybernetes.api.types.core.nodes import (
    AttachedVolume as AttachedVolume,
)
from pybernetes.api.types.core.nodes import (
    ConfigMapNodeConfigSource as ConfigMapNodeConfigSource,
)
from pybernetes.api.types.core.nodes import (
    ContainerImage as ContainerImage,
)
from pybernetes.api.types.core.nodes import (
    DaemonEndpoint as DaemonEndpoint,
)
from pybernetes.api.types.core.nodes import (
    Node as Node,
)
from pybernetes.api.types.core.nodes import (
    NodeAddress as NodeAddress,
)
from pybernetes.api.types.core.nodes import (
    NodeCondition as NodeCondition,
)
from pybernetes.api.types.core.nodes import (
    NodeConfigSource as NodeConfigSource,
)
from pybernetes.api.types.core.nodes import (
    NodeConfigStatus as NodeConfigStatus,
)
from pybernetes.api.types.core.nodes import (
    NodeDaemonEndpoints as NodeDaemonEndpoints,
)
from pybernetes.api.types.core.nodes import (
    NodeFeatures as NodeFeatures,
)
from pybernetes.api.types.core.nodes import (
    NodePodPreemptionPolicy as NodePodPreemptionPolicy,
)
from pybernetes.api.types.core.nodes import (
    NodeRuntimeHandler as NodeRuntimeHandler,
)
from pybernetes.api.types.core.nodes import (
    NodeRuntimeHandlerFeatures as NodeRuntimeHandlerFeatures,
)
from pybernetes.api.types.core.nodes import (
    NodeSpec as NodeSpec,
)
from pybernetes.api.types.core.nodes import (
    NodeStatus as NodeStatus,
)
from pybernetes.api.types.core.nodes import (
    NodeSwapStatus as NodeSwapStatus,
)
from pybernetes.api.types.core.nodes import (
    NodeSystemInfo as NodeSystemInfo,
)
from pybernetes.api.types.core.persistent_volumes import (
    CSIPersistentVolumeSource as CSIPersistentVolumeSource,
)
from pybernetes.api.types.core.persistent_volumes import (
    ISCSIPersistentVolumeSource as ISCSIPersistentVolumeSource,
)
from pybernetes.api.types.core.persistent_volumes import (
    LocalVolumeSource as LocalVolumeSource,
)
from pybernetes.api.types.core.persistent_volumes import (
    PersistentVolume as PersistentVolume,
)
from pybernetes.api.types.core.persistent_volumes import (
    PersistentVolumeSource as PersistentVolumeSource,
)
from pybernetes.api.types.core.persistent_volumes import (
    PersistentVolumeSpec as PersistentVolumeSpec,
)
from pybernetes.api.types.core.persistent_volumes import (
    PersistentVolumeStatus as PersistentVolumeStatus,
)
from pybernetes.api.types.core.persistent_volumes import (
    RBDPersistentVolumeSource as RBDPersistentVolumeSource,
)
from pybernetes.api.types.core.persistent_volumes import (
    VolumeNodeAffinity as VolumeNodeAffinity,
)
from pybernetes.api.types.core.pods import (
    Affinity as Affinity,
)
from pybernetes.api.types.core.pods import (
    Binding as Binding,
)
from pybernetes.api.types.core.pods import (
    ContainerExtendedResourceRequest as ContainerExtendedResourceRequest,
)
from pybernetes.api.types.core.pods import (
    EvictionResponder as EvictionResponder,
)
from pybernetes.api.types.core.pods import (
    HostAlias as HostAlias,
)
from pybernetes.api.types.core.pods import (
    HostIP as HostIP,
)
from pybernetes.api.types.core.pods import (
    NodeAffinity as NodeAffinity,
)
from pybernetes.api.types.core.pods import (
    NodeAllocatableMappedResources as NodeAllocatableMappedResources,
)
from pybernetes.api.types.core.pods import (
    NodeAllocatableOverheadResources as NodeAllocatableOverheadResources,
)
from pybernetes.api.types.core.pods import (
    NodeAllocatableResourceClaimStatus as NodeAllocatableResourceClaimStatus,
)
from pybernetes.api.types.core.pods import (
    Pod as Pod,
)
from pybernetes.api.types.core.pods import (
    PodAffinity as PodAffinity,
)
from pybernetes.api.types.core.pods import (
    PodAffinityTerm as PodAffinityTerm,
)
from pybernetes.api.types.core.pods import (
    PodAntiAffinity as PodAntiAffinity,
)
from pybernetes.api.types.core.pods import (
    PodCondition as PodCondition,
)
from pybernetes.api.types.core.pods import (
    PodDNSConfig as PodDNSConfig,
)
from pybernetes.api.types.core.pods import (
    PodDNSConfigOption as PodDNSConfigOption,
)
from pybernetes.api.types.core.pods import (
    PodExtendedResourceClaimStatus as PodExtendedResourceClaimStatus,
)
from pybernetes.api.types.core.pods import (
    PodIP as PodIP,
)
from pybernetes.api.types.core.pods import (
    PodOS as PodOS,
)
from pybernetes.api.types.core.pods import (
    PodReadinessGate as PodReadinessGate,
)
from pybernetes.api.types.core.pods import (
    PodResourceClaim as PodResourceClaim,
)
from pybernetes.api.types.core.pods import (
    PodResourceClaimStatus as PodResourceClaimStatus,
)
from pybernetes.api.types.core.pods import (
    PodSchedulingGate as PodSchedulingGate,
)
from pybernetes.api.types.core.pods import (
    PodSchedulingGroup as PodSchedulingGroup,
)
from pybernetes.api.types.core.pods import (
    PodSecurityContext as PodSecurityContext,
)
from pybernetes.api.types.core.pods import (
    PodSpec as PodSpec,
)
from pybernetes.api.types.core.pods import (
    PodStatus as PodStatus,
)
from pybernetes.api.types.core.pods import (
    PodTemplate as PodTemplate,
)
from pybernetes.api.types.core.pods import (
    PodTemplateSpec as PodTemplateSpec,
)
from pybernetes.api.types.core.pods import (
    PodVolumeHealth as PodVolumeHealth,
)
from pybernetes.api.types.core.pods import (
    PreferredSchedulingTerm as PreferredSchedulingTerm,
)
from pybernetes.api.types.core.pods import (
    ReplicationController as ReplicationController,
)
from pybernetes.api.types.core.pods import (
    ReplicationControllerCondition as ReplicationControllerCondition,
)
from pybernetes.api.types.core.pods import (
    ReplicationControllerSpec as ReplicationControllerSpec,
)
from pybernetes.api.types.core.pods import (
    ReplicationControllerStatus as ReplicationControllerStatus,
)
from pybernetes.api.types.core.pods import (
    Sysctl as Sysctl,
)
from pybernetes.api.types.core.pods import (
    TopologySpreadConstraint as TopologySpreadConstraint,
)
from pybernetes.api.types.core.pods import (
    WeightedPodAffinityTerm as WeightedPodAffinityTerm,
)
from pybernetes.api.types.core.references import (
    LocalObjectReference as LocalObjectReference,
)
from pybernetes.api.types.core.references import (
    NodeSelector as NodeSelector,
)
from pybernetes.api.types.core.references import (
    NodeSelectorRequirement as NodeSelectorRequirement,
)
from pybernetes.api.types.core.references import (
    NodeSelectorTerm as NodeSelectorTerm,
)
from pybernetes.api.types.core.references import (
    ObjectReference as ObjectReference,
)
from pybernetes.api.types.core.references import (
    ResourceClaim as ResourceClaim,
)
from pybernetes.api.types.core.references import (
    ResourceRequirements as ResourceRequirements,
)
from pybernetes.api.types.core.references import (
    SecretReference as SecretReference,
)
from pybernetes.api.types.core.references import (
    Taint as Taint,
)
from pybernetes.api.types.core.references import (
    Toleration as Toleration,
)
from pybernetes.api.types.core.references import (
    TopologySelectorLabelRequirement as TopologySelectorLabelRequirement,
)
from pybernetes.api.types.core.references import (
    TopologySelectorTerm as TopologySelectorTerm,
)
from pybernetes.api.types.core.references import (
    TypedLocalObjectReference as TypedLocalObjectReference,
)
from pybernetes.api.types.core.references import (
    TypedObjectReference as TypedObjectReference,
)
from pybernetes.api.types.core.references import (
    VolumeResourceRequirements as VolumeResourceRequirements,
)
from pybernetes.api.types.core.services import (
    ClientIPConfig as ClientIPConfig,
)
from pybernetes.api.types.core.services import (
    EndpointAddress as EndpointAddress,
)
from pybernetes.api.types.core.services import (
    EndpointPort as EndpointPort,
)
from pybernetes.api.types.core.services import (
    Endpoints as Endpoints,
)
from pybernetes.api.types.core.services import (
    EndpointSubset as EndpointSubset,
)
from pybernetes.api.types.core.services import (
    LoadBalancerIngress as LoadBalancerIngress,
)
from pybernetes.api.types.core.services import (
    LoadBalancerStatus as LoadBalancerStatus,
)
from pybernetes.api.types.core.services import (
    PortStatus as PortStatus,
)
from pybernetes.api.types.core.services import (
    Service as Service,
)
from pybernetes.api.types.core.services import (
    ServicePort as ServicePort,
)
from pybernetes.api.types.core.services import (
    ServiceSpec as ServiceSpec,
)
from pybernetes.api.types.core.services import (
    ServiceStatus as ServiceStatus,
)
from pybernetes.api.types.core.services import (
    SessionAffinityConfig as SessionAffinityConfig,
)
from pybernetes.api.types.core.volumes import (
    AWSElasticBlockStoreVolumeSource as AWSElasticBlockStoreVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    ClusterTrustBundleProjection as ClusterTrustBundleProjection,
)
from pybernetes.api.types.core.volumes import (
    ConfigMapProjection as ConfigMapProjection,
)
from pybernetes.api.types.core.volumes import (
    ConfigMapVolumeSource as ConfigMapVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    CSIVolumeSource as CSIVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    DownwardAPIProjection as DownwardAPIProjection,
)
from pybernetes.api.types.core.volumes import (
    DownwardAPIVolumeFile as DownwardAPIVolumeFile,
)
from pybernetes.api.types.core.volumes import (
    DownwardAPIVolumeSource as DownwardAPIVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    EmptyDirVolumeSource as EmptyDirVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    EphemeralVolumeSource as EphemeralVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    FCVolumeSource as FCVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    GCEPersistentDiskVolumeSource as GCEPersistentDiskVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    HostPathVolumeSource as HostPathVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    ImageVolumeSource as ImageVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    ISCSIVolumeSource as ISCSIVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    KeyToPath as KeyToPath,
)
from pybernetes.api.types.core.volumes import (
    NFSVolumeSource as NFSVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    ObjectFieldSelector as ObjectFieldSelector,
)
from pybernetes.api.types.core.volumes import (
    PersistentVolumeClaimTemplate as PersistentVolumeClaimTemplate,
)
from pybernetes.api.types.core.volumes import (
    PersistentVolumeClaimVolumeSource as PersistentVolumeClaimVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    PodCertificateProjection as PodCertificateProjection,
)
from pybernetes.api.types.core.volumes import (
    ProjectedVolumeSource as ProjectedVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    RBDVolumeSource as RBDVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    ResourceFieldSelector as ResourceFieldSelector,
)
from pybernetes.api.types.core.volumes import (
    SecretProjection as SecretProjection,
)
from pybernetes.api.types.core.volumes import (
    SecretVolumeSource as SecretVolumeSource,
)
from pybernetes.api.types.core.volumes import (
    ServiceAccountTokenProjection as ServiceAccountTokenProjection,
)
from pybernetes.api.types.core.volumes import (
    Volume as Volume,
)
from pybernetes.api.types.core.volumes import (
    VolumeProjection as VolumeProjection,
)
from pybernetes.api.types.core.volumes import (
    VolumeSource as VolumeSource,
)
