"""What may differ between kinds on the way into storage: the hooks, in the order in which `store.py` calls them.

A kind without a strategy of its own uses `Strategy` as it is: schema checks, object metadata, generation, status kept
apart. A file `registry/<group>/<kind>.py` exists only where a hook differs; `registry/table.py` lists them all.

Order for create:  default -> prepare_for_create -> begin_create -> validate -> (validating admission) -> canonicalize
Order for update:  default -> prepare_for_update -> begin_update -> validate_update -> (admission) -> canonicalize
Order for delete:  (validating admission) -> check_graceful_delete -> mark_deleting -> holds -> ... -> after_delete
Path: 8 strategy prepares and validates.
Upstream: k8s.io/apiserver/pkg/registry/rest, pkg/registry/*/strategy.go.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from pybernetes.aio import clock as clocks
from pybernetes.api import kinds
from pybernetes.apimachinery import fieldpath, names
from pybernetes.apimachinery.patch import apply as applying
from pybernetes.apiserver.authn import user as users
from pybernetes.storage import cached

Object = dict[str, Any]


class Objects(Protocol):
    """Other objects of the server, each a copy of the caller's own.

    Answers come from the watch cache, as upstream's come from informers: what another server on the same store has just
    written may be missing from a list. An object that is not there is asked for in the store.
    """

    async def get(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        """One object in its storage version, or None."""

    async def list(self, group: str, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource (in one namespace when given), in storage version."""

    async def rewrite(
        self, group: str, resource: str, namespace: str, name: str, change: Callable[[Object], object]
    ) -> None:
        """Change an object as the server itself, past hooks and admission; again after a conflict. Raises NotFound."""


@dataclasses.dataclass(slots=True)
class Context:
    """What a hook may know of the request it serves."""

    kind: kinds.Kind
    user: str
    clock: clocks.Clock
    objects: Objects
    dry_run: bool = False
    subresource: str = ""
    requester: users.UserInfo | None = None
    submitted_status: Object | None = None
    """The status in the body of an update, whatever subresource it was sent to."""
    warnings: list[str] = dataclasses.field(default_factory=list)
    rollbacks: list[Callable[[], Awaitable[None]]] = dataclasses.field(default_factory=list)
    """Zero-argument coroutine functions that undo what begin_* allocated, run when the write does not happen."""


class Strategy:
    """The default behaviour of every kind. Objects are plain dicts and belong to the call: hooks may change them.

    `old` is what is stored (never change it), `new` what will be.
    """

    allow_create_on_update = False
    allow_unconditional_update = True
    generation = True
    """Whether `metadata.generation` counts changes outside metadata and status."""
    generation_of_annotations = False
    """Whether it counts changes of annotations as well."""
    status = True
    """Whether status is written through the status subresource only (dropped on create, kept on update)."""
    status_on_create = False
    """Whether a new object may bring its status along all the same (nodes do)."""
    default_garbage_collection = "background"
    """What becomes of dependents when a deletion does not say: background, orphan, or unsupported."""
    returns_deleted = False
    """Whether DELETE answers with the object instead of a Status."""
    selectable_fields: Sequence[str] = ()
    """Paths that field selectors may name, besides metadata (custom resources; others are in `selectable.py`)."""
    mixed = False
    """Whether what is read may be in another version than new objects are stored in (custom resources)."""
    upgrade: cached.Upgrade | None = None
    """From a stored value to how it is read now (custom resources, whose schema may have changed)."""
    name_check: names.NameCheck = staticmethod(names.is_dns1123_subdomain)
    """The format of names of this kind."""

    def prepare_for_create(self, context: Context, new: Object) -> None:
        """Drop what users may not set."""

    def prepare_for_update(self, context: Context, new: Object, old: Object) -> None:
        """Keep what this path may not change."""

    def warnings(self, context: Context, new: Object, old: Object | None) -> None:
        """Tell the client (`context.warnings`) what is deprecated or will not do what it may expect."""

    async def begin_create(self, context: Context, new: Object) -> None:
        """Allocate what the object needs (addresses); register how to give it back in `context.rollbacks`."""

    async def begin_update(self, context: Context, new: Object, old: Object) -> None:
        """Allocate for a change; register how to give it back."""

    def validate(self, context: Context, new: Object) -> list[fieldpath.FieldError]:
        """Everything wrong with a new object."""
        return []

    def validate_update(self, context: Context, new: Object, old: Object) -> list[fieldpath.FieldError]:
        """Everything wrong with this change of an object."""
        return []

    def read(self, kind: kinds.Kind, obj: Object) -> list[str]:
        """Hold a custom resource to its schema; the result names the unknown fields, as strict errors."""
        return []

    def field_manager(self, kind: kinds.Kind, subresource: str) -> applying.FieldManager:
        """Who tracks the fields of a custom resource."""
        raise NotImplementedError(f"{kind.kind} has no schema")

    async def convert(self, objects: Sequence[Object], to: kinds.Kind) -> Sequence[Object]:
        """Custom resources in another of their versions (built-in kinds convert by `rules.py`)."""
        return [{**obj, "apiVersion": to.api_version} for obj in objects]

    def canonicalize(self, context: Context, new: Object) -> None:
        """Last touch before encoding."""

    def check_graceful_delete(self, context: Context, old: Object, grace_period: int | None) -> int | None:
        """Seconds of grace for a deletion, None where the kind knows none (deleted at once)."""
        return None

    def refuse_deletion(self, old: Object) -> str:
        """Why nobody may delete this object, "" for those that may be deleted."""
        return ""

    def mark_deleting(self, context: Context, obj: Object) -> None:
        """The object has just got its deletionTimestamp: show that where the kind shows it."""

    def holds(self, obj: Object) -> bool:
        """Whether something other than metadata.finalizers still holds the object back from being gone."""
        return False

    async def after_update(self, old: Object, new: Object) -> None:
        """The change is stored: give back what the object has no longer."""

    async def after_delete(self, context: Context, old: Object) -> None:
        """Give back what the object held."""
