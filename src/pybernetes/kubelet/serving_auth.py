"""Who may ask this kubelet what: certificates and tokens, then the API server's word.

Upstream: pkg/kubelet/server/auth.go, cmd/kubelet/app/auth.go (delegated authentication and authorization).
"""

import dataclasses
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import errors as api_errors
from pybernetes.client import rest, transport
from pybernetes.crypto import certs
from pybernetes.http import messages

_ALLOWED_FOR, _DENIED_FOR, _TOKEN_FOR = 300.0, 30.0, 120.0
_CACHE_LIMIT = 1000
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """An authenticated caller."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


class Guard:
    """Answers None for who may pass, a refusal for others."""

    def __init__(self, client: rest.Client, clock: clocks.Clock, node_name: str, *, anonymous: bool) -> None:
        self._client = client
        self._clock = clock
        self._node_name = node_name
        self._anonymous = anonymous
        self._decisions: dict[tuple[User, str, str], tuple[float, bool]] = {}
        self._tokens: dict[str, tuple[float, User]] = {}

    async def check(self, request: messages.Request) -> messages.Response | None:
        """Authenticate and authorize."""
        try:
            user = await self._authenticate(request)
            if user is None:
                return _text(401, "Unauthorized")
            verb = _VERBS.get(request.method, "")
            wanted = subresources(request.path)
            for subresource in wanted:
                if await self._allowed(user, verb, subresource):
                    return None
        except (api_errors.StatusError, transport.TransportError):
            return _text(500, "Internal Error")
        message = f"Forbidden (user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{' '.join(wanted)}])"
        return _text(403, message)

    async def _authenticate(self, request: messages.Request) -> User | None:
        certificate = request.connection.peer_certificate
        if certificate is not None:
            known = request.connection.state.get("kubelet.user")
            if known is None:
                identity = certs.identity(certificate)
                known = User(identity.common_name, (*identity.organizations, "system:authenticated"))
                request.connection.state["kubelet.user"] = known
            return known if isinstance(known, User) else None
        scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return await self._review_token(token.strip())
        if self._anonymous:
            return User("system:anonymous", ("system:unauthenticated",))
        return None

    async def _review_token(self, token: str) -> User | None:
        now = self._clock.monotonic()
        known = self._tokens.get(token)
        if known is not None and now < known[0]:
            return known[1]
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        answer = await self._client.dynamic("authentication.k8s.io/v1", "TokenReview").create(review)
        status: dict[str, Any] = answer.get("status", {})
        if not status.get("authenticated"):
            return None
        about = status.get("user", {})
        user = User(about.get("username", ""), tuple(about.get("groups", ())), about.get("uid", ""))
        if len(self._tokens) >= _CACHE_LIMIT:
            self._tokens.clear()
        self._tokens[token] = (now + _TOKEN_FOR, user)
        return user

    async def _allowed(self, user: User, verb: str, subresource: str) -> bool:
        now = self._clock.monotonic()
        key = (user, verb, subresource)
        known = self._decisions.get(key)
        if known is not None and now < known[0]:
            return known[1]
        spec = {
            "user": user.name,
            "groups": list(user.groups),
            "uid": user.uid,
            "resourceAttributes": {
                "verb": verb,
                "version": "v1",
                "resource": "nodes",
                "subresource": subresource,
                "name": self._node_name,
            },
        }
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = await self._client.dynamic("authorization.k8s.io/v1", "SubjectAccessReview").create(review)
        allowed = bool(answer.get("status", {}).get("allowed"))
        if len(self._decisions) >= _CACHE_LIMIT:
            self._decisions.clear()
        self._decisions[key] = (now + (_ALLOWED_FOR if allowed else _DENIED_FOR), allowed)
        return allowed


def subresources(path: str) -> list[str]:
    """The subresources of the node that stand for a path, the narrowest first; any of them lets it pass."""
    if path.startswith("/stats"):
        return ["stats"]
    if path.startswith("/metrics"):
        return ["metrics"]
    if path.startswith("/logs"):
        return ["log"]
    if path == "/healthz" or path.startswith("/healthz/"):
        return ["healthz", "proxy"]
    if path in ("/pods", "/pods/", "/runningpods", "/runningpods/"):
        return ["pods", "proxy"]
    if path == "/configz":
        return ["configz", "proxy"]
    return ["proxy"]


def _text(status: int, message: str) -> messages.Response:
    return messages.Response(status, [("Content-Type", "text/plain; charset=utf-8")], message.encode())
