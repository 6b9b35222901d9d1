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


class Role(Object):
    """Permissions within a namespace."""

    apiVersion: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("Role")
    rules: tuple[PolicyRule, ...] = ()


class Subject(Struct):
    kind: str = always("")
    apiGroup: str = ""
    name: str = always("")
    namespace: str = ""


class RoleRef(Struct):
    apiGroup: str = always("")
    kind: str = always("")
    name: str = always("")


class RoleBinding(Object):
    """Grants a role to subjects within a namespace."""

    apiVersion: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("RoleBinding")
    subjects: tuple[Subject, ...] = ()
    roleRef: RoleRef = RoleRef()


class AggregationRule(Struct):
    clusterRoleSelectors: tuple[meta.LabelSelector, ...] = ()


class ClusterRole(Object):
    """Permissions everywhere, or on what has no namespace."""

    apiVersion: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRole")
    rules: tuple[PolicyRule, ...] = ()
    aggregationRule: AggregationRule | None = None


class ClusterRoleBinding(Object):
    """Grants a cluster role everywhere."""

    apiVersion: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRoleBinding")
    subjects: tuple[Subject, ...] = ()
    roleRef: RoleRef = RoleRef()
