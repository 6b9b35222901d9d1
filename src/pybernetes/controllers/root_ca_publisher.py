"""Every namespace has the ConfigMap `kube-root-ca.crt`: how Pods know that they talk to the real API server.

Upstream: pkg/controller/certificates/rootcacertpublisher.
"""

from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import controller, informer
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.pod_control import namespace_terminating

NAME = "kube-root-ca.crt"
DESCRIPTION_ANNOTATION = "kubernetes.io/description"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class RootCACertPublisher:
    """The controller `root-ca-cert-publisher`: a key is a namespace."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("root-ca-cert-publisher")
        self._data = {"ca.crt": context.settings.root_ca}
        self._maps = context.informers.informer(core.ConfigMap)
        self._namespaces = context.informers.informer(core.Namespace)
        self._resource = client.resource(core.ConfigMap)
        self.controller = controller.Controller("root-ca-cert-publisher", self.sync_namespace, clock=context.clock)
        self.controller.watches(self._namespaces, on_add=self._enqueue, on_update=lambda old, new: self._enqueue(new))
        self.controller.watches(self._maps, on_update=lambda old, new: self._changed(new), on_delete=self._deleted)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _enqueue(self, namespace: core.Namespace) -> None:
        self.controller.enqueue(namespace.metadata.name)

    def _changed(self, config_map: core.ConfigMap) -> None:
        if config_map.metadata.name == NAME:
            self.controller.enqueue(config_map.metadata.namespace)

    def _deleted(self, obj: informer.Deleted[core.ConfigMap]) -> None:
        self._changed(informer.last_known(obj))

    async def sync_namespace(self, name: str) -> None:
        """Create the ConfigMap, or set it right."""
        namespace = self._namespaces.get("", name)
        if namespace is None or namespace.status.phase != "Active":
            return
        annotations = {DESCRIPTION_ANNOTATION: DESCRIPTION}
        wanted = {"metadata": {"name": NAME, "annotations": annotations}, "data": self._data}
        existing = self._maps.get(name, NAME)
        try:
            if existing is None:
                await self._resource.create({"apiVersion": "v1", "kind": "ConfigMap", **wanted}, name)
            elif (
                dict(existing.data) != self._data
                or existing.metadata.annotations.get(DESCRIPTION_ANNOTATION) != DESCRIPTION
            ):
                surplus = {key: None for key in existing.data if key not in self._data}
                await self._resource.patch(NAME, {**wanted, "data": {**self._data, **surplus}}, name)
        except errors.AlreadyExists:
            return
        except errors.Forbidden as error:
            if not namespace_terminating(error):
                raise
