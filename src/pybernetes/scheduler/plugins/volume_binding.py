"""VolumeBinding: volumes that wait for their first consumer are chosen, or ordered, for the node the Pod goes to.

A claim that is bound keeps the Pod on nodes its volume reaches. One that waits gets the smallest free volume that suits
it on the node, or else is left to its class's provisioner, which is told the node by an annotation. What was decided
for one Pod is remembered (`Assumed`) until the API says the same, so that no volume is promised twice.
Upstream: plugins/volumebinding. Pure (the requests themselves are the `Binder`'s).
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import quantity
from pybernetes.scheduler import cluster_events, framework, volume_matching
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.framework import Status
from pybernetes.scheduler.listers import Listers
from pybernetes.scheduler.node_info import NodeInfo, PodInfo, selector_of

ERR_REASON_BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind"
ERR_REASON_NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
ERR_REASON_NOT_ENOUGH_SPACE = "node(s) did not have enough free storage"
ERR_REASON_PV_NOT_EXIST = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
UNBOUND_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"

Claim = core.PersistentVolumeClaim
Volume = core.PersistentVolume
T = TypeVar("T", bound=meta.Object)


class Assumed(Generic[T]):
    """Objects as they will be once our writes arrive; dropped as soon as the cache has anything newer."""

    def __init__(self) -> None:
        self._objects: dict[str, T] = {}

    def set(self, obj: T) -> None:
        """Expect this (with the resourceVersion it was made from)."""
        self._objects[meta.key(obj)] = obj

    def drop(self, obj: T) -> None:
        """It will not come."""
        self._objects.pop(meta.key(obj), None)

    def newest(self, cached: T) -> T:
        """What to believe."""
        if not self._objects:
            return cached
        key = meta.key(cached)
        assumed = self._objects.get(key)
        if assumed is None:
            return cached
        if assumed.metadata.resourceVersion == cached.metadata.resourceVersion:
            return assumed
        del self._objects[key]
        return cached


@dataclasses.dataclass(frozen=True, slots=True)
class PodVolumes:
    """What must be done so that the Pod can run on a node."""

    bindings: tuple[tuple[Volume, Claim], ...] = ()
    provisions: tuple[Claim, ...] = ()


@dataclasses.dataclass(slots=True)
class State:
    """A Pod's claims, and what each node that fits would need."""

    bound: list[Claim]
    waiting: list[Claim]
    by_node: dict[str, PodVolumes] = dataclasses.field(default_factory=dict)


class Binder(Protocol):
    """Writes bindings, and waits until they are done."""

    async def bind(self, pod: PodInfo, node_name: str, volumes: PodVolumes) -> None:
        """Raises framework.PluginFailed."""


