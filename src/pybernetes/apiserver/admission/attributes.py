"""What an admission plugin sees of a request, and what a plugin is.

Path: 7 mutating admission, 8 validating admission.
Upstream: k8s.io/apiserver/pkg/admission (Attributes, MutationInterface, ValidationInterface).
"""

import dataclasses
from typing import Any, Protocol

from pybernetes.aio import clock as clocks
from pybernetes.api import kinds
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.registry import strategy


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
    warnings: list[str] = dataclasses.field(default_factory=list)
    audit_annotations: dict[str, str] = dataclasses.field(default_factory=dict)


class Plugin(Protocol):
    """One admission plugin; raises a Status error to refuse."""

    name: str

    def handles(self, attributes: Attributes) -> bool:
        """Whether this plugin has a say in that request."""

    async def admit(self, attributes: Attributes) -> None:
        """Change `attributes.object` in place (mutating phase)."""

    async def validate(self, attributes: Attributes) -> None:
        """Refuse or pass (validating phase), after every plugin has mutated."""
