"""resource.k8s.io/v1: device claims, classes and slices.

Upstream: k8s.io/api/resource/v1. Pure.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from pybernetes.api.types import core, meta
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, Time, always


class CELDeviceSelector(Struct):
    expression: str = always("")


class DeviceSelector(Struct):
    cel: CELDeviceSelector | None = None


class DeviceToleration(Struct):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    tolerationSeconds: int | None = None


class CapacityRequirements(Struct):
    requests: Mapping[str, Quantity] = EMPTY


class DeviceDerivedAttribute(Struct):
    name: str = always("")
    expression: str = always("")


class ExactDeviceRequest(Struct):
    deviceClassName: str = always("")
    selectors: tuple[DeviceSelector, ...] = ()
    allocationMode: str = ""
    count: int = 0
    adminAccess: bool | None = None
    tolerations: tuple[DeviceToleration, ...] = ()
    capacity: CapacityRequirements | None = None
    derivedAttributes: tuple[DeviceDerivedAttribute, ...] = ()


class DeviceSubRequest(Struct):
    name: str = always("")
    deviceClassName: str = always("")
    selectors: tuple[DeviceSelector, ...] = ()
    allocationMode: str = ""
    count: int = 0
    tolerations: tuple[DeviceToleration, ...] = ()
    capacity: CapacityRequirements | None = None
    derivedAttributes: tuple[DeviceDerivedAttribute, ...] = ()


class DeviceRequest(Struct):
    name: str = always("")
    exactly: ExactDeviceRequest | None = None
    firstAvailable: tuple[DeviceSubRequest, ...] = ()


class DeviceConstraint(Struct):
    requests: tuple[str, ...] = ()
    matchAttribute: str | None = None
    distinctAttribute: str | None = None


class OpaqueDeviceConfiguration(Struct):
    driver: str = always("")
    parameters: Any = None


class DeviceConfiguration(Struct):
    opaque: OpaqueDeviceConfiguration | None = None


class DeviceClaimConfiguration(DeviceConfiguration):
    requests: tuple[str, ...] = ()


class DeviceClaim(Struct):
    requests: tuple[DeviceRequest, ...] = ()
    constraints: tuple[DeviceConstraint, ...] = ()
    config: tuple[DeviceClaimConfiguration, ...] = ()


class ResourceClaimSpec(Struct):
    devices: DeviceClaim = DeviceClaim()


class DeviceRequestAllocationResult(Struct):
    request: str = always("")
    driver: str = always("")
    pool: str = always("")
    device: str = always("")
    adminAccess: bool | None = None
    tolerations: tuple[DeviceToleration, ...] = ()
    bindingConditions: tuple[str, ...] = ()
    bindingFailureConditions: tuple[str, ...] = ()
    shareID: str | None = None
    consumedCapacity: Mapping[str, Quantity] = EMPTY
    skipNodeOperations: tuple[str, ...] = ()


class DeviceAllocationConfiguration(DeviceConfiguration):
    source: str = always("")
    requests: tuple[str, ...] = ()


class DeviceAllocationResult(Struct):
    results: tuple[DeviceRequestAllocationResult, ...] = ()
    config: tuple[DeviceAllocationConfiguration, ...] = ()


class AllocationResult(Struct):
    devices: DeviceAllocationResult = DeviceAllocationResult()
    nodeSelector: core.NodeSelector | None = None
    allocationTimestamp: Time | None = None


class ResourceClaimConsumerReference(Struct):
    apiGroup: str = ""
    resource: str = always("")
    name: str = always("")
    uid: str = always("")


class NetworkDeviceData(Struct):
    interfaceName: str = ""
    ips: tuple[str, ...] = ()
    hardwareAddress: str = ""


class AllocatedDeviceStatus(Struct):
    driver: str = always("")
    pool: str = always("")
    device: str = always("")
    shareID: str | None = None
    conditions: tuple[meta.Condition, ...] = ()
    data: Any | None = None
    networkData: NetworkDeviceData | None = None


class ResourceClaimStatus(Struct):
    allocation: AllocationResult | None = None
    reservedFor: tuple[ResourceClaimConsumerReference, ...] = ()
    devices: tuple[AllocatedDeviceStatus, ...] = ()


class ResourceClaim(Object):
    """A wish for devices."""

    apiVersion: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceClaim")
    spec: ResourceClaimSpec = ResourceClaimSpec()
    status: ResourceClaimStatus = ResourceClaimStatus()


class ResourceClaimTemplateSpec(Struct):
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: ResourceClaimSpec = ResourceClaimSpec()


class ResourceClaimTemplate(Object):
    """The claim that is made for each pod that names it."""

    apiVersion: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceClaimTemplate")
    spec: ResourceClaimTemplateSpec = ResourceClaimTemplateSpec()


class ResourcePool(Struct):
    name: str = always("")
    generation: int = always(0)
    resourceSliceCount: int = always(0)


class DeviceAttribute(Struct):
    int_: int | None = msgspec.field(default=None, name="int")
    bool_: bool | None = msgspec.field(default=None, name="bool")
    string: str | None = None
    version: str | None = None
    ints: tuple[int, ...] = ()
    bools: tuple[bool, ...] = ()
    strings: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


class CapacityRequestPolicyRange(Struct):
    min: Quantity | None = None
    max: Quantity | None = None
    step: Quantity | None = None


class CapacityRequestPolicy(Struct):
    default: Quantity | None = None
    validValues: tuple[Quantity, ...] = ()
    validRange: CapacityRequestPolicyRange | None = None


class DeviceCapacity(Struct):
    value: Quantity = ""
    requestPolicy: CapacityRequestPolicy | None = None


class Counter(Struct):
    value: Quantity = ""


class DeviceCounterConsumption(Struct):
    counterSet: str = always("")
    counters: Mapping[str, Counter] = EMPTY
    compatibilityGroups: tuple[str, ...] = ()


class DeviceTaint(Struct):
    key: str = always("")
    value: str = ""
    effect: str = always("")
    timeAdded: Time | None = None


class NodeAllocatableMapping(Struct):
    capacityKey: str | None = None
    capacityMultiplier: Quantity | None = None
    deviceMultiplier: Quantity | None = None


class NodeAllocatableOverhead(Struct):
    perPod: Quantity | None = None
    perContainer: Quantity | None = None


class NodeAllocatableResource(Struct):
    mapping: NodeAllocatableMapping | None = None
    overhead: NodeAllocatableOverhead | None = None


class Device(Struct):
    name: str = always("")
    attributes: Mapping[str, DeviceAttribute] = EMPTY
    capacity: Mapping[str, DeviceCapacity] = EMPTY
    consumesCounters: tuple[DeviceCounterConsumption, ...] = ()
    nodeName: str | None = None
    nodeSelector: core.NodeSelector | None = None
    allNodes: bool | None = None
    taints: tuple[DeviceTaint, ...] = ()
    bindsToNode: bool | None = None
    bindingConditions: tuple[str, ...] = ()
    bindingFailureConditions: tuple[str, ...] = ()
    allowMultipleAllocations: bool | None = None
    nodeAllocatableResources: Mapping[str, NodeAllocatableResource] = EMPTY


class CounterSet(Struct):
    name: str = always("")
    counters: Mapping[str, Counter] = EMPTY


class ResourceSliceSpec(Struct):
    driver: str = always("")
    pool: ResourcePool = ResourcePool()
    nodeName: str | None = None
    nodeSelector: core.NodeSelector | None = None
    allNodes: bool | None = None
    devices: tuple[Device, ...] = ()
    perDeviceNodeSelection: bool | None = None
    sharedCounters: tuple[CounterSet, ...] = ()
    partitionTypeAttribute: str | None = None
    skipNodeOperations: tuple[str, ...] = ()


class ResourceSlice(Object):
    """Devices that a driver offers."""

    apiVersion: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceSlice")
    spec: ResourceSliceSpec = ResourceSliceSpec()


class DeviceClassConfiguration(DeviceConfiguration):
    pass


class DeviceClassSpec(Struct):
    selectors: tuple[DeviceSelector, ...] = ()
    config: tuple[DeviceClassConfiguration, ...] = ()
    extendedResourceName: str | None = None


class DeviceClass(Object):
    """A named choice of devices."""

    apiVersion: str = always("resource.k8s.io/v1")
    kind: str = always("DeviceClass")
    spec: DeviceClassSpec = DeviceClassSpec()
