"""Pods, nodes and a cluster state to try plugins on."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pybernetes.api.types import apps, core, meta, policy, storage
from pybernetes.apimachinery import labels as selectors
from pybernetes.scheduler import framework, nominator, profiles, runtime
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.cluster_events import ClusterEvent, EventWithHint
from pybernetes.scheduler.framework import CycleState, Status
from pybernetes.scheduler.node_info import NodeInfo, PodInfo
from pybernetes.scheduler.plugins import volume_binding

GI = 1024**3


def pod(name: str = "p", cpu: str = "", node: str = "", **spec: Any) -> core.Pod:
    """A Pod from keywords; `labels`, `namespace`, `status`, `memory_size` and `uid` are not spec."""
    metadata = {
        "name": name,
        "namespace": spec.pop("namespace", "default"),
        "uid": spec.pop("uid", name),
        "labels": spec.pop("labels", {}),
        "resourceVersion": "1",
        **spec.pop("metadata", {}),
    }
    requests = {"cpu": cpu} if cpu else {}
    if memory_size := spec.pop("memory_size", ""):
        requests["memory"] = memory_size
    requests.update(spec.pop("requests", {}))
    containers = spec.pop("containers", [{"name": "c", "image": "web:1", "resources": {"requests": requests}}])
    status = spec.pop("status", {})
    made = {"metadata": metadata, "status": status}
    made["spec"] = {"containers": containers, "schedulerName": "default-scheduler", "nodeName": node, **spec}
    return msgspec.convert(made, core.Pod)


def info(*arguments: Any, **keywords: Any) -> PodInfo:
    """A Pod as plugins get it."""
    return PodInfo(pod(*arguments, **keywords))


def node(name: str = "n", cpu: str = "4", memory_size: str = "8Gi", pods: str = "110", **more: Any) -> core.Node:
    """A node from keywords; `labels`, `status`, `allocatable` are not spec."""
    labels = {"kubernetes.io/hostname": name, **more.pop("labels", {})}
    amounts = {"cpu": cpu, "memory": memory_size, "pods": pods, **more.pop("allocatable", {})}
    status = {"allocatable": amounts, **more.pop("status", {})}
    metadata = {"name": name, "labels": labels, "resourceVersion": "1"}
    return msgspec.convert({"metadata": metadata, "spec": more, "status": status}, core.Node)


def cache_of(nodes: Iterable[core.Node], pods: Iterable[core.Pod] = ()) -> Cache:
    """A cache with these objects."""
    cache = Cache()
    for made in nodes:
        cache.add_node(made)
    for one in pods:
        cache.add_pod(one)
    cache.update_snapshot()
    return cache


class Lists:
    """`Listers` over lists."""

    def __init__(self, *objects: meta.Object) -> None:
        self.objects = [*objects]

    def _all(self, kind: type[Any], namespace: str = "") -> list[Any]:
        return [
            one
            for one in self.objects
            if isinstance(one, kind) and (not namespace or one.metadata.namespace == namespace)
        ]

    def _one(self, kind: type[Any], namespace: str, name: str) -> Any:
        return next((one for one in self._all(kind, namespace) if one.metadata.name == name), None)

    def pod(self, namespace: str, name: str) -> core.Pod | None:
        found: core.Pod | None = self._one(core.Pod, namespace, name)
        return found

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        found = self._one(core.Namespace, "", name)
        return {} if found is None else dict(found.metadata.labels)

    def namespaces(self, selector: selectors.Selector) -> Iterable[str]:
        return [one.metadata.name for one in self._all(core.Namespace) if selector.matches(one.metadata.labels)]

    def services(self, namespace: str) -> Iterable[core.Service]:
        return self._all(core.Service, namespace)

    def replication_controller(self, namespace: str, name: str) -> core.ReplicationController | None:
        found: core.ReplicationController | None = self._one(core.ReplicationController, namespace, name)
        return found

    def replica_set(self, namespace: str, name: str) -> apps.ReplicaSet | None:
        found: apps.ReplicaSet | None = self._one(apps.ReplicaSet, namespace, name)
        return found

    def stateful_set(self, namespace: str, name: str) -> apps.StatefulSet | None:
        found: apps.StatefulSet | None = self._one(apps.StatefulSet, namespace, name)
        return found

    def disruption_budgets(self) -> Iterable[policy.PodDisruptionBudget]:
        return self._all(policy.PodDisruptionBudget)

    def claim(self, namespace: str, name: str) -> core.PersistentVolumeClaim | None:
        found: core.PersistentVolumeClaim | None = self._one(core.PersistentVolumeClaim, namespace, name)
        return found

    def volume(self, name: str) -> core.PersistentVolume | None:
        found: core.PersistentVolume | None = self._one(core.PersistentVolume, "", name)
        return found

    def volumes(self) -> Iterable[core.PersistentVolume]:
        return self._all(core.PersistentVolume)

    def storage_class(self, name: str) -> storage.StorageClass | None:
        found: storage.StorageClass | None = self._one(storage.StorageClass, "", name)
        return found

    def csi_driver(self, name: str) -> storage.CSIDriver | None:
        found: storage.CSIDriver | None = self._one(storage.CSIDriver, "", name)
        return found

    def csi_node(self, name: str) -> storage.CSINode | None:
        found: storage.CSINode | None = self._one(storage.CSINode, "", name)
        return found

    def storage_capacities(self) -> Iterable[storage.CSIStorageCapacity]:
        return self._all(storage.CSIStorageCapacity)


def namespace(name: str, **labels: str) -> core.Namespace:
    """A namespace with labels."""
    return core.Namespace(metadata=meta.ObjectMeta(name=name, labels=labels))


class Nothing:
    """A plugin without any extension point."""

    name = "DefaultPreemption"


class NoVolumes:
    """A binder that has nothing to do."""

    async def bind(self, pod: PodInfo, node_name: str, volumes: volume_binding.PodVolumes) -> None:
        return None


async def _bind(binding: core.Binding) -> None:
    return None


def default_framework(
    cache: Cache, lists: Lists | None = None, nominations: nominator.Nominator | None = None
) -> runtime.Framework:
    """The default profile over a cache, without preemption."""
    needs = profiles.Dependencies(
        cache.snapshot, lists or Lists(), _bind, nominations or nominator.Nominator(), NoVolumes(), Nothing
    )
    return profiles.build(profiles.Profile(), needs)


def verdicts(plugin: Any, cache: Cache, wanted: PodInfo, state: CycleState | None = None) -> dict[str, str]:
    """What a filter plugin says of each node, "" for yes; PreFilter's refusal under "*"."""
    state = CycleState() if state is None else state
    if isinstance(plugin, framework.PreFilterPlugin):
        answer = plugin.pre_filter(state, wanted, cache.snapshot)
        if answer is framework.SKIP:
            return {one.name: "" for one in cache.snapshot.nodes}
        if isinstance(answer, Status):
            return {"*": answer.message}
    return {one.name: message(plugin.filter(state, wanted, one)) for one in cache.snapshot.nodes}


def message(status: Status | None) -> str:
    """Its text, "" for success."""
    return "" if status is None else status.message


def scores(plugin: Any, cache: Cache, wanted: PodInfo) -> dict[str, int] | None:
    """Normalized scores of all nodes; None if the plugin skips the Pod."""
    state = CycleState()
    nodes: list[NodeInfo] = cache.snapshot.nodes
    if isinstance(plugin, framework.PreScorePlugin) and plugin.pre_score(state, wanted, nodes) is not None:
        return None
    result = plugin.score(state, wanted, nodes)
    if isinstance(plugin, framework.ScoreExtensions):
        plugin.normalize(state, wanted, nodes, result)
    return {one.name: score for one, score in zip(nodes, result, strict=True)}


def hint_for(plugin: framework.EnqueueExtensions, event: ClusterEvent) -> Callable[[PodInfo, Any, Any], bool]:
    """The hint a plugin registered for an event of that resource and action."""

    def always(wanted: PodInfo, old: Any, new: Any) -> bool:
        return True

    rows: list[EventWithHint] = plugin.events_to_register()
    for row in rows:
        if row.event.resource == event.resource and row.event.actions & event.actions:
            return row.hint or always
    raise AssertionError(f"{event.label} is not registered")
