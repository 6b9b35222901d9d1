"""Who a request comes from.

Upstream: k8s.io/apiserver/pkg/authentication/user.
"""

import dataclasses
from collections.abc import Mapping

SYSTEM_MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
NODES = "system:nodes"
API_SERVER = "system:apiserver"


@dataclasses.dataclass(frozen=True, slots=True)
class UserInfo:
    """Name, groups and extra facts as the authenticator established them."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


SERVER = UserInfo("system:apiserver", (SYSTEM_MASTERS, AUTHENTICATED))
"""The API server itself."""
