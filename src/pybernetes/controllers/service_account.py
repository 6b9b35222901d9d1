"""Every namespace has its `default` ServiceAccount.

Upstream: pkg/controller/serviceaccount/serviceaccounts_controller.go.
"""

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import controller, informer
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.pod_control import namespace_terminating

ACCOUNTS = ("default",)


class ServiceAccountsController:
    """The controller `serviceaccount`: a key is a namespace."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("service-account-controller")
        self._accounts = context.informers.informer(core.ServiceAccount)
        self._namespaces = context.informers.informer(core.Namespace)
        self._resource = client.resource(core.ServiceAccount)
        self.controller = controller.Controller("serviceaccount", self.sync_namespace, clock=context.clock)
        self.controller.watches(self._namespaces, on_add=self._enqueue, on_update=lambda old, new: self._enqueue(new))
        self.controller.watches(self._accounts, on_delete=self._account_deleted)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _enqueue(self, namespace: core.Namespace) -> None:
        self.controller.enqueue(namespace.metadata.name)

    def _account_deleted(self, obj: informer.Deleted[core.ServiceAccount]) -> None:
        self.controller.enqueue(informer.last_known(obj).metadata.namespace)

    async def sync_namespace(self, name: str) -> None:
        """Make the accounts that are missing in one namespace."""
        namespace = self._namespaces.get("", name)
        if namespace is None or namespace.status.phase != "Active":
            return
        for account in ACCOUNTS:
            if self._accounts.get(name, account) is not None:
                continue
            try:
                await self._resource.create(core.ServiceAccount(metadata=meta.ObjectMeta(name=account)), name)
            except errors.AlreadyExists:
                continue
            except errors.Forbidden as error:
                if not namespace_terminating(error):
                    raise
