"""Core v1: Node.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types.core.references import Taint
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, Time, always


class NodePodPreemptionPolicy(Struct):
    disableResizePreemption: tuple[str, ...] = ()


class NodeSpec(Struct):
    podCIDR: str = ""
    podCIDRs: tuple[str, ...] = ()
    providerID: str = ""
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    podPreemptionPolicy: NodePodPreemptionPolicy | None = None


class NodeCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastHeartbeatTime: Time = ""
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class NodeAddress(Struct):
    type: str = always("")
    address: str = always("")


class NodeSwapStatus(Struct):
    capacity: int | None = None


class NodeSystemInfo(Struct):
    machineID: str = always("")
    systemUUID: str = always("")
    bootID: str = always("")
    kernelVersion: str = always("")
    osImage: str = always("")
    containerRuntimeVersion: str = always("")
    kubeletVersion: str = always("")
    kubeProxyVersion: str = always("")
    operatingSystem: str = always("")
    architecture: str = always("")
    swap: NodeSwapStatus | None = None
    runningInUserNamespace: bool | None = None


class ContainerImage(Struct):
    names: tuple[str, ...] = ()
    sizeBytes: int = 0


class NodeStatus(Struct):
    """What the kubelet says of its machine."""

    capacity: Mapping[str, Quantity] = EMPTY
    allocatable: Mapping[str, Quantity] = EMPTY
    phase: str = ""
    conditions: tuple[NodeCondition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    nodeInfo: NodeSystemInfo = NodeSystemInfo()
    images: tuple[ContainerImage, ...] = ()
    volumesInUse: tuple[str, ...] = ()
    declaredFeatures: tuple[str, ...] = ()


class Node(Object):
    """A machine that runs pods."""

    apiVersion: str = always("v1")
    kind: str = always("Node")
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()
