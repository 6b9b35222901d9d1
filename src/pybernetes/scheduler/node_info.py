"""A node and everything that counts on it, kept up to date pod by pod: what plugins look at.

`generation` changes with every change, so that what was worked out for a node can be kept until then.
Upstream: pkg/scheduler/framework/types.go (NodeInfo, PodInfo, Resource), kube-scheduler/framework (HostPortInfo). Pure.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from pybernetes.api import host_ports, pod_requests
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import labels, quantity

_generations = itertools.count(1)


class CacheCorrupted(Exception):
    """The bookkeeping of nodes and pods contradicts itself."""


class Resource:
    """Amounts of the resources that matter to scheduling, as integers."""

    __slots__ = ("allowed_pod_number", "ephemeral_storage", "memory", "milli_cpu", "scalars")

    def __init__(self, milli_cpu: int = 0, memory: int = 0, ephemeral_storage: int = 0) -> None:
        self.milli_cpu = milli_cpu
        self.memory = memory
        self.ephemeral_storage = ephemeral_storage
        self.allowed_pod_number = 0
        self.scalars: dict[str, int] = {}

    @classmethod
    def from_nano(cls, amounts: Mapping[str, int]) -> Self:
        """From nano-units, rounded up."""
        result = cls()
        for name, nano in amounts.items():
            if name == pod_requests.CPU:
                result.milli_cpu = -(-nano // 10**6)
            elif name == pod_requests.MEMORY:
                result.memory = -(-nano // 10**9)
            elif name == pod_requests.EPHEMERAL_STORAGE:
                result.ephemeral_storage = -(-nano // 10**9)
            elif name == pod_requests.PODS:
                result.allowed_pod_number = -(-nano // 10**9)
            elif is_scalar(name):
                result.scalars[name] = -(-nano // 10**9)
        return result

    @classmethod
    def parse(cls, quantities: Mapping[str, str]) -> Self:
        """From quantities as objects carry them."""
        return cls.from_nano({name: quantity.parse(text).nano for name, text in quantities.items()})

    def clone(self) -> "Resource":
        """An independent copy."""
        result = Resource(self.milli_cpu, self.memory, self.ephemeral_storage)
        result.allowed_pod_number = self.allowed_pod_number
        result.scalars = {**self.scalars}
        return result

    def amounts(self) -> tuple[int, int, int, int, dict[str, int]]:
        """Everything, for comparison; scalars of zero do not count."""
        scalars = {name: amount for name, amount in self.scalars.items() if amount}
        return (self.milli_cpu, self.memory, self.ephemeral_storage, self.allowed_pod_number, scalars)


def is_scalar(name: str) -> bool:
    """Extended resources, huge pages, attachable volumes: counted under their own name."""
    if name.startswith((pod_requests.HUGE_PAGES, "attachable-volumes-")):
        return True
    return "/" in name and not name.startswith("requests.")


class AffinityTerm(NamedTuple):
    """Pods in some namespaces that match a selector, and the node label that says what near means."""

    namespaces: frozenset[str]
    selector: labels.Selector
    topology_key: str
    namespace_selector: labels.Selector

    def matches(self, pod: core.Pod, namespace_labels: Mapping[str, str] | None) -> bool:
        """Whether the term is about that Pod; `namespace_labels` are those of the Pod's namespace."""
        metadata = pod.metadata
        return (
            metadata.namespace in self.namespaces or self.namespace_selector.matches(namespace_labels)
        ) and self.selector.matches(metadata.labels)


class WeightedTerm(NamedTuple):
    """A term that is only preferred."""

    term: AffinityTerm
    weight: int


def selector_of(selector: meta.LabelSelector | None) -> labels.Selector:
    """A LabelSelector as a matcher: none selects nothing."""
    return labels.NOTHING if selector is None else labels.from_label_selector(meta.to_dict(selector))


def affinity_term(pod: core.Pod, term: core.PodAffinityTerm) -> AffinityTerm:
    """A term as that Pod means it: without namespaces it is about the Pod's own."""
    own = not term.namespaces and term.namespaceSelector is None
    namespaces = (pod.metadata.namespace,) if own else term.namespaces
    return AffinityTerm(
        frozenset(namespaces), selector_of(term.labelSelector), term.topologyKey, selector_of(term.namespaceSelector)
    )


