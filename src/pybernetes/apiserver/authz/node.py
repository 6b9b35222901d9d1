"""What a kubelet may do: what concerns its node and the Pods bound to it, nothing else.

The authorizer follows Pods as they are bound and knows which Secrets, ConfigMaps, claims and accounts each node needs.
Path: 5 may you.
Upstream: plugin/pkg/auth/authorizer/node.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.authz import rbac

PREFIX = "system:node:"
READ = ("get", "list", "watch")
Reference = tuple[str, str, str]
"""Resource, namespace, name."""

_ALLOW = questions.Decision(questions.Verdict.ALLOW)


def node_name(user: users.UserInfo) -> str:
    """The node that this user is, or "" when it is none."""
    if user.name.startswith(PREFIX) and users.NODES in user.groups:
        return user.name.removeprefix(PREFIX)
    return ""


NODE_RULES: tuple[dict[str, list[str]], ...] = (
    {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"]},
    {
        "verbs": ["create"],
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["subjectaccessreviews", "localsubjectaccessreviews"],
    },
    {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["services"]},
    {"verbs": ["create", "get"], "apiGroups": [""], "resources": ["nodes"]},
    {"verbs": ["update", "patch"], "apiGroups": [""], "resources": ["nodes/status", "nodes"]},
    {"verbs": ["create", "patch", "update"], "apiGroups": ["", "events.k8s.io"], "resources": ["events"]},
    {"verbs": ["create", "delete", "get"], "apiGroups": [""], "resources": ["pods"]},
    {"verbs": ["patch", "update"], "apiGroups": [""], "resources": ["pods/status"]},
    {"verbs": ["create"], "apiGroups": [""], "resources": ["pods/eviction"]},
    {"verbs": ["get"], "apiGroups": [""], "resources": ["endpoints"]},
    {
        "verbs": ["create", "get", "list", "watch"],
        "apiGroups": ["certificates.k8s.io"],
        "resources": ["certificatesigningrequests"],
    },
    {"verbs": ["get", "list", "watch"], "apiGroups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"]},
    {"verbs": ["get", "list", "watch"], "apiGroups": ["storage.k8s.io"], "resources": ["csidrivers"]},
    {"verbs": ["get", "list", "watch"], "apiGroups": ["node.k8s.io"], "resources": ["runtimeclasses"]},
    {"verbs": ["get", "patch", "update"], "apiGroups": [""], "resources": ["persistentvolumeclaims/status"]},
)


class NodeAuthorizer:
    """Answers for users of the group `system:nodes`. `put_pod` and `remove_pod` keep it in step with storage."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], tuple[str, tuple[Reference, ...]]] = {}
        self._needed: dict[str, Counter[Reference]] = {}

    def put_pod(self, pod: dict[str, Any]) -> None:
        """A Pod was created, bound or changed."""
        metadata = pod["metadata"]
        key = (metadata["namespace"], metadata["name"])
        bound_to = pod["spec"].get("nodeName", "")
        known = self._pods.get(key)
        if known is not None:
            if known[0] == bound_to and not _may_need_more(pod):
                return
            self.remove_pod(pod)
        if bound_to:
            needs = tuple(references(pod))
            self._pods[key] = (bound_to, needs)
            self._needed.setdefault(bound_to, Counter()).update(needs)

    def remove_pod(self, pod: dict[str, Any]) -> None:
        """A Pod is gone."""
        known = self._pods.pop((pod["metadata"]["namespace"], pod["metadata"]["name"]), None)
        if known is not None:
            node, needs = known
            self._needed[node] -= Counter(needs)

    def authorize(self, attributes: questions.Attributes) -> questions.Decision:
        """Allow what the node needs; no opinion on anything else."""
        node = node_name(attributes.user)
        if not node or not attributes.resource_request:
            return questions.Decision(questions.Verdict.NO_OPINION)
        problem = self._special(node, attributes)
        if problem is None and not any(rbac.allows(rule, attributes) for rule in NODE_RULES):
            problem = f"node '{node}' cannot {attributes.verb} {attributes.resource}"
        if problem:
            return questions.Decision(questions.Verdict.NO_OPINION, f"node: {problem}")
        return _ALLOW

    def _special(self, node: str, asked: questions.Attributes) -> str | None:
        """Why not ("" when allowed), or None when the static rules decide."""
        resource, verb = asked.resource, asked.verb
        if resource in ("secrets", "configmaps") and not asked.group:
            return self._read(node, asked, READ)
        if resource in ("persistentvolumeclaims", "persistentvolumes") and not asked.subresource:
            return self._read(node, asked, ("get",))
        if resource == "serviceaccounts":
            if (verb, asked.subresource) in (("create", "token"), ("get", "")):
                return self._read(node, asked, (verb,))
            return "can only create tokens for individual service accounts"
        if resource == "podcertificaterequests":
            return _certificate_request(node, asked)
        if resource == "leases" and asked.group == "coordination.k8s.io":
            return _own(asked, node, asked.namespace == "kube-node-lease", "lease")
        if resource == "csinodes":
            return _own(asked, node, True, "CSINode")
        if resource == "pods" and not asked.subresource and verb in ("list", "watch"):
            return "" if _selects(asked, node) else "can only list/watch pods with spec.nodeName field selector"
        if resource == "pods" and not asked.subresource and verb == "get":
            known = self._pods.get((asked.namespace, asked.name))
            return (
                "" if known is None or known[0] == node else f"no relationship found between node '{node}' and this pod"
            )
        if resource == "nodes" and verb in READ:
            return "" if asked.name == node else f"node '{node}' cannot read all nodes, only its own Node object"
        return None

    def _read(self, node: str, asked: questions.Attributes, verbs: tuple[str, ...]) -> str:
        if asked.verb not in verbs:
            return f"can only {', '.join(verbs)} resources of this type"
        if not asked.name:
            return "No Object name found"
        if self._needed.get(node, Counter())[(asked.resource, asked.namespace, asked.name)] > 0:
            return ""
        return f"no relationship found between node '{node}' and this object"


