"""What is asked of an authorizer, and what it answers.

Upstream: k8s.io/apiserver/pkg/authorization/authorizer.
"""

import dataclasses
import enum
from typing import Protocol

from pybernetes.apiserver.authn import user as users


@dataclasses.dataclass(frozen=True, slots=True)
class Attributes:
    """One question: may this user do that? For non-resource requests only `verb` and `path` are set."""

    user: users.UserInfo
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    resource_request: bool = True
    field_selector: str = ""
    label_selector: str = ""


class Verdict(enum.Enum):
    """An authorizer allows, denies for good, or leaves it to the next."""

    ALLOW = "allow"
    DENY = "deny"
    NO_OPINION = "no opinion"


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """The verdict and why (the audit log and the 403 text carry it)."""

    verdict: Verdict
    reason: str = ""


class Authorizer(Protocol):
    """Answers from memory: no waiting on the hot path."""

    def authorize(self, attributes: Attributes) -> Decision:
        """The verdict for one question."""


class Undecided:
    """Has no opinion on anything."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Neither yes nor no."""
        return Decision(Verdict.NO_OPINION)
