"""DefaultBinder: tells the API server where the Pod runs.

Upstream: plugins/defaultbinder. Pure (the request itself is handed in).
"""

from collections.abc import Awaitable, Callable

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.scheduler import framework
from pybernetes.scheduler.node_info import PodInfo

Bind = Callable[[core.Binding], Awaitable[None]]


class DefaultBinder:
    """The plugin."""

    name = "DefaultBinder"

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    async def bind(self, state: framework.CycleState, pod: PodInfo, node_name: str) -> framework.Status | None:
        """POST the binding; the API server sets `spec.nodeName`."""
        metadata = pod.pod.metadata
        binding = core.Binding(
            metadata=meta.ObjectMeta(namespace=metadata.namespace, name=metadata.name, uid=metadata.uid),
            target=core.ObjectReference(kind="Node", name=node_name),
        )
        try:
            await self._bind(binding)
        except errors.StatusError as error:
            return framework.as_status(error, self.name)
        return None
