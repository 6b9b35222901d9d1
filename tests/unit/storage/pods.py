"""Pods as they are stored, and what watchers were told of them."""

import json
from collections.abc import Sequence
from typing import Any

from pybernetes.apimachinery import fields, labels
from pybernetes.storage import cached
from pybernetes.storage.backend import Record
from pybernetes.storage.memory import MemoryBackend


def value(namespace: str, name: str, *, node: str = "", **labels: str) -> bytes:
    """The stored JSON of a pod."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"nodeName": node} if node else {}}
    return json.dumps(pod, separators=(",", ":")).encode()


class Pods:
    """Writes pods into a backend by `namespace/name`."""

    def __init__(self, store: MemoryBackend) -> None:
        self.store = store

    async def put(self, name: str, *, node: str = "", **labels: str) -> Record:
        """Create or update."""
        key = f"/registry/pods/{name}"
        content = value(*name.split("/"), node=node, **labels)
        current = await self.store.get(key)
        if current is None:
            return await self.store.create(key, content)
        return await self.store.update(key, content, expected=current.mod_revision)

    async def drop(self, name: str) -> Record:
        """Delete."""
        key = f"/registry/pods/{name}"
        current = await self.store.get(key)
        assert current is not None
        return await self.store.delete(key, expected=current.mod_revision)


class Told:
    """A reader: collects events as `ADDED a/x@7`."""

    def __init__(self) -> None:
        self.events: list[cached.WatchEvent] = []
        self.ends = 0

    def deliver(self, events: Sequence[cached.WatchEvent]) -> None:
        self.events += events

    def ended(self) -> None:
        self.ends += 1

    def take(self) -> list[str]:
        """What came since the last call."""
        told = [(one.type.value, one.cached.key.removeprefix("/registry/pods/"), one.revision) for one in self.events]
        self.events.clear()
        return [f"{kind} {name}@{revision}" for kind, name, revision in told]


def select(label_selector: str = "", field_selector: str = "") -> cached.Selection:
    """A selection from the texts of two query parameters."""
    return cached.Selection(labels.parse(label_selector), fields.parse(field_selector))
