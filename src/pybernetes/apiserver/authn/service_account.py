"""Tokens of service accounts.

Bound ones are issued by TokenRequest, and good while the account, and the Pod they are bound to, exist. Legacy ones
never expire; they are good while they stand in their Secret.

A token that proved good is remembered for ten seconds (as upstream does), so that a busy client costs one look-up.
Upstream: pkg/serviceaccount (claims.go, jwt.go, legacy.go), pkg/registry/core/serviceaccount/storage/token.go.
"""

import base64
import dataclasses
import hmac
import secrets
import uuid
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.apiserver.authn import authenticator
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.registry import strategy
from pybernetes.crypto import jwt

REMEMBERED = 10.0
MAX_REMEMBERED = 4096
GROUP = "system:serviceaccounts"
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
NODE_NAME = "authentication.kubernetes.io/node-name"
NODE_UID = "authentication.kubernetes.io/node-uid"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
LEGACY_ISSUER = "kubernetes/serviceaccount"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_LEGACY_CLAIM = "kubernetes.io/serviceaccount/"
_LEGACY_FIELDS = ("namespace", "secret.name", "service-account.name", "service-account.uid")


@dataclasses.dataclass(frozen=True, slots=True)
class Binding:
    """What a token is bound to besides its account: an object's kind (`pod`, `secret`, `node`), name and uid."""

    kind: str
    name: str
    uid: str


def user_name(namespace: str, name: str) -> str:
    """`system:serviceaccount:NS:NAME`."""
    return f"system:serviceaccount:{namespace}:{name}"


class _Reference(msgspec.Struct):
    name: str
    uid: str = ""


class _Private(msgspec.Struct):
    namespace: str
    serviceaccount: _Reference
    pod: _Reference | None = None
    secret: _Reference | None = None
    node: _Reference | None = None


class _Claims(msgspec.Struct):
    """What a token says; whoever signed it may still have said nonsense."""

    private: _Private = msgspec.field(name="kubernetes.io")
    exp: float = 0
    nbf: float = 0
    aud: list[str] = msgspec.field(default_factory=list)
    jti: str = ""


