"""Bound service-account tokens: issued by TokenRequest, good while the account, and the Pod it is bound to, exist.

A token that proved good is remembered for ten seconds (as upstream does), so that a busy client costs one look-up.
Upstream: pkg/serviceaccount (claims.go, jwt.go), pkg/registry/core/serviceaccount/storage/token.go.
"""

import dataclasses
import secrets
import uuid
from typing import Any

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


@dataclasses.dataclass(frozen=True, slots=True)
class Binding:
    """What a token is bound to besides its account: an object's kind (`pod`, `secret`, `node`), name and uid."""

    kind: str
    name: str
    uid: str


def user_name(namespace: str, name: str) -> str:
    """`system:serviceaccount:NS:NAME`."""
    return f"system:serviceaccount:{namespace}:{name}"


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
        return found, tuple(one for one in audiences if one in self._claims(token)["aud"])

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return self.keys.verify(token)
        except jwt.TokenError as error:
            raise authenticator.RejectedError(str(error)) from error

    async def _check(self, token: str, audiences: tuple[str, ...]) -> users.UserInfo | None:
        if token.count(".") != 2:
            return None
        claims = self._claims(token)
        if claims.get("iss") != self.issuer:
            return None
        now = self._clock.now().timestamp()
        if not claims.get("nbf", 0) <= now < claims.get("exp", 0):
            raise authenticator.RejectedError("token is expired or not yet valid")
        if not set(audiences) & set(claims.get("aud", ())):
            raise authenticator.RejectedError("token audiences do not include the API server's")
        private = claims["kubernetes.io"]
        await self._check_exists("serviceaccounts", private["namespace"], private["serviceaccount"])
        for kind, resource in (("pod", "pods"), ("secret", "secrets")):
            if kind in private:
                await self._check_exists(resource, private["namespace"], private[kind])
        return _user(claims)

    async def _check_exists(self, resource: str, namespace: str, reference: dict[str, str]) -> None:
        found = await self._objects.get("", resource, namespace, reference["name"])
        if found is None or found["metadata"]["uid"] != reference["uid"]:
            raise authenticator.RejectedError(
                f"{resource} {namespace}/{reference['name']} has been deleted or replaced"
            )


def _user(claims: dict[str, Any]) -> users.UserInfo:
    private = claims["kubernetes.io"]
    extra: dict[str, tuple[str, ...]] = {CREDENTIAL_ID: (f"JTI={claims['jti']}",)}
    for kind, name_key, uid_key in (("pod", POD_NAME, POD_UID), ("node", NODE_NAME, NODE_UID)):
        if kind in private:
            extra[name_key] = (private[kind]["name"],)
            if private[kind].get("uid"):
                extra[uid_key] = (private[kind]["uid"],)
    groups = (GROUP, f"{GROUP}:{private['namespace']}", users.AUTHENTICATED)
    return users.UserInfo(claims["sub"], groups, private["serviceaccount"]["uid"], extra)
