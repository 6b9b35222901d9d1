"""authentication.k8s.io/v1: TokenReview, TokenRequest.

Upstream: k8s.io/api/authentication/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types.meta import EMPTY, Object, Struct, Time, always


class TokenReviewSpec(Struct):
    token: str = ""
    audiences: tuple[str, ...] = ()


class UserInfo(Struct):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = EMPTY


class TokenReviewStatus(Struct):
    authenticated: bool = False
    user: UserInfo = UserInfo()
    audiences: tuple[str, ...] = ()
    error: str = ""


class TokenReview(Object):
    """Asks whose token this is."""

    apiVersion: str = always("authentication.k8s.io/v1")
    kind: str = always("TokenReview")
    spec: TokenReviewSpec = TokenReviewSpec()
    status: TokenReviewStatus = TokenReviewStatus()


class TokenRequestSpec(Struct):
    audiences: tuple[str, ...] = ()
    expirationSeconds: int | None = None
    attestations: Mapping[str, tuple[str, ...]] = EMPTY


class TokenRequestStatus(Struct):
    token: str = always("")
    expirationTimestamp: Time = ""


class TokenRequest(Object):
    """Asks for a token of a service account."""

    apiVersion: str = always("authentication.k8s.io/v1")
    kind: str = always("TokenRequest")
    spec: TokenRequestSpec = TokenRequestSpec()
    status: TokenRequestStatus = TokenRequestStatus()
