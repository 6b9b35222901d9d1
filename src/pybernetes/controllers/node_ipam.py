"""Gives every node its part of the cluster's Pod addresses.

On only where `cluster_cidr` is set. What nodes hold already (after a restart) is learnt before anything is given away.
Upstream: pkg/controller/nodeipam (range allocator).
"""

import ipaddress
from typing import TypeAlias

from pybernetes.api.types import core
from pybernetes.apimachinery import errors
from pybernetes.client import controller, informer
from pybernetes.controllers.context import ControllerContext

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class CidrsExhausted(Exception):
    """Every part of the range is taken."""


class CidrSet:
    """A range cut into equal parts; the search goes on where the last one ended, so that parts rest before reuse."""

    def __init__(self, cluster: str, mask: int) -> None:
        self._cluster: Network = ipaddress.ip_network(cluster)
        self._mask = mask
        self._size = 1 << (self._cluster.max_prefixlen - mask)
        self.capacity = 1 << (mask - self._cluster.prefixlen)
        self._used: set[int] = set()
        self._next = 0

    def occupy(self, cidr: str) -> bool:
        """That part is taken; False if it does not belong here."""
        network = ipaddress.ip_network(cidr, strict=False)
        if network.version != self._cluster.version or not network.subnet_of(self._cluster):  # type: ignore[arg-type]
            return False
        self._used.add(self._index(network))
        return True

    def release(self, cidr: str) -> None:
        """That part is free again."""
        network = ipaddress.ip_network(cidr, strict=False)
        if network.version == self._cluster.version:
            self._used.discard(self._index(network))

    def _index(self, network: Network) -> int:
        return (int(network.network_address) - int(self._cluster.network_address)) // self._size

    def allocate_next(self) -> str:
        """Take the next free part. Raises CidrsExhausted."""
        for step in range(self.capacity):
            index = (self._next + step) % self.capacity
            if index not in self._used:
                self._used.add(index)
                self._next = (index + 1) % self.capacity
                return f"{self._cluster.network_address + index * self._size}/{self._mask}"
        raise CidrsExhausted(
            f"CIDR allocation failed; there are no remaining CIDRs left to allocate in {self._cluster}"
        )


class NodeIpamController:
    """The controller `nodeipam`: a key is a node."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("node-controller")
        self._sets = [
            CidrSet(cidr, context.settings.node_cidr_mask_size if ":" not in cidr else 64)
            for cidr in context.settings.cluster_cidr.split(",")
        ]
        self._nodes = context.informers.informer(core.Node)
        self._resource = client.resource(core.Node)
        self._recorder = context.recorder("cidrAllocator", client)
        self.controller = controller.Controller("node_ipam", self.sync_node, clock=context.clock)
        self.controller.watches(
            self._nodes, on_add=self._seen, on_update=lambda old, new: self._seen(new), on_delete=self._gone
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _seen(self, node: core.Node) -> None:
        for one, cidr in zip(self._sets, _cidrs(node), strict=False):
            one.occupy(cidr)
        if not _cidrs(node):
            self.controller.enqueue(node.metadata.name)

    def _gone(self, obj: informer.Deleted[core.Node]) -> None:
        for one, cidr in zip(self._sets, _cidrs(informer.last_known(obj)), strict=False):
            one.release(cidr)

    async def sync_node(self, name: str) -> None:
        """Give one node its ranges."""
        node = self._nodes.get("", name)
        if node is None or _cidrs(node):
            return
        given: list[str] = []
        try:
            given.extend(one.allocate_next() for one in self._sets)
            patch = {"spec": {"podCIDR": given[0], "podCIDRs": given}, "metadata": {"uid": node.metadata.uid}}
            await self._resource.patch(name, patch)
        except (CidrsExhausted, errors.StatusError) as error:
            for one, cidr in zip(self._sets, given, strict=False):
                one.release(cidr)
            if isinstance(error, errors.NotFound):
                return
            about = core.ObjectReference(apiVersion="v1", kind="Node", name=name, uid=node.metadata.uid)
            text = f"Node {name} status is now: CIDRNotAvailable"
            self._recorder.event(about, "Normal", "CIDRNotAvailable", text)
            raise


def node_ipam(context: ControllerContext) -> NodeIpamController | None:
    """The controller, unless the cluster's nodes get their ranges elsewhere."""
    return NodeIpamController(context) if context.settings.cluster_cidr else None


def _cidrs(node: core.Node) -> tuple[str, ...]:
    return node.spec.podCIDRs or ((node.spec.podCIDR,) if node.spec.podCIDR else ())
