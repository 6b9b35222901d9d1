"""Pods, nodes and a cluster state to try plugins on."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import labels as selectors
from pybernetes.scheduler import framework, listers, nominator, profiles, runtime
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


class Lists(listers.Listers):
    """`Listers` over lists."""

    def __init__(self, *objects: meta.Object) -> None:
        self.objects = [*objects]
        super().__init__(lambda kind, **_: List(kind, self.objects))


class List:
    """What is of one kind."""

    def __init__(self, kind: type[Any], objects: list[meta.Object]) -> None:
        self._kind, self._objects = kind, objects

    def list(self, namespace: str = "", selector: selectors.Selector = selectors.EVERYTHING) -> list[Any]:
        found = [one for one in self._objects if isinstance(one, self._kind) and selector.matches(one.metadata.labels)]
        return [one for one in found if not namespace or one.metadata.namespace == namespace]

    def get(self, namespace: str, name: str) -> Any:
        return next((one for one in self.list(namespace) if one.metadata.name == name), None)


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
