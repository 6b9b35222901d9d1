"""A kubelet changes its own Node and the Pods bound to it, and may not give itself labels or rights.

Upstream: plugin/pkg/admission/noderestriction.
"""

from typing import Any

from pybernetes.apimachinery import errors, gvk, meta
from pybernetes.apiserver.admission.attributes import Attributes
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.authz import node as nodes

KUBELET_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    }
)
KUBELET_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
RESTRICTED = "node-restriction.kubernetes.io"


class NodeRestriction:
    """The plugin `NodeRestriction`."""

    name = "NodeRestriction"

    def handles(self, attributes: Attributes) -> bool:
        """Every write of a user that is a node."""
        return bool(nodes.node_name(attributes.user)) or users_in_nodes(attributes)

    async def admit(self, attributes: Attributes) -> None:
        """Refuse what is not this node's business."""
        node = nodes.node_name(attributes.user)
        if not node:
            raise _refuse(attributes, f'could not determine node from user "{attributes.user.name}"')
        match (attributes.kind.group, attributes.kind.plural, attributes.subresource):
            case ("", "pods", ""):
                await self._pod(attributes, node)
            case ("", "pods", "status"):
                self._pod_status(attributes, node)
            case ("", "pods", "eviction"):
                await self._eviction(attributes, node)
            case ("", "nodes", _):
                self._node(attributes, node)
            case ("", "serviceaccounts", "token"):
                await self._token(attributes, node)
            case ("coordination.k8s.io", "leases", _):
                self._lease(attributes, node)
            case ("certificates.k8s.io", "podcertificaterequests", _):
                await self._certificate_request(attributes, node)

    async def validate(self, attributes: Attributes) -> None:
        """Everything was said in the mutating phase."""

    async def _pod(self, attributes: Attributes, node: str) -> None:
        if attributes.operation == "CREATE":
            self._mirror_pod(attributes, node)
        elif attributes.operation == "DELETE":
            pod = attributes.old_object or await attributes.objects.get(
                "", "pods", attributes.namespace, attributes.name
            )
            if pod is not None and pod["spec"].get("nodeName", "") != node:
                raise _refuse(attributes, f'node "{node}" can only delete pods with spec.nodeName set to itself')
        else:
            problem = f'unexpected operation "{attributes.operation}"'
            raise _refuse(attributes, f'{problem}, node "{node}" can only create and delete mirror pods')

    def _mirror_pod(self, attributes: Attributes, node: str) -> None:
        pod = attributes.object
        assert pod is not None
        if not meta.is_mirror(pod):
            problem = f'pod does not have "{meta.ANNOTATION_MIRROR}" annotation'
            raise _refuse(attributes, f'{problem}, node "{node}" can only create mirror pods')
        if pod["spec"].get("nodeName") != node:
            raise _refuse(attributes, f'node "{node}" can only create pods with spec.nodeName set to itself')
        for reference in nodes.references(pod):
            if reference[2]:
                raise _refuse(attributes, f'node "{node}" can not create pods that reference {reference[0]}')

    @staticmethod
    def _pod_status(attributes: Attributes, node: str) -> None:
        old, new = attributes.old_object, attributes.object
        assert old is not None
        assert new is not None
        if old["spec"].get("nodeName", "") != node:
            problem = "can only update pod status for pods with spec.nodeName set to itself"
            raise _refuse(attributes, f'node "{node}" {problem}')
        if (old["metadata"].get("labels") or {}) != (new["metadata"].get("labels") or {}):
            raise _refuse(attributes, f'node "{node}" cannot update labels through pod status')

    @staticmethod
    async def _eviction(attributes: Attributes, node: str) -> None:
        pod = await attributes.objects.get("", "pods", attributes.namespace, attributes.name)
        if pod is not None and pod["spec"].get("nodeName", "") != node:
            raise _refuse(attributes, f"node {node} can only evict pods with spec.nodeName set to itself")

    @staticmethod
    def _node(attributes: Attributes, node: str) -> None:
        new = attributes.object or {}
        name = attributes.name or (new.get("metadata") or {}).get("name", "")
        if name != node:
            raise _refuse(attributes, f'node "{node}" is not allowed to modify node "{name}"')
        if attributes.operation == "CREATE":
            changed = set((new["metadata"].get("labels") or {}).items())
            problem = f'node "{node}" is not allowed to set the following labels'
        elif attributes.operation == "UPDATE":
            old = attributes.old_object or {}
            changed = _changed_labels(old, new)
            problem = "is not allowed to modify labels"
            if (old.get("spec") or {}).get("taints") != (new.get("spec") or {}).get("taints"):
                raise _refuse(attributes, f'node "{node}" is not allowed to modify taints')
            if not old.get("spec", {}).get("configSource") and new.get("spec", {}).get("configSource"):
                text = "is not allowed to update configSource to a new non-nil configSource"
                raise _refuse(attributes, f'node "{node}" {text}')
        else:
            return
        forbidden = sorted(key for key, _ in changed if _forbidden_label(key))
        if forbidden:
            raise _refuse(attributes, f"{problem}: {', '.join(forbidden)}")

    @staticmethod
    async def _token(attributes: Attributes, node: str) -> None:
        spec = (attributes.object or {}).get("spec") or {}
        reference = spec.get("boundObjectRef") or {}
        if reference.get("kind") != "Pod" or reference.get("apiVersion") != "v1":
            raise _refuse(attributes, "node requested token not bound to a pod")
        if not reference.get("uid"):
            raise _refuse(attributes, "node requested token with a pod binding without a uid")
        pod = await attributes.objects.get("", "pods", attributes.namespace, reference.get("name", ""))
        if pod is None:
            raise errors.NotFound(gvk.GroupResource("", "pods"), reference.get("name", ""))
        if pod["metadata"]["uid"] != reference["uid"]:
            problem = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record"
            raise _refuse(attributes, f"{problem}. The object might have been deleted and then recreated")
        if pod["spec"].get("nodeName", "") != node:
            raise _refuse(attributes, "node requested token bound to a pod scheduled on a different node")

    async def _certificate_request(self, attributes: Attributes, node: str) -> None:
        if attributes.operation != "CREATE" or attributes.subresource:
            what = "subresource" if attributes.operation == "CREATE" else "operation"
            raise _refuse(attributes, f"unexpected {what} {attributes.subresource or attributes.operation}")
        spec = (attributes.object or {}).get("spec") or {}
        name, account, signer = (spec.get(one, "") for one in ("podName", "serviceAccountName", "signerName"))
        if spec.get("nodeName", "") != node:
            named = f'PodCertificateRequest.Spec.NodeName="{spec.get("nodeName", "")}"'
            raise _refuse(attributes, f'{named}, which is not the requesting node "{node}"')
        key = f"{attributes.namespace}/{name}"
        about = f'PodCertificateRequest for pod "{key}"'
        found = await _named(attributes, "nodes", "", node, f'node "{node}"')
        if found["metadata"]["uid"] != spec.get("nodeUID"):
            text = f'names node UID "{spec.get("nodeUID")}", inconsistent with the running node'
            raise errors.StatusError(f'{about} {text} ("{found["metadata"]["uid"]}")')
        pod = await _named(attributes, "pods", attributes.namespace, name, f'pod "{key}"')
        if pod["metadata"]["uid"] != spec.get("podUID"):
            text = f'contains pod UID ("{spec.get("podUID")}") which differs from running pod'
            raise errors.StatusError(f'{about} {text} "{pod["metadata"]["uid"]}"')
        if pod["spec"].get("nodeName", "") != node:
            text = f'is not running on node "{node}" named in the PodCertificateRequest'
            raise _refuse(attributes, f'pod "{key}" {text}')
        if meta.is_mirror(pod):
            raise _refuse(attributes, f'pod "{key}" is a mirror pod')
        if account != pod["spec"].get("serviceAccountName", ""):
            text = f'contains serviceAccountName ("{account}") that differs from running pod'
            raise _refuse(attributes, f'{about} {text} ("{pod["spec"].get("serviceAccountName", "")}")')
        what = f'service account "{attributes.namespace}/{account}"'
        found = await _named(attributes, "serviceaccounts", attributes.namespace, account, what)
        if found["metadata"]["uid"] != spec.get("serviceAccountUID"):
            text = f'names service account UID "{spec.get("serviceAccountUID")}", which differs from the running'
            raise errors.StatusError(f'{about} {text} service account ("{found["metadata"]["uid"]}")')
        if not _mounts_certificate(pod, signer) and not _may_request(attributes, signer, account):
            text = f'does not mount a podCertificate projected volume for signer "{signer}"'
            raise _refuse(attributes, f'pod "{key}" {text}')

    @staticmethod
    def _lease(attributes: Attributes, node: str) -> None:
        if attributes.namespace != "kube-node-lease":
            raise _refuse(attributes, 'can only access leases in the "kube-node-lease" system namespace')
        name = attributes.name or ((attributes.object or {}).get("metadata") or {}).get("name", "")
        if name != node:
            raise _refuse(attributes, "can only access node lease with the same name as the requesting node")


