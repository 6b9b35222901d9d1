"""One request on its way through the server: what is known of it, and what its answer must carry.

Upstream: k8s.io/apiserver/pkg/endpoints/request (context.go), pkg/warning.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pybernetes.aio import clock as clocks
from pybernetes.api import kinds
from pybernetes.api.openapi import documents
from pybernetes.apiserver import checks as endpoints
from pybernetes.apiserver import request_info
from pybernetes.apiserver.authn import authenticator, service_account
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.authz import rbac
from pybernetes.apiserver.registry import stores as all_stores
from pybernetes.apiserver.subresources import kubelets
from pybernetes.http import messages

MAX_WARNINGS_BYTES = 4096
_MAX_WARNING = 256


class Server(Protocol):
    """What handlers may ask of the server they run in."""

    clock: clocks.Clock
    served: kinds.KindTable
    stores: all_stores.Stores
    health: endpoints.Endpoints
    openapi: documents.Publisher
    routes: "dict[str, Handler]"
    """More paths that are no resources."""
    kubelets: kubelets.Kubelets
    authenticator: authenticator.Authenticator
    authorizer: questions.Authorizer
    rbac: rbac.RbacAuthorizer
    accounts: service_account.ServiceAccountTokens | None
    """Who signs tokens; None without a key."""
    documents: dict[Any, Any]
    """Finished discovery documents."""

    @property
    def address(self) -> str:
        """Where the server is reached: `host:port`."""


class RequestContext:
    """Made for each request; filters fill in `user`, the dispatcher `kind` and `sub`."""

    __slots__ = (
        "audit",
        "clock",
        "impersonator",
        "info",
        "kind",
        "request",
        "server",
        "started",
        "state",
        "sub",
        "user",
        "warnings",
    )

    def __init__(
        self,
        request: messages.Request,
        info: request_info.RequestInfo,
        clock: clocks.Clock,
        server: Server | None = None,
    ) -> None:
        self.request = request
        self.info = info
        self.clock = clock
        self.server: Server = server  # type: ignore[assignment]  # only tests of single filters have none
        self.started = clock.monotonic()
        self.user: users.UserInfo = _NOBODY
        self.impersonator: users.UserInfo | None = None
        """Who really asks, when `user` is whom he impersonates."""
        self.kind: kinds.Kind = _NO_KIND
        self.sub: kinds.Subresource | None = None
        self.warnings: list[str] = []
        self.audit: dict[str, str] = {}
        """Annotations of its line in the audit log."""
        self.state: dict[str, Any] = {}

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, "" if it is not given."""
        if not self.request.raw_query:
            return ""
        values = self.request.query.get(name)
        return values[0] if values else ""

    def warn(self, text: str) -> None:
        """Tell the client something in a Warning header, once."""
        if text not in self.warnings:
            self.warnings.append(text)


_NOBODY = users.UserInfo("")
_NO_KIND = kinds.Kind("", "", "", "", "", namespaced=False)

AnyResponse = messages.AnyResponse
Answer = Awaitable[AnyResponse]
Handler = Callable[[RequestContext], Answer]
Filter = Callable[[RequestContext, Handler], Answer]


def warning_headers(warnings: list[str]) -> list[tuple[str, str]]:
    """The Warning headers: code 299, quoted text; long ones are cut so that all of them fit."""
    if not warnings:
        return []
    total = sum(len(text) for text in warnings)
    cut = _MAX_WARNING if total > MAX_WARNINGS_BYTES else total
    headers: list[tuple[str, str]] = []
    size = 0
    for text in warnings:
        line = f"299 - {_quote(text[:cut])}"
        size += len(line)
        if headers and size > MAX_WARNINGS_BYTES:
            break
        headers.append(("Warning", line))
    return headers


def _quote(text: str) -> str:
    """A quoted-string as header values want it; control characters cannot stand in one."""
    clean = "".join(char if char.isprintable() or char == "\t" else " " for char in text)
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
