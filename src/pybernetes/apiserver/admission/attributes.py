"""What an admission plugin sees of a request, and what a plugin is.

Path: 7 mutating admission, 8 validating admission.
Upstream: k8s.io/apiserver/pkg/admission (Attributes, MutationInterface, ValidationInterface).
"""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from pybernetes.aio import clock as clocks
from pybernetes.api import kinds
from pybernetes.apimachinery import names
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.registry import strategy

logger = logging.getLogger(__name__)


class Versions(Protocol):
    """What the store of a resource knows of the versions of its objects."""

    async def convert(self, obj: dict[str, Any], to: kinds.Kind) -> dict[str, Any]:
        """The object in another version of its kind."""

    def complete(self, kind: kinds.Kind, obj: dict[str, Any]) -> None:
        """Hold a changed object to its kind, with defaults. Raises DecodeError."""


class WebhookDispatcher(Protocol):
    """The webhooks of the server, and how they are asked."""

    @property
    def mutating(self) -> Sequence[Any]:
        """Those that may change objects."""

    @property
    def validating(self) -> Sequence[Any]:
        """Those that may only refuse."""

    async def mutate(self, asked: "Attributes") -> None:
        """Ask the mutating ones."""

    async def validate(self, asked: "Attributes") -> None:
        """Ask the validating ones."""


@dataclasses.dataclass(slots=True)
class Reinvocation:
    """Whether mutating admission runs a second time, and who is to be asked again then.

    `invoked` are webhooks that want to be asked again when something changes after them, `due` those for which it has.
    """

    wanted: bool = False
    again: bool = False
    output: dict[str, Any] | None = None
    invoked: set[str] = dataclasses.field(default_factory=set)
    due: set[str] = dataclasses.field(default_factory=set)

    def owe(self) -> None:
        """The object has changed since they were asked."""
        self.due |= self.invoked
        self.invoked = set()


@dataclasses.dataclass(slots=True)
class Attributes:
    """One write under admission. `operation` is CREATE, UPDATE, DELETE or CONNECT; objects are in request version."""

    kind: kinds.Kind
    subresource: str
    operation: str
    namespace: str
    name: str
    object: dict[str, Any] | None
    old_object: dict[str, Any] | None
    options: dict[str, Any]
    user: users.UserInfo
    dry_run: bool
    clock: clocks.Clock
    objects: strategy.Objects
    authorizer: questions.Authorizer
    versions: Versions
    webhooks: WebhookDispatcher | None = None
    reinvocation: Reinvocation | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)
    audit_annotations: dict[str, str] = dataclasses.field(default_factory=dict)

    def annotate(self, key: str, value: str) -> None:
        """Add to the request's line in the audit log; what stands there stays."""
        if "/" not in key or names.is_qualified_name(key):
            logger.warning("Failed to set admission audit annotation %s to %s: invalid key", key, value)
        elif self.audit_annotations.setdefault(key, value) != value:
            logger.warning("Failed to set admission audit annotation %s to %s: it has a value", key, value)


class Plugin(Protocol):
    """One admission plugin; raises a Status error to refuse."""

    name: str

    def handles(self, attributes: Attributes) -> bool:
        """Whether this plugin has a say in that request."""

    async def admit(self, attributes: Attributes) -> None:
        """Change `attributes.object` in place (mutating phase)."""

    async def validate(self, attributes: Attributes) -> None:
        """Refuse or pass (validating phase), after every plugin has mutated."""