def _certificate_request(node: str, asked: questions.Attributes) -> str:
    if asked.subresource:
        return "nodes may not access the status subresource of PodCertificateRequests"
    if asked.verb == "create":
        return ""  # NodeRestriction says more
    if asked.verb not in ("list", "watch"):
        return f"nodes may not {asked.verb} podcertificaterequests"
    return "" if _selects(asked, node) else "can only list/watch podcertificaterequests with nodeName field selector"


def _selects(asked: questions.Attributes, node: str) -> bool:
    """Whether the request is about objects of that node alone."""
    return f"spec.nodeName={node}" in asked.field_selector.split(",")


def _own(asked: questions.Attributes, node: str, at_home: bool, what: str) -> str:
    if asked.verb not in ("get", "create", "update", "patch", "delete"):
        return f"can only get, create, update, patch, or delete a {what}"
    if not at_home:
        return f'can only access {what}s in the "kube-node-lease" system namespace'
    if asked.verb == "create" and not asked.name:
        return ""
    return "" if asked.name == node else f"can only access {what} with the same name as the requesting node"


def _may_need_more(pod: dict[str, Any]) -> bool:
    return bool(pod["spec"].get("ephemeralContainers"))


def references(pod: dict[str, Any]) -> Iterator[Reference]:
    """Every object that the kubelet must read to run this Pod."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    yield ("serviceaccounts", namespace, spec.get("serviceAccountName", ""))
    for secret in spec.get("imagePullSecrets") or ():
        yield ("secrets", namespace, secret.get("name", ""))
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            yield from _container_references(container, namespace)
    for volume in spec.get("volumes") or ():
        yield from _volume_references(volume, namespace)


def _container_references(container: dict[str, Any], namespace: str) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        for field, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if field in source:
                yield (resource, namespace, source[field].get("name", ""))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for field, resource in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            if field in source:
                yield (resource, namespace, source[field].get("name", ""))


def _volume_references(volume: dict[str, Any], namespace: str) -> Iterator[Reference]:
    for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
        if secret := source.get("secret"):
            yield ("secrets", namespace, secret.get("secretName") or secret.get("name", ""))
        if config := source.get("configMap"):
            yield ("configmaps", namespace, config.get("name", ""))
        if claim := source.get("persistentVolumeClaim"):
            yield ("persistentvolumeclaims", namespace, claim["claimName"])
        for driver in source.values():
            if isinstance(driver, dict):
                for field in ("secretRef", "nodePublishSecretRef"):
                    if isinstance(driver.get(field), dict):
                        yield ("secrets", namespace, driver[field].get("name", ""))
