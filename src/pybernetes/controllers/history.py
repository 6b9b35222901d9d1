"""ControllerRevisions: the templates that a DaemonSet or StatefulSet has had, as patches that would bring them back.

Upstream: pkg/controller/history, pkg/controller/daemon/update.go.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any, Generic, TypeVar, cast

from pybernetes.api.types import apps, core, meta
from pybernetes.apimachinery import errors, labels
from pybernetes.client import informer, rest
from pybernetes.controllers import adoption, template_hash

Owner = TypeVar("Owner", bound=meta.Object)


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """The template to have a revision of, and how the revision is labelled."""

    template: core.PodTemplateSpec
    hash_label: str
    collisions: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Constructed:
    """The revision of the present template, its duplicates, and those of earlier templates, the oldest first."""

    current: apps.ControllerRevision
    duplicates: tuple[apps.ControllerRevision, ...]
    old: tuple[apps.ControllerRevision, ...]


class HashCollision(Exception):
    """Another template has the same hash: the owner's collisionCount must be raised."""


def patch_of(template: core.PodTemplateSpec) -> dict[str, Any]:
    """The strategic merge patch that brings a template back; names in order, for clients compare its bytes."""
    return cast(dict[str, Any], _in_order({"spec": {"template": {**meta.to_dict(template), "$patch": "replace"}}}))


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def by_revision(revisions: Iterable[apps.ControllerRevision]) -> list[apps.ControllerRevision]:
    """The oldest first."""
    return sorted(revisions, key=lambda one: (one.revision, one.metadata.creationTimestamp, one.metadata.name))


class History(Generic[Owner]):
    """The revisions of the owners of one kind."""

    def __init__(
        self,
        client: rest.Client,
        revisions: informer.Informer[apps.ControllerRevision],
        owners: rest.Resource[Owner],
    ) -> None:
        self._resource = client.resource(apps.ControllerRevision)
        self._revisions = revisions
        self._owners = owners

    async def controlled(self, owner: Owner, selector: labels.Selector) -> list[apps.ControllerRevision]:
        """Revisions that belong to the owner, after adopting and releasing; the oldest first."""
        can_adopt = adoption.recheck_deletion(self._owners, owner)
        manager = adoption.ControllerRefManager(self._resource, owner, selector, can_adopt)
        return by_revision(await manager.claim(self._revisions.list(owner.metadata.namespace)))

    async def construct(self, owner: Owner, selector: labels.Selector, wanted: Wanted) -> Constructed:
        """Make sure that the present template has a revision, the newest. Raises HashCollision."""
        data = patch_of(wanted.template)
        everything = await self.controlled(owner, selector)
        same = [one for one in everything if one.data == data]
        old = [one for one in everything if one.data != data]
        number = (old[-1].revision if old else 0) + 1
        if not same:
            return Constructed(await self._snapshot(owner, wanted, number), (), tuple(old))
        current = same[-1]
        if current.revision < number:
            patch = {"revision": number, "metadata": {"uid": current.metadata.uid}}
            name, namespace = current.metadata.name, current.metadata.namespace
            current = await self._resource.patch(name, patch, namespace)
        return Constructed(current, tuple(same[:-1]), tuple(old))

    async def _snapshot(self, owner: Owner, wanted: Wanted, number: int) -> apps.ControllerRevision:
        suffix = template_hash.compute(wanted.template, wanted.collisions)
        name, namespace = f"{owner.metadata.name}-{suffix}", owner.metadata.namespace
        data = patch_of(wanted.template)
        revision = apps.ControllerRevision(
            metadata=meta.ObjectMeta(
                name=name,
                namespace=namespace,
                labels={**wanted.template.metadata.labels, wanted.hash_label: suffix},
                annotations=owner.metadata.annotations,
                ownerReferences=(meta.owner_reference(owner),),
            ),
            data=data,
            revision=number,
        )
        try:
            return await self._resource.create(revision, namespace)
        except errors.AlreadyExists as error:
            present = await self._resource.get(name, namespace)
            if present.data == data and meta.is_controlled_by(present, owner):
                return present
            raise HashCollision(name) from error

    async def delete(self, revision: apps.ControllerRevision) -> None:
        """Forget one."""
        try:
            await self._resource.delete(revision.metadata.name, revision.metadata.namespace)
        except errors.NotFound:
            return

    async def truncate(self, old: Iterable[apps.ControllerRevision], live: set[str], limit: int | None) -> None:
        """Keep so many old revisions, and those whose names or hashes are still in use."""
        dead = [one for one in old if one.metadata.name not in live and not live & {*one.metadata.labels.values()}]
        for one in dead[: max(0, len(dead) - (10 if limit is None else limit))]:
            await self.delete(one)
