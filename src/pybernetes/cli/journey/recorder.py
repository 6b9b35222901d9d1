"""What the API says while an object is on its way: its changes, those of what it owns, and Events about them."""

import asyncio
import datetime
from collections.abc import Callable
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.apimachinery import meta
from pybernetes.cli.journey import invariants
from pybernetes.client import rest

Object = dict[str, Any]

FOLLOWED = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "ReplicationController"),
    ("v1", "Service"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("v1", "Pod"),
    ("v1", "Event"),
)
WORKLOADS = ("Deployment", "ReplicaSet", "ReplicationController")


class Recorder:
    """Follows one namespace by watches; `roots` are the objects whose journey it is, as kind and name."""

    def __init__(self, client: rest.Client, clock: clocks.Clock, namespace: str, roots: set[tuple[str, str]]) -> None:
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._roots = roots
        self._changed = asyncio.Event()
        self.uids: dict[str, str] = {}
        self.related: set[str] = {f"{namespace}/{name}" for _, name in roots}
        self.objects: dict[tuple[str, str], Object] = {}
        self.pods: list[invariants.Change] = []
        self.events: list[Object] = []

    async def start(self, group: tasks.TaskGroup) -> None:
        """Return when every watch is open."""
        for api_version, kind in FOLLOWED:
            resource = self._client.dynamic(api_version, kind)
            page = await resource.list(self._namespace)
            for obj in page.items if kind != "Event" else ():
                self._take("ADDED", kind, obj, record=False)
            group.start(self._follow(kind, resource, page.resource_version), f"watch {kind}")

    async def _follow(self, kind: str, resource: rest.Resource[Object], version: str) -> None:
        while True:
            async with resource.watch(self._namespace, resource_version=version) as events:
                async for event in events:
                    version = event.object["metadata"]["resourceVersion"]
                    if event.type != "BOOKMARK":
                        self._take(event.type, kind, event.object)
                        self._changed.set()

    def _take(self, type: str, kind: str, obj: Object, *, record: bool = True) -> None:
        name = obj["metadata"]["name"]
        if kind == "Event":
            self.events.append(obj)
            return
        owners = {one["uid"] for one in obj["metadata"].get("ownerReferences") or ()}
        key = f"{self._namespace}/{name}"
        if (kind, name) not in self._roots and not owners & set(self.uids) and (kind, name) not in self.objects:
            return
        self.uids[obj["metadata"]["uid"]] = key
        self.related.add(key)
        if kind == "Pod" and record:
            self.pods.append(invariants.Change(type, obj, self._clock.now()))
        if type == "DELETED":
            self.objects.pop((kind, name), None)
        else:
            self.objects[kind, name] = obj

    async def until(self, condition: Callable[["Recorder"], bool], seconds: float) -> bool:
        """Wait until the condition holds; False when it does not in that time."""
        deadline = self._clock.monotonic() + seconds
        while not condition(self):
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - self._clock.monotonic())
            except TimeoutError:
                return condition(self)
        return True

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind that belong to the journey and are there now."""
        return [obj for (one, _), obj in self.objects.items() if one == kind]

    def about(self, key: str) -> list[Object]:
        """Events about an object."""
        return [one for one in self.events if f"{self._namespace}/{one['involvedObject'].get('name')}" == key]


def has_settled(recorder: Recorder) -> bool:
    """Whether every workload is as it should be and every Pod that counts is ready."""
    for kind in WORKLOADS:
        for obj in recorder.of(kind):
            status, wanted = obj.get("status") or {}, (obj.get("spec") or {}).get("replicas", 1)
            if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
                return False
            if (status.get("readyReplicas") or 0) != wanted or (status.get("replicas") or 0) != wanted:
                return False
    if not recorder.objects:
        return False
    return all(_is_ready(pod) and not pod["metadata"].get("deletionTimestamp") for pod in recorder.of("Pod"))


def _is_ready(pod: Object) -> bool:
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    return meta.condition_is(pod, "Ready")


def is_gone(recorder: Recorder) -> bool:
    """Whether nothing of it is left."""
    return not recorder.of("Pod") and not any(recorder.of(kind) for kind in WORKLOADS)


def moment(text: str) -> datetime.datetime:
    """A time as records carry it."""
    return datetime.datetime.fromisoformat(text)
