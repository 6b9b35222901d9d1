"""Nothing is created in a namespace that does not exist or is going away, and the first three are never deleted.

Upstream: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from pybernetes.apimachinery import errors, gvk
from pybernetes.apiserver.admission.attributes import Attributes

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle:
    """The plugin `NamespaceLifecycle`."""

    name = "NamespaceLifecycle"

    def handles(self, attributes: Attributes) -> bool:
        """Writes of objects in namespaces, and deletions of namespaces."""
        return attributes.operation in ("CREATE", "UPDATE", "DELETE")

    async def admit(self, attributes: Attributes) -> None:
        """Refuse what has no living namespace to be in."""
        kind = attributes.kind
        if kind.kind == "Namespace" and not kind.group:
            if attributes.operation == "DELETE" and attributes.name in IMMORTAL:
                raise errors.Forbidden(
                    gvk.GroupResource("", "namespaces"), attributes.name, "this namespace may not be deleted"
                )
            return
        if not kind.namespaced or attributes.operation == "DELETE" or kind.group == "authorization.k8s.io":
            return
        namespace = await attributes.objects.get("", "namespaces", "", attributes.namespace)
        if namespace is None:
            raise errors.NotFound(gvk.GroupResource("", "namespaces"), attributes.namespace)
        if attributes.operation == "CREATE" and (namespace.get("status") or {}).get("phase") == "Terminating":
            raise self._terminating(attributes, namespace["metadata"].get("deletionTimestamp"))

    @staticmethod
    def _terminating(attributes: Attributes, since: str | None) -> errors.StatusError:
        error = errors.Forbidden(
            gvk.GroupResource(attributes.kind.group, attributes.kind.plural),
            attributes.name,
            f"unable to create new content in namespace {attributes.namespace} because it is being terminated",
        )
        message = f"namespace {attributes.namespace} is being terminated"
        if since:
            message += f", deletionTimestamp: {since}"
        cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
        error.details = {**(error.details or {}), "causes": [cause]}
        return error

    async def validate(self, attributes: Attributes) -> None:
        """Everything was said in the mutating phase."""
