"""Core v1: Namespace and what lives in one: ConfigMap, Secret, ServiceAccount, limits, Event.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types.core.references import LocalObjectReference, ObjectReference
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, Time, always


class NamespaceSpec(Struct):
    finalizers: tuple[str, ...] = ()


class NamespaceCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class NamespaceStatus(Struct):
    phase: str = ""
    conditions: tuple[NamespaceCondition, ...] = ()


class Namespace(Object):
    """A scope for names."""

    apiVersion: str = always("v1")
    kind: str = always("Namespace")
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


class ConfigMap(Object):
    """Configuration as keys and values."""

    apiVersion: str = always("v1")
    kind: str = always("ConfigMap")
    immutable: bool | None = None
    data: Mapping[str, str] = EMPTY
    binaryData: Mapping[str, str] = EMPTY


class Secret(Object):
    """Confidential keys and values; `data` is base64."""

    apiVersion: str = always("v1")
    kind: str = always("Secret")
    immutable: bool | None = None
    data: Mapping[str, str] = EMPTY
    stringData: Mapping[str, str] = EMPTY
    type: str = ""


class ServiceAccount(Object):
    """An identity for the processes of pods."""

    apiVersion: str = always("v1")
    kind: str = always("ServiceAccount")
    secrets: tuple[ObjectReference, ...] = ()
    imagePullSecrets: tuple[LocalObjectReference, ...] = ()
    automountServiceAccountToken: bool | None = None


class ScopedResourceSelectorRequirement(Struct):
    scopeName: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


class ScopeSelector(Struct):
    matchExpressions: tuple[ScopedResourceSelectorRequirement, ...] = ()


class ResourceQuotaSpec(Struct):
    hard: Mapping[str, Quantity] = EMPTY
    scopes: tuple[str, ...] = ()
    scopeSelector: ScopeSelector | None = None


class ResourceQuotaStatus(Struct):
    hard: Mapping[str, Quantity] = EMPTY
    used: Mapping[str, Quantity] = EMPTY


class ResourceQuota(Object):
    """An upper limit for what a namespace may hold."""

    apiVersion: str = always("v1")
    kind: str = always("ResourceQuota")
    spec: ResourceQuotaSpec = ResourceQuotaSpec()
    status: ResourceQuotaStatus = ResourceQuotaStatus()


class EventSource(Struct):
    component: str = ""
    host: str = ""


class EventSeries(Struct):
    """How often the same thing happened again."""

    count: int = 0
    lastObservedTime: Time = ""


class Event(Object):
    """Something that happened to an object."""

    apiVersion: str = always("v1")
    kind: str = always("Event")
    involvedObject: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    source: EventSource = EventSource()
    firstTimestamp: Time = ""
    lastTimestamp: Time = ""
    count: int = 0
    type: str = ""
    eventTime: Time = ""
    series: EventSeries | None = None
    action: str = ""
    related: ObjectReference | None = None
    reportingComponent: str = always("")
    reportingInstance: str = always("")
