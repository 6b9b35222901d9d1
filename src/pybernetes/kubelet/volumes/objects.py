"""What the node's pods use: each ConfigMap and Secret watched by itself, as long as some pod names it, and trust
bundles all together.

A kubelet may not list them all; the node authorizer lets it get, list and watch the ones its pods refer to, by name.

Upstream: pkg/kubelet/util/manager/watch_based_manager.go.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pybernetes.aio import clock as clocks
from pybernetes.aio import deadline
from pybernetes.api.types import certificates, core, meta
from pybernetes.client import informer as informers
from pybernetes.kubelet import environment, runtime_status
from pybernetes.kubelet.volumes import content

O = TypeVar("O", bound=meta.Object)  # noqa: E741
_SYNC_TIMEOUT = 5.0

Reference = tuple[type[meta.Object], str, str]
"""kind, namespace, name; without a name: all of that kind"""


@dataclasses.dataclass(slots=True)
class _Watched:
    informer: informers.Informer[Any]
    users: set[str]


class ObjectCache:
    """What pods refer to, always up to date; `on_change` is told which pods are concerned."""

    def __init__(
        self,
        factory: informers.InformerFactory,
        clock: clocks.Clock,
        on_change: Callable[[str], None],
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._on_change = on_change
        self._watched: dict[Reference, _Watched] = {}
        self._by_pod: dict[str, set[Reference]] = {}

    async def register(self, pod: core.Pod) -> None:
        """Watch what the pod refers to, and no longer what it has stopped referring to."""
        wanted = references(pod)
        uid = pod.metadata.uid
        before = self._by_pod.get(uid, set())
        self._by_pod[uid] = wanted
        for reference in wanted - before:
            watched = self._watched.get(reference)
            if watched is None:
                watched = self._watched[reference] = _Watched(self._watch(reference), set())
            watched.users.add(uid)
        if wanted - before:
            await self._factory.start()
        for reference in before - wanted:
            await self._release(reference, uid)

    def _watch(self, reference: Reference) -> informers.Informer[Any]:
        kind, namespace, name = reference
        selector = f"metadata.name={name}" if name else ""
        informer = self._factory.informer(kind, namespace=namespace, field_selector=selector)

        def changed(*_: object) -> None:
            watched = self._watched.get(reference)
            for uid in list(watched.users) if watched is not None and informer.has_synced else ():
                self._on_change(uid)

        informer.add_handler(changed, changed, changed)
        return informer

    async def unregister(self, uid: str) -> None:
        """The pod is gone."""
        for reference in self._by_pod.pop(uid, set()):
            await self._release(reference, uid)

    async def _release(self, reference: Reference, uid: str) -> None:
        watched = self._watched.get(reference)
        if watched is None:
            return
        watched.users.discard(uid)
        if not watched.users:
            del self._watched[reference]
            await self._factory.stop(watched.informer)

    async def get(self, kind: type[O], namespace: str, name: str) -> O | None:
        """The object, None if there is none; waits for the watch to have begun."""
        watched = await self._synced((kind, namespace, name))
        found: O | None = watched.informer.get(namespace, name) if watched is not None else None
        return found

    async def every(self, kind: type[O]) -> list[O]:
        """All objects of a kind that some pod needs as a whole."""
        watched = await self._synced((kind, "", ""))
        return watched.informer.list() if watched is not None else []

    async def _synced(self, reference: Reference) -> _Watched | None:
        watched = self._watched.get(reference)
        if watched is not None and not watched.informer.has_synced:
            try:
                async with deadline.Deadline(self._clock, _SYNC_TIMEOUT):
                    await watched.informer.wait_for_sync()
            except TimeoutError:
                what = reference[0].__name__.lower()
                raise content.ContentError(
                    f"failed to sync {what} cache: timed out waiting for the condition"
                ) from None
        return watched

    async def get_all(self, kind: type[O], namespace: str, names: Iterable[str]) -> dict[str, O]:
        """Those of the names that exist."""
        ordered = sorted(set(names))
        found = await asyncio.gather(*(self.get(kind, namespace, name) for name in ordered))
        return {name: one for name, one in zip(ordered, found, strict=True) if one is not None}


def references(pod: core.Pod) -> set[Reference]:
    """All ConfigMaps and Secrets that a pod names in volumes, variables and pull secrets; trust bundles all at once."""
    namespace = pod.metadata.namespace
    config_maps: set[str] = set()
    secrets = {one.name for one in pod.spec.imagePullSecrets}
    for container in runtime_status.all_containers(pod.spec):
        maps, hidden = environment.references(container)
        config_maps |= maps
        secrets |= hidden
    bundles: set[Reference] = set()
    for volume in pod.spec.volumes:
        need = content.needed(volume)
        if need.bundles:
            bundles.add((certificates.ClusterTrustBundle, "", ""))
        config_maps |= need.config_maps
        secrets |= need.secrets
    named = ((core.ConfigMap, config_maps), (core.Secret, secrets))
    return bundles | {(kind, namespace, name) for kind, names in named for name in names if name}