def _required(pod: core.Pod, side: core.PodAffinity | core.PodAntiAffinity | None) -> tuple[AffinityTerm, ...]:
    terms = () if side is None else side.requiredDuringSchedulingIgnoredDuringExecution
    return tuple(affinity_term(pod, term) for term in terms)


def _preferred(pod: core.Pod, side: core.PodAffinity | core.PodAntiAffinity | None) -> tuple[WeightedTerm, ...]:
    terms = () if side is None else side.preferredDuringSchedulingIgnoredDuringExecution
    return tuple(WeightedTerm(affinity_term(pod, one.podAffinityTerm), one.weight) for one in terms)


class PodInfo:
    """A Pod with what is worked out from it once. Never changed, except to carry a newer state that counts the same."""

    __slots__ = (
        "host_ports",
        "non_zero_cpu",
        "non_zero_memory",
        "pod",
        "preferred_affinity",
        "preferred_anti_affinity",
        "priority",
        "pvc_keys",
        "requests",
        "required_affinity",
        "required_anti_affinity",
        "uid",
        "with_affinity",
    )

    def __init__(self, pod: core.Pod) -> None:
        self.pod = pod
        self.uid = pod.metadata.uid
        self.priority = pod.spec.priority or 0
        asked = pod_requests.requests(pod)
        self.requests = Resource.from_nano(asked)
        self.requests.allowed_pod_number = 0
        self.non_zero_cpu, self.non_zero_memory = pod_requests.non_zero_requests(pod, asked)
        self.host_ports = host_ports.of(pod)
        self.pvc_keys = claim_keys(pod)
        affinity = pod.spec.affinity
        near = affinity.podAffinity if affinity is not None else None
        far = affinity.podAntiAffinity if affinity is not None else None
        self.required_affinity = _required(pod, near)
        self.required_anti_affinity = _required(pod, far)
        self.preferred_affinity = _preferred(pod, near)
        self.preferred_anti_affinity = _preferred(pod, far)
        self.with_affinity = near is not None or far is not None

    @property
    def key(self) -> str:
        """namespace/name."""
        return meta.key(self.pod)

    def same_footprint(self, other: core.Pod) -> bool:
        """Whether a newer state of the Pod differs in nothing that is worked out here."""
        one, two = self.pod.spec, other.spec
        return (
            self.uid == other.metadata.uid
            and one.priority == two.priority
            and one.affinity == two.affinity
            and one.volumes == two.volumes
            and pod_requests.same_sources(self.pod, other)
        )

    def with_pod(self, pod: core.Pod) -> "PodInfo":
        """This Pod in another state; what was worked out is kept where it still holds."""
        if not self.same_footprint(pod):
            return PodInfo(pod)
        result = PodInfo.__new__(PodInfo)
        for name in PodInfo.__slots__:
            setattr(result, name, getattr(self, name))
        result.pod = pod
        return result


def claim_keys(pod: core.Pod) -> tuple[str, ...]:
    """The claims the Pod names, as namespace/name."""
    namespace = pod.metadata.namespace
    return tuple(
        f"{namespace}/{volume.persistentVolumeClaim.claimName}"
        for volume in pod.spec.volumes
        if volume.persistentVolumeClaim is not None
    )


class ImageState:
    """An image and the nodes that have it; one object for the whole cluster."""

    __slots__ = ("nodes", "size")

    def __init__(self, size: int, nodes: Iterable[str] = ()) -> None:
        self.size = size
        self.nodes = {*nodes}


