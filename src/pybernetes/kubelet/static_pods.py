"""Pods from files on this node, and the mirror pods that show them in the API.

A file in the manifest folder is a pod `NAME-NODE` whose uid is a hash of the file. The API only sees a mirror of it:
deleting that changes nothing, the kubelet makes it again; the pod ends when the file goes.

Path: 14 kubelet decides the actions. Upstream: pkg/kubelet/config (file.go), pkg/kubelet/pod/mirror_client.go.
"""

import hashlib
import logging
import pathlib
from collections.abc import Callable
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.api import defaults, kinds
from pybernetes.api.codec import yaml
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import rest
from pybernetes.kubelet import file_watch

logger = logging.getLogger(__name__)

SOURCE, HASH, SEEN, MIRROR = (f"kubernetes.io/config.{name}" for name in ("source", "hash", "seen", "mirror"))
_LOOK_AGAIN = 20.0


def is_static(pod: core.Pod) -> bool:
    """Whether the pod comes from a file."""
    return pod.metadata.annotations.get(SOURCE, "api") != "api"


def is_mirror(pod: core.Pod) -> bool:
    """Whether the API object only shows a static pod."""
    return MIRROR in pod.metadata.annotations


def parse(data: bytes, path: str, node_name: str) -> core.Pod:
    """The pod of a manifest, completed as the API server would; ValueError if it is none."""
    documents = yaml.documents(data)
    manifest: dict[str, Any] = documents[0] if documents and isinstance(documents[0], dict) else {}
    if manifest.get("kind") != "Pod" or manifest.get("apiVersion") != "v1":
        raise ValueError("not a v1 Pod")
    kind = kinds.TABLE.by_gvk("", "v1", "Pod")
    assert kind is not None
    defaults.apply(kind, manifest)
    metadata = manifest.setdefault("metadata", {})
    digest = hashlib.md5(b"\0".join((node_name.encode(), path.encode(), data)), usedforsecurity=False).hexdigest()
    metadata["name"] = f"{metadata.get('name', '')}-{node_name}"
    metadata.setdefault("namespace", "default")
    metadata["uid"] = metadata.get("uid") or digest
    metadata["annotations"] = {**(metadata.get("annotations") or {}), SOURCE: "file", HASH: digest}
    spec = manifest["spec"]
    spec["nodeName"] = node_name
    # Nothing shall evict it: it does not come from the API and cannot go elsewhere.
    spec.setdefault("tolerations", []).append({"operator": "Exists", "effect": "NoExecute"})
    return msgspec.convert(manifest, core.Pod)


class FileSource:
    """Follows the manifest folder."""

    def __init__(
        self,
        folder: pathlib.Path,
        node_name: str,
        clock: clocks.Clock,
        on_set: Callable[[core.Pod], None],
        on_remove: Callable[[core.Pod], None],
    ) -> None:
        self._folder = folder
        self._node_name = node_name
        self._clock = clock
        self._on_set = on_set
        self._on_remove = on_remove
        self._pods: dict[str, core.Pod] = {}

    async def run(self) -> None:
        """Follow until cancelled."""
        watcher = file_watch.Watcher(self._clock, self._folder)
        try:
            while True:
                self.look()
                await watcher.wait(_LOOK_AGAIN)
        finally:
            watcher.close()

    def look(self) -> None:
        """Read the folder and tell what changed; files that cannot be read are left out."""
        found = {}
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if path.name.startswith(".") or not path.is_file():
                continue
            try:
                pod = parse(path.read_bytes(), str(path), self._node_name)
            except (OSError, ValueError, errors.StatusError) as failure:
                logger.warning("can't process manifest file %s: %s", path, failure)
                continue
            found[pod.metadata.uid] = pod
        before, self._pods = self._pods, found
        for uid, pod in before.items():
            if uid not in found:
                self._on_remove(pod)
        for uid, pod in found.items():
            if uid not in before:
                self._on_set(pod)


class Mirrors:
    """Static pods of this node by uid, their mirrors by name."""

    def __init__(self, client: rest.Client, node_name: str) -> None:
        self._pods = client.resource(core.Pod)
        self._nodes = client.resource(core.Node)
        self._node_name = node_name
        self.static: dict[str, core.Pod] = {}
        self.seen: dict[str, core.Pod] = {}
        """mirrors in the API by namespace/name"""

    def of(self, pod: core.Pod) -> core.Pod | None:
        """The mirror of a static pod."""
        return self.seen.get(meta.key(pod))

    def static_of(self, mirror: core.Pod) -> core.Pod | None:
        """The static pod that a mirror shows."""
        return next((one for one in self.static.values() if meta.key(one) == meta.key(mirror)), None)

    async def reconcile(self, pod: core.Pod) -> None:
        """Have exactly the right mirror of a static pod."""
        mirror = self.of(pod)
        if mirror is not None:
            right = mirror.metadata.annotations[MIRROR] == pod.metadata.annotations[HASH]
            if right and mirror.metadata.deletionTimestamp is None:
                return
            await self.delete(mirror)
        node = await self._nodes.get(self._node_name)
        owner = {"apiVersion": "v1", "kind": "Node", "name": node.metadata.name, "uid": node.metadata.uid}
        body = meta.to_dict(pod)
        body["metadata"] = {
            "name": pod.metadata.name,
            "namespace": pod.metadata.namespace,
            "labels": dict(pod.metadata.labels),
            "annotations": {**pod.metadata.annotations, MIRROR: pod.metadata.annotations[HASH]},
            "ownerReferences": [{**owner, "controller": True}],
        }
        body.pop("status", None)
        try:
            await self._pods.create(body, pod.metadata.namespace)
        except errors.AlreadyExists:
            logger.debug("mirror of %s is there already", meta.key(pod))

    async def delete(self, mirror: core.Pod) -> None:
        """Remove a mirror at once."""
        metadata = mirror.metadata
        try:
            await self._pods.delete(metadata.name, metadata.namespace, grace_period=0, uid=metadata.uid)
        except (errors.NotFound, errors.Conflict):
            logger.debug("mirror %s is gone already", meta.key(mirror))