class ServiceAccountTokens:
    """Issues and checks the tokens of this cluster's service accounts."""

    def __init__(
        self, keys: jwt.Keys, issuer: str, audiences: tuple[str, ...], objects: strategy.Objects, clock: clocks.Clock
    ) -> None:
        self.keys = keys
        self.issuer = issuer
        self.audiences = audiences
        self._objects = objects
        self._clock = clock
        self._remembered: dict[str, tuple[float, users.UserInfo]] = {}

    def issue(
        self,
        account: dict[str, Any],
        *,
        audiences: tuple[str, ...],
        seconds: int,
        bindings: tuple[Binding, ...] = (),
    ) -> tuple[str, int]:
        """A token for that ServiceAccount object and the Unix time at which it ends."""
        metadata = account["metadata"]
        now = int(self._clock.now().timestamp())
        private: dict[str, Any] = {"namespace": metadata["namespace"]}
        for binding in bindings:
            private[binding.kind] = (
                {"name": binding.name, "uid": binding.uid} if binding.uid else {"name": binding.name}
            )
        private["serviceaccount"] = {"name": metadata["name"], "uid": metadata["uid"]}
        if any(binding.kind == "pod" for binding in bindings):
            private["warnafter"] = now + min(3607, seconds)
        claims = {
            "aud": list(audiences or self.audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
            "kubernetes.io": private,
            "nbf": now,
            "sub": user_name(metadata["namespace"], metadata["name"]),
        }
        return self.keys.sign(claims), now + seconds

    async def authenticate_token(self, token: str) -> users.UserInfo | None:
        """The account as a user; None for a token of another issuer. Raises RejectedError."""
        now = self._clock.monotonic()
        remembered = self._remembered.get(token)
        if remembered is not None and remembered[0] > now:
            return remembered[1]
        found = await self._check(token, self.audiences)
        if found is not None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[token] = (now + REMEMBERED, found)
        return found

    async def review(self, token: str, audiences: tuple[str, ...]) -> tuple[users.UserInfo, tuple[str, ...]] | None:
        """The user and those of `audiences` that the token is for (TokenReview). Raises RejectedError."""
        audiences = audiences or self.audiences
        found = await self._check(token, audiences)
        if found is None:
            return None
        meant = self._claims(token).get("aud", self.audiences)
        return found, tuple(one for one in audiences if one in (meant or self.audiences))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return self.keys.verify(token)
        except jwt.TokenError as error:
            raise authenticator.RejectedError(str(error)) from error

    async def _check(self, token: str, audiences: tuple[str, ...]) -> users.UserInfo | None:
        if token.count(".") != 2:
            return None
        claims = self._claims(token)
        if claims.get("iss") == LEGACY_ISSUER:
            return await self._check_legacy(token, claims) if set(audiences) & set(self.audiences) else None
        if claims.get("iss") != self.issuer:
            return None
        try:
            said = msgspec.convert(claims, _Claims)
        except msgspec.ValidationError as error:
            raise authenticator.RejectedError(str(error)) from error
        now = self._clock.now().timestamp()
        if not said.nbf <= now < said.exp:
            raise authenticator.RejectedError("token is expired or not yet valid")
        if not set(audiences) & set(said.aud or self.audiences):
            raise authenticator.RejectedError("token audiences do not include the API server's")
        private = said.private
        await self._check_exists("serviceaccounts", private.namespace, private.serviceaccount)
        for resource, reference in (("pods", private.pod), ("secrets", private.secret)):
            if reference is not None:
                await self._check_exists(resource, private.namespace, reference)
        return _user(said)

    async def _check_legacy(self, token: str, claims: dict[str, Any]) -> users.UserInfo:
        namespace, secret_name, name, uid = (str(claims.get(_LEGACY_CLAIM + field, "")) for field in _LEGACY_FIELDS)
        if not (namespace and secret_name and name and uid) or claims.get("sub") != user_name(namespace, name):
            raise authenticator.RejectedError("sub claim is invalid")
        secret = await self._objects.get("", "secrets", namespace, secret_name)
        if secret is None or "deletionTimestamp" in secret["metadata"]:
            raise authenticator.RejectedError("Token has been invalidated")
        stored = base64.b64decode((secret.get("data") or {}).get("token", ""))
        if not hmac.compare_digest(stored, token.encode()):
            raise authenticator.RejectedError("Token does not match server's copy")
        account = await self._objects.get("", "serviceaccounts", namespace, name)
        if account is None or "deletionTimestamp" in account["metadata"]:
            raise authenticator.RejectedError(f"ServiceAccount {namespace}/{name} has been deleted")
        if account["metadata"]["uid"] != uid:
            raise authenticator.RejectedError(
                f"ServiceAccount UID ({account['metadata']['uid']}) does not match claim ({uid})"
            )
        if INVALID_SINCE in (secret["metadata"].get("labels") or {}):
            raise authenticator.RejectedError(
                f"the token in secret {namespace}/{secret_name} for service account {namespace}/{name} has been marked "
                "invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the "
                f"'{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
            )
        return users.UserInfo(claims["sub"], _groups(namespace), uid)

    async def _check_exists(self, resource: str, namespace: str, reference: _Reference) -> None:
        found = await self._objects.get("", resource, namespace, reference.name)
        if found is None or found["metadata"]["uid"] != reference.uid:
            raise authenticator.RejectedError(f"{resource} {namespace}/{reference.name} has been deleted or replaced")


def _groups(namespace: str) -> tuple[str, ...]:
    return (GROUP, f"{GROUP}:{namespace}", users.AUTHENTICATED)


def _user(said: _Claims) -> users.UserInfo:
    private = said.private
    extra: dict[str, tuple[str, ...]] = {CREDENTIAL_ID: (f"JTI={said.jti}",)} if said.jti else {}
    for reference, name_key, uid_key in ((private.pod, POD_NAME, POD_UID), (private.node, NODE_NAME, NODE_UID)):
        if reference is not None:
            extra[name_key] = (reference.name,)
            if reference.uid:
                extra[uid_key] = (reference.uid,)
    name = user_name(private.namespace, private.serviceaccount.name)
    return users.UserInfo(name, _groups(private.namespace), private.serviceaccount.uid, extra)