class VolumeBinding:
    """The plugin."""

    name = "VolumeBinding"

    def __init__(self, listers: Listers, binder: Binder) -> None:
        self._listers = listers
        self._binder = binder
        self.claims: Assumed[Claim] = Assumed()
        self.volumes: Assumed[Volume] = Assumed()

    # filter

    def pre_filter(
        self, state: framework.CycleState, pod: PodInfo, snapshot: framework.Snapshot
    ) -> framework.PreFilterAnswer:
        """All claims exist, and those that bind at once are bound."""
        bound: list[Claim] = []
        waiting: list[Claim] = []
        unbound = False
        for name, ephemeral in volume_matching.claim_names(pod.pod):
            claim = self._listers.claims.get(pod.pod.metadata.namespace, name)
            problem = claim_problem(pod.pod, name, claim, ephemeral=ephemeral)
            if problem or claim is None:
                return framework.unresolvable(self.name, problem)
            claim = self.claims.newest(claim)
            if volume_matching.fully_bound(claim):
                bound.append(claim)
            elif not claim.spec.volumeName and self._delayed(claim):
                waiting.append(claim)
            else:
                unbound = True
        if unbound:
            return framework.unresolvable(self.name, UNBOUND_IMMEDIATE)
        if not bound and not waiting:
            return framework.SKIP
        state["PreFilter" + self.name] = State(bound, waiting)
        return None

    def _delayed(self, claim: Claim) -> bool:
        found = self._listers.storage_classes.get("", volume_matching.claim_class(claim))
        return found is not None and found.volumeBindingMode == volume_matching.WAIT_FOR_FIRST_CONSUMER

    def filter(self, state: framework.CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        """Bound volumes reach the node; for the others there is one, or one can be made."""
        kept: State = state["PreFilter" + self.name]
        reasons = self._check_bound(kept.bound, node.node)
        found = self._find(kept.waiting, node.node) if kept.waiting else PodVolumes()
        if isinstance(found, str):
            reasons.append(found)
        if reasons:
            return framework.unresolvable(self.name, *reasons)
        assert isinstance(found, PodVolumes)
        kept.by_node[node.name] = found
        return None

    def _check_bound(self, claims: list[Claim], node: core.Node) -> list[str]:
        for claim in claims:
            volume = self._listers.volumes.get("", claim.spec.volumeName)
            if volume is None:
                return [ERR_REASON_PV_NOT_EXIST]
            if not volume_matching.reaches(volume, node):
                return [ERR_REASON_NODE_CONFLICT]
        return []

    def _find(self, claims: list[Claim], node: core.Node) -> PodVolumes | str:
        bindings: list[tuple[Volume, Claim]] = []
        provisions: list[Claim] = []
        chosen: set[str] = set()
        for claim in sorted(claims, key=volume_matching.storage_request):
            selected = claim.metadata.annotations.get(volume_matching.SELECTED_NODE)
            if selected is not None:
                if selected != node.metadata.name:
                    return ERR_REASON_BIND_CONFLICT
                provisions.append(claim)
                continue
            volumes = map(self.volumes.newest, self._listers.volumes.list())
            volume = volume_matching.find_matching_volume(claim, volumes, node, chosen)
            if volume is None:
                provisions.append(claim)
            else:
                chosen.add(volume.metadata.name)
                bindings.append((volume, claim))
        for claim in provisions:
            problem = self._cannot_provision(claim, node)
            if problem:
                return problem
        return PodVolumes(tuple(bindings), tuple(provisions))

    def _cannot_provision(self, claim: Claim, node: core.Node) -> str:
        found = self._listers.storage_classes.get("", volume_matching.claim_class(claim))
        if found is None or found.provisioner in ("", volume_matching.NOT_SUPPORTED_PROVISIONER):
            return ERR_REASON_BIND_CONFLICT
        if not volume_matching.provisionable_on(found, node):
            return ERR_REASON_BIND_CONFLICT
        driver = self._listers.csi_drivers.get("", found.provisioner)
        if driver is None or not driver.spec.storageCapacity:
            return ""
        wanted = volume_matching.storage_request(claim)
        for capacity in self._listers.storage_capacities.list():
            limit = capacity.maximumVolumeSize or capacity.capacity
            if (
                capacity.storageClassName == found.metadata.name
                and limit is not None
                and quantity.parse(limit) >= wanted
                and selector_of(capacity.nodeTopology).matches(node.metadata.labels)
            ):
                return ""
        return ERR_REASON_NOT_ENOUGH_SPACE

    # reserve and bind

    def reserve(self, state: framework.CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """Promise the volumes and claims to this Pod."""
        kept: State | None = state.get("PreFilter" + self.name)
        volumes = None if kept is None else kept.by_node.get(node_name)
        if kept is None or volumes is None:
            return None
        bindings = tuple((assumed_volume(volume, claim), claim) for volume, claim in volumes.bindings)
        provisions = tuple(assumed_claim(claim, node_name) for claim in volumes.provisions)
        for volume, _ in bindings:
            self.volumes.set(volume)
        for claim in provisions:
            self.claims.set(claim)
        kept.by_node[node_name] = PodVolumes(bindings, provisions)
        return None

    def unreserve(self, state: framework.CycleState, pod: PodInfo, node_name: str) -> None:
        """Take the promises back."""
        kept: State | None = state.get("PreFilter" + self.name)
        volumes = None if kept is None else kept.by_node.get(node_name)
        if volumes is not None:
            for volume, _ in volumes.bindings:
                self.volumes.drop(volume)
            for claim in volumes.provisions:
                self.claims.drop(claim)

    def pre_bind_pre_flight(self, state: framework.CycleState, pod: PodInfo, node_name: str) -> bool:
        """Whether there is anything to bind."""
        kept: State | None = state.get("PreFilter" + self.name)
        return kept is not None and bool(kept.waiting)

    async def pre_bind(self, state: framework.CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """Write the bindings, and wait until claims are bound."""
        if not self.pre_bind_pre_flight(state, pod, node_name):
            return None
        kept: State = state["PreFilter" + self.name]
        try:
            await self._binder.bind(pod, node_name, kept.by_node[node_name])
        except framework.PluginFailed as error:
            return framework.as_status(error, self.name)
        return None

    # events

    def events_to_register(self) -> list[EventWithHint]:
        """Claims, volumes, classes, nodes and capacities come or change."""
        add, update = cluster_events.ADD, cluster_events.UPDATE
        return [
            EventWithHint(ClusterEvent(cluster_events.STORAGE_CLASS, add | update), self._after_class_change),
            EventWithHint(ClusterEvent(cluster_events.PERSISTENT_VOLUME_CLAIM, add | update), after_claim_change),
            EventWithHint(ClusterEvent(cluster_events.PERSISTENT_VOLUME, add | update)),
            EventWithHint(ClusterEvent(cluster_events.NODE, add | cluster_events.UPDATE_NODE_LABEL)),
            EventWithHint(ClusterEvent(cluster_events.CSI_NODE, add | update), self._after_csi_node_change),
            EventWithHint(ClusterEvent(cluster_events.CSI_DRIVER, update), self._after_driver_change),
            EventWithHint(ClusterEvent(cluster_events.CSI_STORAGE_CAPACITY, add | update), self._after_capacity_change),
        ]

    @staticmethod
    def _after_class_change(pod: PodInfo, old: Any, new: Any) -> bool:
        return old is None or bool(old.allowedTopologies != new.allowedTopologies)

    @staticmethod
    def _after_csi_node_change(pod: PodInfo, old: Any, new: Any) -> bool:
        return old is None

    @staticmethod
    def _after_driver_change(pod: PodInfo, old: Any, new: Any) -> bool:
        return bool(old.spec.storageCapacity and not new.spec.storageCapacity) and any(
            volume.csi is not None and volume.csi.driver == new.metadata.name for volume in pod.pod.spec.volumes
        )

    @staticmethod
    def _after_capacity_change(pod: PodInfo, old: Any, new: Any) -> bool:
        limit: Callable[[Any], Any] = lambda one: one.maximumVolumeSize or one.capacity  # noqa: E731
        if old is None:
            return True
        before, after = limit(old), limit(new)
        return after is not None and (before is None or quantity.parse(after) > quantity.parse(before))


def claim_problem(pod: core.Pod, name: str, claim: Claim | None, *, ephemeral: bool) -> str:
    """Why a Pod cannot use a claim at all; "" if it can."""
    if claim is None:
        if ephemeral:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        return f'persistentvolumeclaim "{name}" not found'
    if claim.status.phase == "Lost":
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.spec.volumeName}"'
    if claim.metadata.deletionTimestamp is not None:
        return f'persistentvolumeclaim "{name}" is being deleted'
    if ephemeral and not volume_matching.is_for_pod(claim, pod):
        metadata = pod.metadata
        return (
            f"PVC {metadata.namespace}/{name} was not created for pod {metadata.namespace}/{metadata.name} "
            "(pod is not owner)"
        )
    return ""


def after_claim_change(pod: PodInfo, old: Any, new: Any) -> bool:
    """A claim of the Pod came or changed."""
    if new.metadata.namespace != pod.pod.metadata.namespace:
        return False
    return any(name == new.metadata.name for name, _ in volume_matching.claim_names(pod.pod))


def assumed_volume(volume: Volume, claim: Claim) -> Volume:
    """The volume once it is reserved for the claim."""
    annotations = {**volume.metadata.annotations}
    if not volume_matching.bound_to(volume, claim):
        annotations.setdefault(volume_matching.BOUND_BY_CONTROLLER, "yes")
    metadata = msgspec.structs.replace(volume.metadata, annotations=annotations)
    reference = volume.spec.claimRef
    if reference is None or reference.uid != claim.metadata.uid:
        reference = volume_matching.claim_reference(claim)
    spec = msgspec.structs.replace(volume.spec, claimRef=reference)
    return msgspec.structs.replace(volume, metadata=metadata, spec=spec)


def assumed_claim(claim: Claim, node_name: str) -> Claim:
    """The claim once its provisioner is told the node."""
    annotations = {**claim.metadata.annotations, volume_matching.SELECTED_NODE: node_name}
    metadata = msgspec.structs.replace(claim.metadata, annotations=annotations)
    return msgspec.structs.replace(claim, metadata=metadata)
