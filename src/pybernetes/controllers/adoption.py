"""Who belongs to whom: adopt orphans that match the selector, release what matches no longer.

Path: 12 controller makes Pods (claimPods).
Upstream: pkg/controller/controller_ref_manager.go.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from pybernetes.api.types import meta
from pybernetes.apimachinery import errors, labels
from pybernetes.client import rest

T = TypeVar("T", bound=meta.Object)
Owner = TypeVar("Owner", bound=meta.Object)


def recheck_deletion(resource: rest.Resource[Owner], owner: Owner) -> Callable[[], Awaitable[None]]:
    """A `can_adopt` that reads the owner live: raises when it was deleted or replaced meanwhile."""

    async def can_adopt() -> None:
        fresh = await resource.get(owner.metadata.name, owner.metadata.namespace)
        if fresh.metadata.uid != owner.metadata.uid or fresh.metadata.deletionTimestamp is not None:
            reason = "the owner has just been deleted or replaced; not adopting anything for it"
            raise errors.Conflict(resource.kind, owner.metadata.name, reason)

    return can_adopt


class ControllerRefManager(Generic[T]):
    """Claims objects of one kind for one controller object.

    `can_adopt` is asked once, with a live read, before the first adoption: a cache may still show an owner that is
    being deleted. It raises to forbid.
    """

    def __init__(
        self,
        resource: rest.Resource[T],
        controller: meta.Object,
        selector: labels.Selector,
        can_adopt: Callable[[], Awaitable[None]],
        finalizers: tuple[str, ...] = (),
    ) -> None:
        self._resource = resource
        self._controller = controller
        self._selector = selector
        self._can_adopt = can_adopt
        self._finalizers = finalizers
        self._adoption_checked = False

    async def claim(self, objects: Iterable[T]) -> list[T]:
        """Those that are ours after adopting and releasing. Raises Status errors, after trying all."""
        claimed: list[T] = []
        failure: errors.StatusError | None = None
        for obj in objects:
            try:
                if await self._claim_object(obj):
                    claimed.append(obj)
            except errors.StatusError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return claimed

    async def _claim_object(self, obj: T) -> bool:
        owner = meta.controller_of(obj)
        matches = self._selector.matches(obj.metadata.labels)
        if owner is not None:
            if owner.uid != self._controller.metadata.uid:
                return False
            if matches:
                return True
            if self._controller.metadata.deletionTimestamp is None:
                await self._release(obj)
            return False
        if not matches or self._controller.metadata.deletionTimestamp is not None:
            return False
        if obj.metadata.deletionTimestamp is not None:
            return False
        return await self._adopt(obj)

    async def _adopt(self, obj: T) -> bool:
        if not self._adoption_checked:
            await self._can_adopt()
            self._adoption_checked = True
        reference = meta.to_dict(meta.owner_reference(self._controller))
        metadata: dict[str, Any] = {"ownerReferences": [reference], "uid": obj.metadata.uid}
        if self._finalizers:
            metadata["finalizers"] = [*self._finalizers]
        try:
            await self._resource.patch(
                obj.metadata.name, {"metadata": metadata}, obj.metadata.namespace, type="strategic"
            )
        except errors.NotFound:
            return False
        return True

    async def _release(self, obj: T) -> None:
        gone = {"$patch": "delete", "uid": self._controller.metadata.uid}
        patch = {"metadata": {"ownerReferences": [gone], "uid": obj.metadata.uid}}
        try:
            await self._resource.patch(obj.metadata.name, patch, obj.metadata.namespace, type="strategic")
        except errors.NotFound:
            return
        except errors.Invalid:
            # Either the object has no owner references left, or its uid is another's: in both cases it is released.
            return
