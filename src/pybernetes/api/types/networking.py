"""networking.k8s.io/v1: NetworkPolicy, Ingress, IngressClass, IPAddress, ServiceCIDR.

Upstream: k8s.io/api/networking/v1. Pure.
"""

import msgspec

from pybernetes.api.types import core, meta
from pybernetes.api.types.meta import Object, Struct, always


class NetworkPolicyPort(Struct):
    protocol: str | None = None
    port: int | str | None = None
    endPort: int | None = None


class IPBlock(Struct):
    """A range of addresses, less some parts of it."""

    cidr: str = always("")
    except_: tuple[str, ...] = msgspec.field(default=(), name="except")


class NetworkPolicyPeer(Struct):
    podSelector: meta.LabelSelector | None = None
    namespaceSelector: meta.LabelSelector | None = None
    ipBlock: IPBlock | None = None


class NetworkPolicyIngressRule(Struct):
    ports: tuple[NetworkPolicyPort, ...] = ()
    from_: tuple[NetworkPolicyPeer, ...] = msgspec.field(default=(), name="from")


class NetworkPolicyEgressRule(Struct):
    ports: tuple[NetworkPolicyPort, ...] = ()
    to: tuple[NetworkPolicyPeer, ...] = ()


class NetworkPolicySpec(Struct):
    podSelector: meta.LabelSelector = meta.LabelSelector()
    ingress: tuple[NetworkPolicyIngressRule, ...] = ()
    egress: tuple[NetworkPolicyEgressRule, ...] = ()
    policyTypes: tuple[str, ...] = ()


class NetworkPolicy(Object):
    """Which traffic pods accept and send."""

    apiVersion: str = always("networking.k8s.io/v1")
    kind: str = always("NetworkPolicy")
    spec: NetworkPolicySpec = NetworkPolicySpec()


class ServiceBackendPort(Struct):
    name: str = ""
    number: int = 0


class IngressServiceBackend(Struct):
    name: str = always("")
    port: ServiceBackendPort = ServiceBackendPort()


class IngressBackend(Struct):
    service: IngressServiceBackend | None = None
    resource: core.TypedLocalObjectReference | None = None


class IngressTLS(Struct):
    hosts: tuple[str, ...] = ()
    secretName: str = ""


class HTTPIngressPath(Struct):
    path: str = ""
    pathType: str | None = None
    backend: IngressBackend = IngressBackend()


class HTTPIngressRuleValue(Struct):
    paths: tuple[HTTPIngressPath, ...] = ()


class IngressRuleValue(Struct):
    http: HTTPIngressRuleValue | None = None


class IngressRule(IngressRuleValue):
    host: str = ""


class IngressSpec(Struct):
    ingressClassName: str | None = None
    defaultBackend: IngressBackend | None = None
    tls: tuple[IngressTLS, ...] = ()
    rules: tuple[IngressRule, ...] = ()


class IngressPortStatus(Struct):
    port: int = always(0)
    protocol: str = always("")
    error: str | None = None


class IngressLoadBalancerIngress(Struct):
    ip: str = ""
    hostname: str = ""
    ports: tuple[IngressPortStatus, ...] = ()


class IngressLoadBalancerStatus(Struct):
    ingress: tuple[IngressLoadBalancerIngress, ...] = ()


class IngressStatus(Struct):
    loadBalancer: IngressLoadBalancerStatus = IngressLoadBalancerStatus()


class Ingress(Object):
    """HTTP rules in front of Services."""

    apiVersion: str = always("networking.k8s.io/v1")
    kind: str = always("Ingress")
    spec: IngressSpec = IngressSpec()
    status: IngressStatus = IngressStatus()


class IngressClassParametersReference(Struct):
    apiGroup: str | None = None
    kind: str = always("")
    name: str = always("")
    scope: str | None = None
    namespace: str | None = None


class IngressClassSpec(Struct):
    controller: str = ""
    parameters: IngressClassParametersReference | None = None


class IngressClass(Object):
    """Which controller serves an Ingress."""

    apiVersion: str = always("networking.k8s.io/v1")
    kind: str = always("IngressClass")
    spec: IngressClassSpec = IngressClassSpec()


class ParentReference(Struct):
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""


class IPAddressSpec(Struct):
    parentRef: ParentReference | None = None


class IPAddress(Object):
    """One address of the service range and who holds it."""

    apiVersion: str = always("networking.k8s.io/v1")
    kind: str = always("IPAddress")
    spec: IPAddressSpec = IPAddressSpec()


class ServiceCIDRSpec(Struct):
    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(Struct):
    conditions: tuple[meta.Condition, ...] = ()


class ServiceCIDR(Object):
    """A range that Services get addresses from."""

    apiVersion: str = always("networking.k8s.io/v1")
    kind: str = always("ServiceCIDR")
    spec: ServiceCIDRSpec = ServiceCIDRSpec()
    status: ServiceCIDRStatus = ServiceCIDRStatus()
