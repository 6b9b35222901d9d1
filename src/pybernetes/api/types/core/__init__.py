"""Core v1: pods, nodes, services, volumes, configuration; the rooms of this package as one module.

Upstream: k8s.io/api/core/v1. Pure.
"""

# ruff: noqa: I001  the sorter would take one statement for each name
# fmt: off
from pybernetes.api.types.core.claims import (
    ModifyVolumeStatus as ModifyVolumeStatus, PersistentVolumeClaim as PersistentVolumeClaim,
    PersistentVolumeClaimCondition as PersistentVolumeClaimCondition,
    PersistentVolumeClaimSpec as PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus as PersistentVolumeClaimStatus, VolumeHealthCondition as VolumeHealthCondition,
    VolumeHealthStatus as VolumeHealthStatus,
)
from pybernetes.api.types.core.containers import (
    AppArmorProfile as AppArmorProfile, Capabilities as Capabilities, ConfigMapEnvSource as ConfigMapEnvSource,
    ConfigMapKeySelector as ConfigMapKeySelector, Container as Container, ContainerPort as ContainerPort,
    ContainerResizePolicy as ContainerResizePolicy, ContainerRestartRule as ContainerRestartRule,
    ContainerRestartRuleOnExitCodes as ContainerRestartRuleOnExitCodes, ContainerState as ContainerState,
    ContainerStateRunning as ContainerStateRunning, ContainerStateTerminated as ContainerStateTerminated,
    ContainerStateWaiting as ContainerStateWaiting, ContainerStatus as ContainerStatus,
    ContainerUser as ContainerUser, EnvFromSource as EnvFromSource, EnvVar as EnvVar, EnvVarSource as EnvVarSource,
    EphemeralContainer as EphemeralContainer, EphemeralContainerCommon as EphemeralContainerCommon,
    ExecAction as ExecAction, FileKeySelector as FileKeySelector, GRPCAction as GRPCAction,
    HTTPGetAction as HTTPGetAction, HTTPHeader as HTTPHeader, ImageVolumeStatus as ImageVolumeStatus,
    Lifecycle as Lifecycle, LifecycleHandler as LifecycleHandler, LinuxContainerUser as LinuxContainerUser,
    Probe as Probe, ProbeHandler as ProbeHandler, ResourceHealth as ResourceHealth,
    ResourceStatus as ResourceStatus, SELinuxOptions as SELinuxOptions, SeccompProfile as SeccompProfile,
    SecretEnvSource as SecretEnvSource, SecretKeySelector as SecretKeySelector, SecurityContext as SecurityContext,
    SleepAction as SleepAction, TCPSocketAction as TCPSocketAction, VolumeDevice as VolumeDevice,
    VolumeMount as VolumeMount, VolumeMountStatus as VolumeMountStatus, VolumeStatus as VolumeStatus,
    WindowsSecurityContextOptions as WindowsSecurityContextOptions,
)
from pybernetes.api.types.core.namespaces import (
    ConfigMap as ConfigMap, Event as Event, EventSeries as EventSeries, EventSource as EventSource,
    LimitRange as LimitRange, LimitRangeItem as LimitRangeItem, LimitRangeSpec as LimitRangeSpec,
    Namespace as Namespace, NamespaceCondition as NamespaceCondition, NamespaceSpec as NamespaceSpec,
    NamespaceStatus as NamespaceStatus, ResourceQuota as ResourceQuota, ResourceQuotaSpec as ResourceQuotaSpec,
    ResourceQuotaStatus as ResourceQuotaStatus, ScopeSelector as ScopeSelector,
    ScopedResourceSelectorRequirement as ScopedResourceSelectorRequirement, Secret as Secret,
    ServiceAccount as ServiceAccount,
)
from pybernetes.api.types.core.nodes import (
    AttachedVolume as AttachedVolume, ConfigMapNodeConfigSource as ConfigMapNodeConfigSource,
    ContainerImage as ContainerImage, DaemonEndpoint as DaemonEndpoint, Node as Node, NodeAddress as NodeAddress,
    NodeCondition as NodeCondition, NodeConfigSource as NodeConfigSource, NodeConfigStatus as NodeConfigStatus,
    NodeDaemonEndpoints as NodeDaemonEndpoints, NodeFeatures as NodeFeatures,
    NodePodPreemptionPolicy as NodePodPreemptionPolicy, NodeRuntimeHandler as NodeRuntimeHandler,
    NodeRuntimeHandlerFeatures as NodeRuntimeHandlerFeatures, NodeSpec as NodeSpec, NodeStatus as NodeStatus,
    NodeSwapStatus as NodeSwapStatus, NodeSystemInfo as NodeSystemInfo,
)
from pybernetes.api.types.core.persistent_volumes import (
    CSIPersistentVolumeSource as CSIPersistentVolumeSource,
    ISCSIPersistentVolumeSource as ISCSIPersistentVolumeSource, LocalVolumeSource as LocalVolumeSource,
    PersistentVolume as PersistentVolume, PersistentVolumeSource as PersistentVolumeSource,
    PersistentVolumeSpec as PersistentVolumeSpec, PersistentVolumeStatus as PersistentVolumeStatus,
    RBDPersistentVolumeSource as RBDPersistentVolumeSource, VolumeNodeAffinity as VolumeNodeAffinity,
)
from pybernetes.api.types.core.pods import (
    Affinity as Affinity, Binding as Binding, ContainerExtendedResourceRequest as ContainerExtendedResourceRequest,
    EvictionResponder as EvictionResponder, HostAlias as HostAlias, HostIP as HostIP, NodeAffinity as NodeAffinity,
    NodeAllocatableMappedResources as NodeAllocatableMappedResources,
    NodeAllocatableOverheadResources as NodeAllocatableOverheadResources,
    NodeAllocatableResourceClaimStatus as NodeAllocatableResourceClaimStatus, Pod as Pod,
    PodAffinity as PodAffinity, PodAffinityTerm as PodAffinityTerm, PodAntiAffinity as PodAntiAffinity,
    PodCondition as PodCondition, PodDNSConfig as PodDNSConfig, PodDNSConfigOption as PodDNSConfigOption,
    PodExtendedResourceClaimStatus as PodExtendedResourceClaimStatus, PodIP as PodIP, PodOS as PodOS,
    PodReadinessGate as PodReadinessGate, PodResourceClaim as PodResourceClaim,
    PodResourceClaimStatus as PodResourceClaimStatus, PodSchedulingGate as PodSchedulingGate,
    PodSchedulingGroup as PodSchedulingGroup, PodSecurityContext as PodSecurityContext, PodSpec as PodSpec,
    PodStatus as PodStatus, PodTemplate as PodTemplate, PodTemplateSpec as PodTemplateSpec,
    PodVolumeHealth as PodVolumeHealth, PreferredSchedulingTerm as PreferredSchedulingTerm,
    ReplicationController as ReplicationController,
    ReplicationControllerCondition as ReplicationControllerCondition,
    ReplicationControllerSpec as ReplicationControllerSpec,
    ReplicationControllerStatus as ReplicationControllerStatus, Sysctl as Sysctl,
    TopologySpreadConstraint as TopologySpreadConstraint, WeightedPodAffinityTerm as WeightedPodAffinityTerm,
)
from pybernetes.api.types.core.references import (
    LocalObjectReference as LocalObjectReference, NodeSelector as NodeSelector,
    NodeSelectorRequirement as NodeSelectorRequirement, NodeSelectorTerm as NodeSelectorTerm,
    ObjectReference as ObjectReference, ResourceClaim as ResourceClaim,
    ResourceRequirements as ResourceRequirements, SecretReference as SecretReference, Taint as Taint,
    Toleration as Toleration, TopologySelectorLabelRequirement as TopologySelectorLabelRequirement,
    TopologySelectorTerm as TopologySelectorTerm, TypedLocalObjectReference as TypedLocalObjectReference,
    TypedObjectReference as TypedObjectReference, VolumeResourceRequirements as VolumeResourceRequirements,
)
from pybernetes.api.types.core.services import (
    ClientIPConfig as ClientIPConfig, EndpointAddress as EndpointAddress, EndpointPort as EndpointPort,
    EndpointSubset as EndpointSubset, Endpoints as Endpoints, LoadBalancerIngress as LoadBalancerIngress,
    LoadBalancerStatus as LoadBalancerStatus, PortStatus as PortStatus, Service as Service,
    ServicePort as ServicePort, ServiceSpec as ServiceSpec, ServiceStatus as ServiceStatus,
    SessionAffinityConfig as SessionAffinityConfig,
)
from pybernetes.api.types.core.volumes import (
    AWSElasticBlockStoreVolumeSource as AWSElasticBlockStoreVolumeSource, CSIVolumeSource as CSIVolumeSource,
    ClusterTrustBundleProjection as ClusterTrustBundleProjection, ConfigMapProjection as ConfigMapProjection,
    ConfigMapVolumeSource as ConfigMapVolumeSource, DownwardAPIProjection as DownwardAPIProjection,
    DownwardAPIVolumeFile as DownwardAPIVolumeFile, DownwardAPIVolumeSource as DownwardAPIVolumeSource,
    EmptyDirVolumeSource as EmptyDirVolumeSource, EphemeralVolumeSource as EphemeralVolumeSource,
    FCVolumeSource as FCVolumeSource, GCEPersistentDiskVolumeSource as GCEPersistentDiskVolumeSource,
    HostPathVolumeSource as HostPathVolumeSource, ISCSIVolumeSource as ISCSIVolumeSource,
    ImageVolumeSource as ImageVolumeSource, KeyToPath as KeyToPath, NFSVolumeSource as NFSVolumeSource,
    ObjectFieldSelector as ObjectFieldSelector, PersistentVolumeClaimTemplate as PersistentVolumeClaimTemplate,
    PersistentVolumeClaimVolumeSource as PersistentVolumeClaimVolumeSource,
    PodCertificateProjection as PodCertificateProjection, ProjectedVolumeSource as ProjectedVolumeSource,
    RBDVolumeSource as RBDVolumeSource, ResourceFieldSelector as ResourceFieldSelector,
    SecretProjection as SecretProjection, SecretVolumeSource as SecretVolumeSource,
    ServiceAccountTokenProjection as ServiceAccountTokenProjection, Volume as Volume,
    VolumeProjection as VolumeProjection, VolumeSource as VolumeSource,
)
# fmt: on
