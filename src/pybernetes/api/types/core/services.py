"""Core v1: Service and Endpoints.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import meta
from pybernetes.api.types.core.references import ObjectReference
from pybernetes.api.types.meta import EMPTY, Object, Struct, always


class ServicePort(Struct):
    """One port of a Service and the pod port behind it."""

    name: str = ""
    protocol: str = ""
    appProtocol: str | None = None
    port: int = always(0)
    targetPort: int | str = 0
    nodePort: int = 0


class ClientIPConfig(Struct):
    timeoutSeconds: int | None = None


class SessionAffinityConfig(Struct):
    clientIP: ClientIPConfig | None = None


class ServiceSpec(Struct):
    ports: tuple[ServicePort, ...] = ()
    selector: Mapping[str, str] = EMPTY
    clusterIP: str = ""
    clusterIPs: tuple[str, ...] = ()
    type: str = ""
    externalIPs: tuple[str, ...] = ()
    sessionAffinity: str = ""
    loadBalancerIP: str = ""
    loadBalancerSourceRanges: tuple[str, ...] = ()
    externalName: str = ""
    externalTrafficPolicy: str = ""
    healthCheckNodePort: int = 0
    publishNotReadyAddresses: bool = False
    sessionAffinityConfig: SessionAffinityConfig | None = None
    ipFamilies: tuple[str, ...] = ()
    ipFamilyPolicy: str | None = None
    allocateLoadBalancerNodePorts: bool | None = None
    loadBalancerClass: str | None = None
    internalTrafficPolicy: str | None = None
    trafficDistribution: str | None = None


class PortStatus(Struct):
    port: int = always(0)
    protocol: str = always("")
    error: str | None = None


class LoadBalancerIngress(Struct):
    ip: str = ""
    hostname: str = ""
    ipMode: str | None = None
    ports: tuple[PortStatus, ...] = ()


class LoadBalancerStatus(Struct):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Struct):
    loadBalancer: LoadBalancerStatus = LoadBalancerStatus()
    conditions: tuple[meta.Condition, ...] = ()


class Service(Object):
    """A stable address in front of changing pods."""

    apiVersion: str = always("v1")
    kind: str = always("Service")
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointAddress(Struct):
    ip: str = always("")
    hostname: str = ""
    nodeName: str | None = None
    targetRef: ObjectReference | None = None


class EndpointPort(Struct):
    name: str = ""
    port: int = always(0)
    protocol: str = ""
    appProtocol: str | None = None


class EndpointSubset(Struct):
    addresses: tuple[EndpointAddress, ...] = ()
    notReadyAddresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(Object):
    """The addresses behind a Service, in the old form."""

    apiVersion: str = always("v1")
    kind: str = always("Endpoints")
    subsets: tuple[EndpointSubset, ...] = ()
