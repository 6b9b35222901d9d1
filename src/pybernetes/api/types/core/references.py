"""Core v1: references, node selectors, taints, resource requirements: what the other rooms share.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types.meta import EMPTY, Quantity, Struct, Time, always


class LocalObjectReference(Struct):
    """Names an object of the same namespace."""

    name: str = ""


class ObjectReference(Struct):
    """Names an object anywhere in the cluster."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiVersion: str = ""
    resourceVersion: str = ""
    fieldPath: str = ""


class TypedLocalObjectReference(Struct):
    apiGroup: str | None = None
    kind: str = always("")
    name: str = always("")


class SecretReference(Struct):
    name: str = ""
    namespace: str = ""


class NodeSelectorRequirement(Struct):
    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


class NodeSelectorTerm(Struct):
    matchExpressions: tuple[NodeSelectorRequirement, ...] = ()
    matchFields: tuple[NodeSelectorRequirement, ...] = ()


class NodeSelector(Struct):
    """Terms of which one must match the node."""

    nodeSelectorTerms: tuple[NodeSelectorTerm, ...] = ()


class TopologySelectorLabelRequirement(Struct):
    key: str = always("")
    values: tuple[str, ...] = ()


class TopologySelectorTerm(Struct):
    matchLabelExpressions: tuple[TopologySelectorLabelRequirement, ...] = ()


class Toleration(Struct):
    """A taint that the pod does not mind."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    tolerationSeconds: int | None = None


class ResourceClaim(Struct):
    """A wish for devices."""

    name: str = always("")
    request: str = ""


class ResourceRequirements(Struct):
    """What a container asks for and may not exceed."""

    limits: Mapping[str, Quantity] = EMPTY
    requests: Mapping[str, Quantity] = EMPTY
    claims: tuple[ResourceClaim, ...] = ()


class VolumeResourceRequirements(Struct):
    limits: Mapping[str, Quantity] = EMPTY
    requests: Mapping[str, Quantity] = EMPTY


class Taint(Struct):
    """Keeps pods that do not tolerate it off the node."""

    key: str = always("")
    value: str = ""
    effect: str = always("")
    timeAdded: Time | None = None
