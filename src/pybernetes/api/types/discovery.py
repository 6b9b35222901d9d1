"""discovery.k8s.io/v1: EndpointSlice.

Upstream: k8s.io/api/discovery/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import core
from pybernetes.api.types.meta import EMPTY, Object, Struct, always


class EndpointConditions(Struct):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(Struct):
    name: str = always("")


class ForNode(Struct):
    name: str = always("")


class EndpointHints(Struct):
    forZones: tuple[ForZone, ...] = ()
    forNodes: tuple[ForNode, ...] = ()


class Endpoint(Struct):
    """One backend and whether it may get traffic."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    targetRef: core.ObjectReference | None = None
    deprecatedTopology: Mapping[str, str] = EMPTY
    nodeName: str | None = None
    zone: str | None = None
    hints: EndpointHints | None = None


class EndpointPort(Struct):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    appProtocol: str | None = None


class EndpointSlice(Object):
    """Some of the addresses behind a Service."""

    apiVersion: str = always("discovery.k8s.io/v1")
    kind: str = always("EndpointSlice")
    addressType: str = always("")
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()
