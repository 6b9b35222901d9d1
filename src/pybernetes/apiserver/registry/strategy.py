"""What may differ between kinds on the way into storage: the hooks, in the order in which `store.py` calls them.

A kind without a strategy of its own uses `Strategy` as it is: schema checks, object metadata, generation, status kept
apart. A file `registry/<group>/<kind>.py` exists only where a hook differs; `registry/table.py` lists them all.

Order for create:  default -> prepare_for_create -> begin_create -> validate -> (validating admission) -> canonicalize
Order for update:  default -> prepare_for_update -> begin_update -> validate_update -> (admission) -> canonicalize
Order for delete:  (validating admission) -> check_graceful_delete -> ... -> after_delete
Path: 8 strategy prepares and validates.
Upstream: k8s.io/apiserver/pkg/registry/rest, pkg/registry/*/strategy.go.
"""

import dataclasses
from typing import Any, Protocol

from pybernetes.aio import clock as clocks
from pybernetes.api import kinds
from pybernetes.apimachinery import fieldpath

Object = dict[str, Any]


class Objects(Protocol):
    """Read access to other objects of the server (never to be mutated), and the allocators.

    `get` reads the watch cache when it is fresh, else storage.
    """

    async def get(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        """One object in its storage version, or None."""

    async def list(self, group: str, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource (in one namespace when given), in storage version."""


@dataclasses.dataclass(slots=True)
class Context:
    """What a hook may know of the request it serves."""

    kind: kinds.Kind
    user: str
    clock: clocks.Clock
    objects: Objects
    dry_run: bool = False
    subresource: str = ""
    warnings: list[str] = dataclasses.field(default_factory=list)
    rollbacks: list[Any] = dataclasses.field(default_factory=list)
    """Zero-argument callables that undo what begin_* allocated, run when the write does not happen."""


class Strategy:
    """The default behaviour of every kind. Objects are plain dicts and belong to the call: hooks may change them.

    `old` is what is stored (never change it), `new` what will be.
    """

    allow_create_on_update = False
    allow_unconditional_update = True
    generation = True
    """Whether `metadata.generation` counts changes outside metadata and status."""
    status = True
    """Whether status is written through the status subresource only (dropped on create, kept on update)."""
    default_garbage_collection = "background"

    def prepare_for_create(self, context: Context, new: Object) -> None:
        """Drop what users may not set."""

    def prepare_for_update(self, context: Context, new: Object, old: Object) -> None:
        """Keep what this path may not change."""

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

    def canonicalize(self, context: Context, new: Object) -> None:
        """Last touch before encoding."""

    def check_graceful_delete(self, context: Context, old: Object, grace_period: int | None) -> int | None:
        """Seconds of grace for a deletion, None where the kind knows none (deleted at once)."""
        return None

    async def after_delete(self, context: Context, old: Object) -> None:
        """Give back what the object held."""
