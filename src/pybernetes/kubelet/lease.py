"""The heartbeat: a Lease in kube-node-lease renewed every ten seconds.

Upstream: component-helpers/apimachinery/lease/controller.go.
"""

import logging
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.api.types import coordination, core
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import rest, transport

logger = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"


class NodeLease:
    """Keeps the node's lease alive."""

    def __init__(self, client: rest.Client, clock: clocks.Clock, node_name: str, duration: int = 40) -> None:
        self._leases = client.resource(coordination.Lease)
        self._nodes = client.resource(core.Node)
        self._clock = clock
        self._node_name = node_name
        self._duration = duration
        self._exists = False

    async def run(self) -> None:
        """Renew until cancelled."""
        failures = 0
        while True:
            try:
                await self.renew()
                failures = 0
            except (errors.StatusError, transport.TransportError) as failure:
                failures += 1
                logger.warning("renewing lease of %s: %s", self._node_name, failure)
            if failures:
                await self._clock.sleep(min(7.0, 0.2 * 2**failures))
            else:
                await self._clock.sleep(self._duration * 0.25, upkeep=f"{NAMESPACE}/{self._node_name}")

    async def renew(self) -> None:
        """Say that the node is alive."""
        spec = {
            "holderIdentity": self._node_name,
            "leaseDurationSeconds": self._duration,
            "renewTime": timestamps.format_micro_time(self._clock.now()),
        }
        if self._exists:
            try:
                await self._leases.patch(self._node_name, {"spec": {"renewTime": spec["renewTime"]}}, NAMESPACE)
                return
            except errors.NotFound:
                self._exists = False
        try:
            await self._leases.create(await self._new(spec), NAMESPACE)
        except errors.AlreadyExists:
            await self._leases.patch(self._node_name, {"spec": spec}, NAMESPACE)
        self._exists = True

    async def _new(self, spec: dict[str, Any]) -> dict[str, Any]:
        node = await self._nodes.get(self._node_name)
        owner = {"apiVersion": "v1", "kind": "Node", "name": node.metadata.name, "uid": node.metadata.uid}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._node_name, "namespace": NAMESPACE, "ownerReferences": [owner]},
            "spec": spec,
        }
