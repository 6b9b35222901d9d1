"""One write, as the verb handlers read it from a request and the store carries it out.

Upstream: the options and context that k8s.io/apiserver/pkg/endpoints/handlers hands to rest.Storage.
"""

import dataclasses
from typing import Any, Protocol

from pybernetes.api import kinds
from pybernetes.apiserver.authn import user as users


class View(Protocol):
    """Another form of the object, in which admission sees a write."""

    def show(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The object in that form."""

    def put(self, obj: dict[str, Any], shown: dict[str, Any]) -> None:
        """Bring what admission has changed back into the object."""


@dataclasses.dataclass(slots=True)
class Operation:
    """Who writes what, where and how. `kind` is the row in the version the client speaks.

    `manager` is the field manager, `options` the CreateOptions, UpdateOptions … as admission plugins see them.
    """

    kind: kinds.Kind
    user: users.UserInfo
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    dry_run: bool = False
    manager: str = ""
    view: View | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    audit_annotations: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Preconditions:
    """What must be true of the stored object for a write to happen ("": anything)."""

    uid: str = ""
    resource_version: str = ""

    @classmethod
    def of(cls, given: dict[str, Any] | None) -> "Preconditions":
        """Those of a DeleteOptions object."""
        given = given or {}
        return cls(given.get("uid") or "", given.get("resourceVersion") or "")
