"""Who sends this request: the methods are asked in order; nobody known and no credential given is `system:anonymous`.

A credential that is given and wrong is an error (401), never anonymous: a client with an expired token must notice.
What a connection's certificate says is worked out once per connection.
Path: 4 who are you.
Upstream: k8s.io/apiserver/pkg/authentication/request/union, pkg/kubeapiserver/authenticator.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pybernetes.apimachinery import errors
from pybernetes.apiserver.authn import user as users
from pybernetes.http import messages
from pybernetes.telemetry import metrics

_ATTEMPTS = metrics.DEFAULT.counter("authentication_attempts", "Counter of authenticated attempts.", ("result",))
_SUCCESS = _ATTEMPTS.labels("success")
_FAILURE = _ATTEMPTS.labels("failure")

ANONYMOUS = users.UserInfo(users.ANONYMOUS, (users.UNAUTHENTICATED,))
BEARER = "bearer "
UNAUTHORIZED = "Unauthorized"


class RejectedError(Exception):
    """A credential of this method's kind was given, and it is no good."""


class TokenMethod(Protocol):
    """Knows one kind of bearer token."""

    async def authenticate_token(self, token: str) -> users.UserInfo | None:
        """The token's user; None when it is not this method's kind. Raises RejectedError."""


@runtime_checkable
class AudienceMethod(Protocol):
    """A token method whose tokens say whom they are for."""

    async def review(self, token: str, audiences: tuple[str, ...]) -> tuple[users.UserInfo, tuple[str, ...]] | None:
        """The token's user, and those of `audiences` (none given: the server's own) that it is for."""


class CertificateMethod(Protocol):
    """Knows the subjects of client certificates."""

    def authenticate_certificate(self, der: bytes) -> users.UserInfo | None:
        """The certificate's user. Raises RejectedError."""


class Authenticator:
    """All methods in the order in which they are asked: certificate, then bearer tokens, then anonymous."""

    def __init__(
        self, certificate: CertificateMethod | None, tokens: Sequence[TokenMethod], *, anonymous: bool = True
    ) -> None:
        self._certificate = certificate
        self._tokens = tuple(tokens)
        self._anonymous = anonymous

    async def authenticate(self, request: messages.Request) -> users.UserInfo:
        """The request's user. Raises errors.Unauthorized."""
        header = request.headers.get("authorization")
        if self._certificate is not None and (der := request.connection.peer_certificate) is not None:
            known: users.UserInfo | None = request.connection.state.get("certificate user")
            if known is None:
                try:
                    known = self._certificate.authenticate_certificate(der)
                except RejectedError as error:
                    _FAILURE.inc()
                    raise errors.Unauthorized(UNAUTHORIZED) from error
                if known is not None:
                    request.connection.state["certificate user"] = known
            if known is not None:
                _SUCCESS.inc()
                return known
        if header and header[:7].lower() == BEARER and (token := header[7:].partition(" ")[0]):
            found = await self.authenticate_token(token)
            _SUCCESS.inc()
            return found
        if not self._anonymous:
            _FAILURE.inc()
            raise errors.Unauthorized(UNAUTHORIZED)
        return ANONYMOUS

    async def review(self, token: str, audiences: tuple[str, ...]) -> tuple[users.UserInfo, tuple[str, ...]]:
        """The user of a token and those of `audiences` that it is for. Raises errors.Unauthorized."""
        for method in self._tokens:
            if isinstance(method, AudienceMethod):
                try:
                    found = await method.review(token, audiences)
                except RejectedError as error:
                    raise errors.Unauthorized(UNAUTHORIZED) from error
                if found is not None:
                    return with_authenticated(found[0]), found[1]
        return await self.authenticate_token(token), audiences

    async def authenticate_token(self, token: str) -> users.UserInfo:
        """The user of a bearer token (TokenReview asks this too). Raises errors.Unauthorized."""
        cause: Exception | None = None
        for method in self._tokens:
            try:
                found = await method.authenticate_token(token)
            except RejectedError as error:
                cause = error
                continue
            if found is not None:
                return with_authenticated(found)
        _FAILURE.inc()
        raise errors.Unauthorized(UNAUTHORIZED) from cause


def with_authenticated(found: users.UserInfo) -> users.UserInfo:
    """The same user as a member of `system:authenticated`."""
    if users.AUTHENTICATED in found.groups or users.UNAUTHENTICATED in found.groups:
        return found
    return users.UserInfo(found.name, (*found.groups, users.AUTHENTICATED), found.uid, found.extra)
