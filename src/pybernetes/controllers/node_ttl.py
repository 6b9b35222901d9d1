"""Tells kubelets how long to believe what they have read of Secrets and ConfigMaps: longer in larger clusters.

Upstream: pkg/controller/ttl.
"""

from typing import NamedTuple

from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import controller, informer
from pybernetes.controllers.context import ControllerContext

ANNOTATION = "node.alpha.kubernetes.io/ttl"


class Step(NamedTuple):
    """The number of nodes within which these seconds hold; neighbours overlap, so that they do not flap."""

    least: int
    most: float
    seconds: int


STEPS = (Step(0, 100, 0), Step(90, 500, 15), Step(450, 1000, 30), Step(900, 2000, 60), Step(1800, float("inf"), 300))


class TTLController:
    """The controller `ttl`: a key is a node."""

    def __init__(self, context: ControllerContext) -> None:
        self._nodes = context.informers.informer(core.Node)
        self._resource = context.client_for("ttl-controller").resource(core.Node)
        self._count = 0
        self._step = 0
        self.controller = controller.Controller("ttlcontroller", self.sync_node, clock=context.clock, workers=5)
        self.controller.watches(
            self._nodes, on_add=self._added, on_update=lambda old, new: self._enqueue(new), on_delete=self._deleted
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _enqueue(self, node: core.Node) -> None:
        self.controller.enqueue(node.metadata.name)

    def _added(self, node: core.Node) -> None:
        self._count += 1
        self._step += self._count > STEPS[self._step].most
        self._enqueue(node)

    def _deleted(self, _: informer.Deleted[core.Node]) -> None:
        self._count -= 1
        self._step -= self._count < STEPS[self._step].least

    async def sync_node(self, name: str) -> None:
        """Annotate one node."""
        node = self._nodes.get("", name)
        wanted = str(STEPS[self._step].seconds)
        if node is None or node.metadata.annotations.get(ANNOTATION) == wanted:
            return
        try:
            await self._resource.patch(name, {"metadata": {"annotations": {ANNOTATION: wanted}}})
        except errors.NotFound:
            return