class NodeInfo:
    """One node with its pods, bound and assumed."""

    __slots__ = (
        "allocatable",
        "generation",
        "image_states",
        "labels",
        "name",
        "node",
        "non_zero_requested",
        "pods",
        "pods_with_affinity",
        "pods_with_required_anti_affinity",
        "pvc_ref_counts",
        "requested",
        "taints",
        "used_ports",
    )

    def __init__(self, node: core.Node | None = None, pods: Iterable[core.Pod] = ()) -> None:
        self.node = node or core.Node()
        self.name = self.node.metadata.name
        self.labels: Mapping[str, str] = self.node.metadata.labels
        self.taints = self.node.spec.taints
        self.allocatable = Resource()
        self.requested = Resource()
        self.non_zero_requested = Resource()
        self.pods: dict[str, PodInfo] = {}
        self.pods_with_affinity: dict[str, PodInfo] = {}
        self.pods_with_required_anti_affinity: dict[str, PodInfo] = {}
        self.used_ports = host_ports.HostPorts()
        self.image_states: dict[str, ImageState] = {}
        self.pvc_ref_counts: dict[str, int] = {}
        self.generation = next(_generations)
        if node is not None:
            self.set_node(node)
        for pod in pods:
            self.add_pod(PodInfo(pod))

    def __iter__(self) -> Iterator[PodInfo]:
        return iter(self.pods.values())

    def set_node(self, node: core.Node) -> None:
        """The node in its newest state."""
        old = self.node
        self.node = node
        self.name = node.metadata.name
        self.labels = node.metadata.labels
        self.taints = node.spec.taints
        if old is node or old.status.allocatable != node.status.allocatable:
            self.allocatable = Resource.parse(node.status.allocatable)
        self.generation = next(_generations)

    def remove_node(self) -> None:
        """The node is gone, its pods are still there."""
        self.node = core.Node()
        self.labels, self.taints = self.node.metadata.labels, ()
        self.allocatable = Resource()
        self.generation = next(_generations)

    @property
    def has_node(self) -> bool:
        """False while only pods are known."""
        return bool(self.node.metadata.name)

    def add_pod(self, info: PodInfo) -> None:
        """Count a Pod."""
        self.pods[info.uid] = info
        if info.with_affinity:
            self.pods_with_affinity[info.uid] = info
        if info.required_anti_affinity:
            self.pods_with_required_anti_affinity[info.uid] = info
        self._count(info, 1)
        for port in info.host_ports:
            self.used_ports.add(port)
        for key in info.pvc_keys:
            self.pvc_ref_counts[key] = self.pvc_ref_counts.get(key, 0) + 1

    def replace_pod(self, info: PodInfo) -> None:
        """A newer state of a Pod that counts the same."""
        self.pods[info.uid] = info
        if info.with_affinity:
            self.pods_with_affinity[info.uid] = info
        if info.required_anti_affinity:
            self.pods_with_required_anti_affinity[info.uid] = info
        self.generation = next(_generations)

    def remove_pod(self, uid: str) -> PodInfo:
        """No longer count a Pod."""
        info = self.pods.pop(uid, None)
        if info is None:
            raise CacheCorrupted(f"no corresponding pod {uid} in pods of node {self.name}")
        self.pods_with_affinity.pop(uid, None)
        self.pods_with_required_anti_affinity.pop(uid, None)
        self._count(info, -1)
        for port in info.host_ports:
            self.used_ports.remove(port)
        for key in info.pvc_keys:
            left = self.pvc_ref_counts.get(key, 0) - 1
            if left > 0:
                self.pvc_ref_counts[key] = left
            else:
                self.pvc_ref_counts.pop(key, None)
        return info

    def _count(self, info: PodInfo, sign: int) -> None:
        requested, asked = self.requested, info.requests
        requested.milli_cpu += sign * asked.milli_cpu
        requested.memory += sign * asked.memory
        requested.ephemeral_storage += sign * asked.ephemeral_storage
        for name, amount in asked.scalars.items():
            requested.scalars[name] = requested.scalars.get(name, 0) + sign * amount
        self.non_zero_requested.milli_cpu += sign * info.non_zero_cpu
        self.non_zero_requested.memory += sign * info.non_zero_memory
        self.generation = next(_generations)

    def clone(self) -> "NodeInfo":
        """A copy to try things on; image states stay shared."""
        result = NodeInfo()
        result.node, result.name = self.node, self.name
        result.labels, result.taints = self.labels, self.taints
        result.allocatable = self.allocatable
        result.requested = self.requested.clone()
        result.non_zero_requested = self.non_zero_requested.clone()
        result.pods = {**self.pods}
        result.pods_with_affinity = {**self.pods_with_affinity}
        result.pods_with_required_anti_affinity = {**self.pods_with_required_anti_affinity}
        result.used_ports = self.used_ports.clone()
        result.image_states = self.image_states
        result.pvc_ref_counts = {**self.pvc_ref_counts}
        return result