def users_in_nodes(attributes: Attributes) -> bool:
    """Whether the user claims to be a node without being one in particular."""
    return "system:nodes" in attributes.user.groups


async def _named(attributes: Attributes, resource: str, namespace: str, name: str, what: str) -> dict[str, Any]:
    """An object that a PodCertificateRequest names."""
    found = await attributes.objects.get("", resource, namespace, name)
    if found is None:
        missing = errors.NotFound(gvk.GroupResource("", resource), name).message
        raise errors.StatusError(f"while retrieving {what} named in the PodCertificateRequest: {missing}")
    return found


def _mounts_certificate(pod: dict[str, Any], signer: str) -> bool:
    return any(
        (source.get("podCertificate") or {}).get("signerName") == signer
        for volume in pod["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
    )


def _may_request(attributes: Attributes, signer: str, account: str) -> bool:
    """Whether the node may ask that signer for certificates of that account without such a volume."""
    verb, kind = "request-serviceaccounts-podcertificate-signer", attributes.kind
    asked = questions.Attributes(
        attributes.user,
        verb,
        kind.group,
        kind.version,
        signer.replace("/", ":"),
        namespace=attributes.namespace,
        name=account,
    )
    return attributes.authorizer.authorize(asked).verdict is questions.Verdict.ALLOW


def _changed_labels(old: dict[str, Any], new: dict[str, Any]) -> set[tuple[str, str]]:
    before = set(((old.get("metadata") or {}).get("labels") or {}).items())
    return before ^ set(((new.get("metadata") or {}).get("labels") or {}).items())


def _forbidden_label(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    if not slash:
        return False
    if domain == RESTRICTED or domain.endswith("." + RESTRICTED):
        return True
    if not (domain.endswith(("kubernetes.io", "k8s.io"))):
        return False
    return key not in KUBELET_LABELS and not any(
        domain == prefix or domain.endswith("." + prefix) for prefix in KUBELET_PREFIXES
    )


def _refuse(attributes: Attributes, message: str) -> errors.StatusError:
    return errors.Forbidden(gvk.GroupResource(attributes.kind.group, attributes.kind.plural), attributes.name, message)
