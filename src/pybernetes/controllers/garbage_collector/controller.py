"""The controller `garbagecollector`: follows the metadata of everything that can be deleted, and deletes the ownerless.

    monitors            one informer per resource, shared with other controllers where they have it anyway
      -> graph          (synchronously) -> uids for the two queues
    attempt_to_delete   an object whose owners may be gone, or that waits for its dependents
    attempt_to_orphan   an owner that is deleted without its dependents

Nothing is deleted on the word of a cache: the object and each owner are read live first. The set of monitors follows
discovery, looked at again whenever a CustomResourceDefinition or an APIService changes.
Upstream: pkg/controller/garbagecollector.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pybernetes.aio import tasks
from pybernetes.api import kinds
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, gvk
from pybernetes.apimachinery.meta import FINALIZER_DELETE_DEPENDENTS, FINALIZER_ORPHAN_DEPENDENTS
from pybernetes.client import controller, discovery, informer, rest
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.garbage_collector import dot
from pybernetes.controllers.garbage_collector import graph as graphs
from pybernetes.controllers.garbage_collector.graph import Effects, Identity, Node
from pybernetes.telemetry import logs, traces

logger = logs.get("garbagecollector")

IGNORED = frozenset((gvk.GroupResource("", "events"), gvk.GroupResource("events.k8s.io", "events")))
_SOURCES = (
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io/v1", "APIService"),
)
"""Kinds whose objects change what is served."""
_DISCOVERY_DELAYS = (0.2, 5.0)
"""A changed definition is served a little later; twice, for a server that takes its time."""
_SYNC = "monitors"


class UndecidableOwner(Exception):
    """A cluster-scoped object names a namespaced owner: nobody can know which namespace is meant."""


class GarbageCollector:
    """See the module."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client_for("generic-garbage-collector")
        self._clock = context.clock
        self._informers = context.informers
        self._recorder = context.recorder("garbage-collector-controller", self._client)
        self._monitors: dict[discovery.ApiResource, informer.Informer[Any]] = {}
        self._by_group_kind: dict[tuple[str, str], informer.Informer[Any]] = {}
        self.graph = graphs.Graph(self._find_owner)
        workers = context.settings.concurrent_gc_syncs
        clock = context.clock
        self.attempts = controller.Controller(
            "garbage_collector_attempt_to_delete", self.attempt_to_delete, clock=clock, workers=workers
        )
        self.orphans = controller.Controller(
            "garbage_collector_attempt_to_orphan", self.attempt_to_orphan, clock=clock, workers=workers
        )
        self._discovered = asyncio.Event()
        self._discovery = controller.Controller("garbage_collector_monitors", self.sync_monitors, clock=clock)

    async def run(self) -> None:
        """Work until cancelled; nothing is deleted before every monitor has seen its whole resource."""
        async with tasks.TaskGroup("garbagecollector") as group:
            # by the control loop: the server may not answer yet
            group.start(self._discovery.run(), self._discovery.name)
            self._discovery.enqueue(_SYNC)
            await group.until(self._discovered.wait(), "discovered")
            for monitor in [*self._monitors.values()]:
                await monitor.wait_for_sync()
            logger.info("Proceeding to collect garbage")
            for one in (self.attempts, self.orphans):
                group.start(one.run(), one.name)
            await group.wait()

    def debug(self, path: str, query: Mapping[str, Sequence[str]]) -> tuple[str, bytes] | None:
        """`/graph`: who owns whom; with `?uid=` only what belongs to those objects."""
        if path != "/graph":
            return None
        nodes = dot.related(self.graph, query["uid"]) if query.get("uid") else self.graph.nodes()
        return "text/vnd.graphviz", dot.render(nodes).encode()

    # monitors

    async def sync_monitors(self, _: str) -> None:
        """Have a monitor for each resource that can be deleted, listed and watched, and for nothing else."""
        found = await discovery.discover(self._client)
        if found.failed:
            logger.warning("failed to discover some groups: %s", found.failed)
        self._client.mapper.forget()
        wanted = {one for one in found.preferred() if self._is_collected(one)}
        for resource in [*self._monitors]:
            if resource not in wanted and resource.api_version not in found.failed:
                await self._stop_monitor(resource)
        for resource in wanted - self._monitors.keys():
            self._start_monitor(resource)
        await self._informers.start()
        self._discovered.set()

    @staticmethod
    def _is_collected(resource: discovery.ApiResource) -> bool:
        return {"delete", "list", "watch"} <= {*resource.verbs} and resource.group_resource not in IGNORED

    def _start_monitor(self, resource: discovery.ApiResource) -> None:
        api_version, kind = resource.api_version, resource.kind
        monitor = self._informers.shared(api_version, kind)
        self._monitors[resource] = self._by_group_kind[resource.group, kind] = monitor

        def identity(obj: meta.Object) -> Identity:
            metadata = obj.metadata
            return Identity(api_version, kind, metadata.namespace, metadata.name, metadata.uid)

        def changed(obj: meta.Object, old: meta.Object | None = None) -> None:
            self._apply(self.graph.observe(identity(obj), obj.metadata, old.metadata if old is not None else None))

        def updated(old: meta.Object, new: meta.Object) -> None:
            if old.metadata.uid != new.metadata.uid:
                self._apply(self.graph.remove(identity(old)))
                changed(new)
            else:
                changed(new, old)

        def deleted(obj: informer.Deleted[meta.Object]) -> None:
            self._apply(self.graph.remove(identity(informer.last_known(obj))))

        monitor.add_handler(changed, updated, deleted)
        if (api_version, kind) in _SOURCES:
            monitor.add_handler(self._served_changed, self._served_changed, self._served_changed)

    def _served_changed(self, *_: object) -> None:
        for delay in _DISCOVERY_DELAYS:
            self._discovery.enqueue_after(_SYNC, delay)

    async def _stop_monitor(self, resource: discovery.ApiResource) -> None:
        monitor = self._monitors.pop(resource)
        self._by_group_kind.pop((resource.group, resource.kind), None)
        if monitor.resource.cls is meta.PartialObject:
            await self._informers.stop(monitor)

    def _find_owner(self, reference: meta.OwnerReference, namespace: str) -> Identity | None:
        group, _ = gvk.parse_api_version(reference.apiVersion)
        monitor = self._by_group_kind.get((group, reference.kind))
        if monitor is None:
            return None
        obj = monitor.get(namespace, reference.name) or monitor.get("", reference.name)
        if obj is None or obj.metadata.uid != reference.uid:
            obj = next((one for one in monitor.list() if one.metadata.uid == reference.uid), None)
        if obj is None:
            return None
        metadata = obj.metadata
        resource = monitor.resource
        return Identity(resource.api_version, resource.kind, metadata.namespace, metadata.name, metadata.uid)

    def _apply(self, effects: Effects) -> None:
        for uid in effects.attempt_to_delete:
            self.attempts.enqueue(uid)
        for uid in effects.attempt_to_orphan:
            self.orphans.enqueue(uid)
        for dependent, owner in effects.invalid_namespace:
            about = core.ObjectReference(
                apiVersion=dependent.api_version,
                kind=dependent.kind,
                namespace=dependent.namespace,
                name=dependent.name,
                uid=dependent.uid,
            )
            text = f'ownerRef {owner} does not exist in namespace "{dependent.namespace}"'
            self._recorder.event(about, "Warning", "OwnerRefInvalidNamespace", text)

    # deleting

    async def attempt_to_delete(self, uid: str) -> float | None:
        """Delete the object if all its owners are gone; bring a foreground deletion further."""
        node = self.graph.get(uid)
        if node is None or (node.being_deleted and not node.deleting_dependents):
            return None
        was_virtual, identity = node.virtual, node.identity
        traces.step(37, f"{identity.namespace}/{identity.name}", identity.kind)
        latest = await self._get(identity)
        if latest is None or latest.metadata.uid != identity.uid:
            self._apply(self.graph.remove_absent(identity))
            return None
        if node.deleting_dependents:
            await self._process_deleting_dependents(node)
        elif latest.metadata.ownerReferences:
            try:
                await self._judge(node, latest)
            except UndecidableOwner as error:
                logger.info("Leaving %s alone: %s", identity, error)
                return None
        if was_virtual and node.virtual and self.graph.get(uid) is node:
            # It exists, but no watch has shown it yet: look again.
            node.attempts += 1
            return float(min(0.005 * 2**node.attempts, 1000.0))
        return None

    async def _judge(self, node: Node, latest: meta.PartialObject) -> None:
        solid, dangling, waiting = [], [], []
        for reference in latest.metadata.ownerReferences:
            owner = await self._owner(reference, node.identity)
            if owner is None:
                dangling.append(reference)
            elif owner.deletionTimestamp is not None and FINALIZER_DELETE_DEPENDENTS in owner.finalizers:
                waiting.append(reference)
            else:
                solid.append(reference)
        if solid:
            if dangling or waiting:
                await self._drop_owners(node.identity, {one.uid for one in (*dangling, *waiting)})
            return
        if waiting and node.dependents:
            if any(dependent.deleting_dependents for dependent in node.all_dependents()):
                # A circle of foreground deletions would wait for itself.
                await self._unblock_owners(latest)
                await self._delete(node, await self._get(node.identity), "Foreground")
                return
            await self._delete(node, latest, "Foreground")
            return
        finalizers = latest.metadata.finalizers
        if FINALIZER_ORPHAN_DEPENDENTS in finalizers:
            policy = "Orphan"
        elif FINALIZER_DELETE_DEPENDENTS in finalizers:
            policy = "Foreground"
        else:
            policy = "Background"
        await self._delete(node, latest, policy)

    async def _owner(self, reference: meta.OwnerReference, dependent: Identity) -> meta.ObjectMeta | None:
        """The owner as it is now; None if it does not exist (any more). Raises UndecidableOwner."""
        mapping = await self._client.mapper.find(reference.apiVersion, reference.kind)
        absent = graphs.identity_of(reference, dependent.namespace if mapping.namespaced else "")
        if absent in self.graph.absent:
            return None
        if mapping.namespaced and not dependent.namespace:
            raise UndecidableOwner("cluster-scoped objects cannot refer to namespaced owners")
        owner = await self._get(absent)
        if owner is None or owner.metadata.uid != reference.uid:
            self.graph.absent.add(absent)
            return None
        return owner.metadata

    async def _delete(self, node: Node, latest: meta.PartialObject | None, policy: str) -> None:
        identity = node.identity
        if latest is None:
            self._apply(self.graph.remove_absent(identity))
            return
        logger.log(logs.verbosity(2), "Deleting item %s with propagation %s", identity, policy)
        resource = self._client.partial(identity.api_version, identity.kind)
        try:
            await resource.delete(
                identity.name,
                identity.namespace,
                uid=identity.uid,
                resource_version=latest.metadata.resourceVersion,
                propagation=policy,
            )
        except errors.NotFound:
            self._apply(self.graph.remove_absent(identity))

    async def _process_deleting_dependents(self, node: Node) -> None:
        blocking = node.blocking_dependents()
        if not blocking:
            await self._remove_finalizer(node.identity, FINALIZER_DELETE_DEPENDENTS)
            return
        for dependent in blocking:
            if not dependent.deleting_dependents:
                self.attempts.enqueue(dependent.identity.uid)

    # orphaning

    async def attempt_to_orphan(self, uid: str) -> None:
        """Take the owner out of its dependents, then let it go."""
        node = self.graph.get(uid)
        if node is None:
            return
        drops = [self._drop_owners(one.identity, {uid}) for one in node.all_dependents()]
        await tasks.gather(*drops, name="orphan dependents")
        await self._remove_finalizer(node.identity, FINALIZER_ORPHAN_DEPENDENTS)

    # single writes

    async def _get(self, identity: Identity) -> meta.PartialObject | None:
        resource = self._client.partial(identity.api_version, identity.kind)
        try:
            return await resource.get(identity.name, identity.namespace)
        except errors.NotFound:
            return None

    async def _drop_owners(self, identity: Identity, uids: set[str]) -> None:
        """Remove these owners from an object; built-in kinds need no read for that."""
        group, version = gvk.parse_api_version(identity.api_version)
        if kinds.TABLE.by_gvk(group, version, identity.kind) is not None:
            gone = [{"$patch": "delete", "uid": uid} for uid in sorted(uids)]
            await self._patch(identity, {"ownerReferences": gone, "uid": identity.uid}, "strategic")
            return

        async def drop() -> None:
            latest = await self._get(identity)
            if latest is None or latest.metadata.uid != identity.uid:
                return
            metadata = latest.metadata
            kept = [meta.to_dict(one) for one in metadata.ownerReferences if one.uid not in uids]
            await self._patch(identity, {"ownerReferences": kept, "resourceVersion": metadata.resourceVersion})

        await rest.retry_on_conflict(drop, self._clock)

    async def _unblock_owners(self, latest: meta.PartialObject) -> None:
        metadata = latest.metadata
        references = [{**meta.to_dict(one), "blockOwnerDeletion": False} for one in metadata.ownerReferences]
        identity = Identity(latest.apiVersion, latest.kind, metadata.namespace, metadata.name, metadata.uid)
        await self._patch(identity, {"ownerReferences": references, "resourceVersion": metadata.resourceVersion})

    async def _remove_finalizer(self, identity: Identity, finalizer: str) -> None:
        async def remove() -> None:
            latest = await self._get(identity)
            if latest is None or finalizer not in latest.metadata.finalizers:
                return
            kept = [one for one in latest.metadata.finalizers if one != finalizer]
            version = latest.metadata.resourceVersion
            await self._patch(identity, {"finalizers": kept, "resourceVersion": version})

        await rest.retry_on_conflict(remove, self._clock)

    async def _patch(self, identity: Identity, metadata: dict[str, Any], patch_type: rest.PatchType = "merge") -> None:
        resource = self._client.partial(identity.api_version, identity.kind)
        try:
            await resource.patch(identity.name, {"metadata": metadata}, identity.namespace, type=patch_type)
        except errors.NotFound:
            return
