"""Which pods this node shall run: those bound to it in the API.

Pods that no node has been chosen for are never seen here: the list and the watch carry `spec.nodeName=<this node>`.

Path: 14 kubelet decides the actions. Upstream: pkg/kubelet/config/apiserver.go (NewSourceApiserver).
"""

from collections.abc import Callable

from pybernetes.api.types import core
from pybernetes.client import informer as informers
from pybernetes.kubelet import static_pods


class ApiSource:
    """Hands over pods as they appear, change and go; mirrors of static pods apart (True: there, False: gone)."""

    def __init__(
        self,
        factory: informers.InformerFactory,
        node_name: str,
        on_set: Callable[[core.Pod], None],
        on_remove: Callable[[core.Pod], None],
        on_mirror: Callable[[core.Pod, bool], None] = lambda _, __: None,
    ) -> None:
        self._on_mirror = on_mirror
        self.informer = factory.informer(core.Pod, field_selector=f"spec.nodeName={node_name}")
        self._on_set = on_set
        self._on_remove = on_remove
        self._by_uid: dict[str, core.Pod] = {}
        self.informer.add_handler(self._set, self._updated, self._deleted)

    @property
    def ready(self) -> bool:
        """Whether all pods of this node are known."""
        return self.informer.has_synced

    def get(self, uid: str) -> core.Pod | None:
        """A pod by uid."""
        return self._by_uid.get(uid)

    def all(self) -> list[core.Pod]:
        """Every pod of this node."""
        return list(self._by_uid.values())

    def by_name(self, namespace: str, name: str) -> core.Pod | None:
        """A pod by name."""
        return self.informer.get(namespace, name)

    def _set(self, pod: core.Pod) -> None:
        if static_pods.is_mirror(pod):
            self._on_mirror(pod, True)
            return
        self._by_uid[pod.metadata.uid] = pod
        self._on_set(pod)

    def _updated(self, old: core.Pod, new: core.Pod) -> None:
        if old.metadata.uid != new.metadata.uid:
            # Deleted and made again under the same name while no watch was open.
            self._remove(old)
        self._set(new)

    def _deleted(self, gone: informers.Deleted[core.Pod]) -> None:
        self._remove(informers.last_known(gone))

    def _remove(self, pod: core.Pod) -> None:
        if static_pods.is_mirror(pod):
            self._on_mirror(pod, False)
            return
        self._by_uid.pop(pod.metadata.uid, None)
        self._on_remove(pod)
