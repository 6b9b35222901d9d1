"""rbac.authorization.k8s.io/v1: roles and bindings.

Upstream: k8s.io/api/rbac/v1. Pure.
"""

from pybernetes.api.types import meta
from pybernetes.api.types.meta import Object, Struct, always


class PolicyRule(Struct):
    verbs: tuple[str, ...] = ()
    apiGroups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resourceNames: tuple[str, ...] = ()
    nonResourceURLs: tuple[str, ...] = ()


class AggregationRule(Struct):
    clusterRoleSelectors: tuple[meta.LabelSelector, ...] = ()


class ClusterRole(Object):
    """Permissions everywhere, or on what has no namespace."""

    apiVersion: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRole")
    rules: tuple[PolicyRule, ...] = ()
    aggregationRule: AggregationRule | None = None
