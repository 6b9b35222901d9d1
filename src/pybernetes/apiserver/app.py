"""The API server as one call: `handle(request)` takes a request through the filters to its verb and back.

    server = ApiServer(config, backend, clock)
    await server.start()          post-start hooks run on; /readyz tells when they are done
    await server.handle(request)  used by the TLS server and by the in-process transport alike
    await server.stop()

Nothing is loaded for a resource until somebody asks for it.
Upstream: pkg/controlplane, k8s.io/apiserver/pkg/server.
"""

import asyncio
import dataclasses
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api import kinds
from pybernetes.api.openapi import documents
from pybernetes.apiserver import (
    bootstrap,
    checks,
    dispatch,
    event_ttl,
    follow,
    openid,
    peers,
    pipeline,
    request_info,
    webhooks,
)
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.admission import chain as chains
from pybernetes.apiserver.admission import webhook
from pybernetes.apiserver.authn import authenticator, service_account
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.authz import node, rbac
from pybernetes.apiserver.extensions import crd, definition
from pybernetes.apiserver.filters import audit, authentication, authorization, deadline, fairness, impersonation
from pybernetes.apiserver.filters import recovery as recovering
from pybernetes.apiserver.filters import request_id as numbering
from pybernetes.apiserver.registry import stores as all_stores
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.allocators import services
from pybernetes.apiserver.registry.certificates import pod_certificate_request
from pybernetes.apiserver.registry.core import service
from pybernetes.apiserver.registry.rbac import roles
from pybernetes.apiserver.subresources import kubelets
from pybernetes.crypto import jwt
from pybernetes.http import messages
from pybernetes.storage import backend as backends


@dataclasses.dataclass(frozen=True, slots=True)
class ServerConfig:
    """What a server is made with. Whoever shows no credential that `certificate` or `tokens` know is anonymous."""

    certificate: authenticator.CertificateMethod | None = None
    tokens: Sequence[authenticator.TokenMethod] = ()
    anonymous: bool = True
    service_account_keys: jwt.Keys | None = None
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    audit_log: Any = None
    kubelet_tls: Callable[[], ssl.SSLContext] | ssl.SSLContext | None = None
    """With which certificate the server shows itself to kubelets, and whom it trusts to be one."""
    simulated_nodes: bool = False
    """Every node is simulated: their addresses and those of their Pods must never be sent anything."""
    advertise_address: str = "127.0.0.1"
    port: int = 6443
    service_range: str = "10.96.0.0/16"
    event_ttl: float = event_ttl.SECONDS
    """Seconds that Events are kept."""
    storage_prefix: str = "/registry"
    """What every key in the store begins with."""
    admission: chains.Chain = dataclasses.field(default_factory=chains.Chain)


class ApiServer:
    """See the module."""

    def __init__(self, config: ServerConfig, backend: backends.Backend, clock: clocks.Clock) -> None:
        self.config = config
        self.clock = clock
        self.backend = backend
        self.served = kinds.KindTable(tuple(kinds.TABLE.all()))
        self.rbac = rbac.RbacAuthorizer()
        self.nodes = node.NodeAuthorizer()
        self.authorizer: questions.Authorizer = authorization.Union((self.nodes, self.rbac))
        self.allocators = services.ServiceAllocators(config.service_range, clock.random)
        self.stores = all_stores.Stores(self.served, backend, clock, config.admission, own=self._strategies())
        self.stores.environment.prefix = config.storage_prefix
        self.stores.environment.authorizer = self.authorizer
        self.allocators.connect(self.stores)
        self.peers = peers.Peers(backend, clock, config.storage_prefix, config.advertise_address)
        self.health = checks.Endpoints()
        self.health.add("etcd", lambda: self.backend.problem or None)
        self.health.add_ready("etcd-readiness", lambda: self.backend.problem or None)
        self.openapi = documents.Publisher(self.served, crd.schema_of)
        self.webhooks = webhooks.Webhooks(self.stores, clock, simulated=config.simulated_nodes)
        self.hooks = webhook.Dispatcher(self.webhooks, self.served, clock)
        self.stores.environment.webhooks = self.hooks
        self.definitions = crd.Definitions(self.served, self.stores, clock, self.webhooks)
        self.routes = openid.routes(self.config.service_account_issuer, self.config.service_account_keys)
        self.documents: dict[Any, Any] = {}
        self.accounts = self._accounts()
        tokens = (*config.tokens, *((self.accounts,) if self.accounts is not None else ()))
        self.authenticator = authenticator.Authenticator(config.certificate, tokens, anonymous=config.anonymous)
        self.kubelets = kubelets.Kubelets(self.stores, clock, config.kubelet_tls, simulated=config.simulated_nodes)
        self.audit = audit.AuditLog(config.audit_log, clock)
        self._handler = pipeline.compose(self._filters(), dispatch.dispatch)
        self._group = tasks.TaskGroup("apiserver")
        self._hooks: asyncio.Task[None] | None = None

    def _strategies(self) -> dict[tuple[str, str], strategy.Strategy]:
        """Of kinds whose rules need more than the object."""
        own: dict[tuple[str, str], strategy.Strategy] = {
            ("", "services"): service.ServiceStrategy(self.allocators),
            (definition.GROUP, definition.PLURAL): definition.DefinitionStrategy(),
        }
        granting = roles.RbacStrategy(self.rbac, self.authorizer)
        for plural in ("clusterrolebindings", "clusterroles", "rolebindings", "roles"):
            own[(roles.GROUP, plural)] = granting
        requests = pod_certificate_request.PodCertificateRequestStrategy(self.authorizer)
        own[("certificates.k8s.io", "podcertificaterequests")] = requests
        return own

    def _accounts(self) -> service_account.ServiceAccountTokens | None:
        """Who issues and checks the tokens of service accounts; None without a signing key."""
        keys = self.config.service_account_keys
        if keys is None:
            return None
        issuer = self.config.service_account_issuer
        return service_account.ServiceAccountTokens(keys, issuer, (issuer,), self.stores, self.clock)

    def _filters(self) -> tuple[contexts.Filter, ...]:
        """Every request passes these, top to bottom."""
        return (
            numbering.request_id,
            recovering.recovery,
            audit.Audit(self.audit),
            deadline.deadline,
            authentication.Authentication(self.authenticator),
            impersonation.Impersonation(self.authorizer),
            fairness.Fairness(),
            authorization.Authorization(self.authorizer),
        )

    @property
    def address(self) -> str:
        """Where the server is reached: `host:port`."""
        return f"{self.config.advertise_address}:{self.config.port}"

    async def start(self) -> None:
        """Open the store and follow what authorization needs; bootstrap objects are made in the background."""
        await self.backend.start()
        await follow.follow(self.stores, self.rbac, self.nodes, self.hooks, self._group)
        await self.definitions.start(self._group)
        hooks = bootstrap.hooks(self)
        for name, _ in hooks:
            self.health.add_hook(name)
        self._hooks = self._group.start(self._run_hooks(hooks), "post-start hooks")
        expiring = event_ttl.EventTtl(self.backend, self.clock, self.config.storage_prefix, self.config.event_ttl)
        self._group.start(expiring.run(), "event ttl")
        self._group.start(bootstrap.keep(self, self.clock, self._hooks), "kubernetes service")

    async def ready(self) -> None:
        """Return when every post-start hook is done; raises what stopped one."""
        if self._hooks is not None:
            await asyncio.shield(self._hooks)

    async def _run_hooks(self, hooks: Sequence[bootstrap.Hook]) -> None:
        for name, run in hooks:
            await run()
            self.health.hook_done(name)

    async def stop(self) -> None:
        """Answer no more, end watches, close the store."""
        self.health.stopping()
        await self._group.cancel()
        await self.definitions.stop()
        await bootstrap.leave(self)
        await self.kubelets.close()
        await self.webhooks.close()
        await self.stores.stop()
        await self._group.cancel()  # whoever followed a cache wants to try again
        self.audit.close()
        await self.backend.close()

    async def handle(self, request: messages.Request) -> messages.AnyResponse:
        """Answer one request."""
        info = request_info.parse(request.method, request.path, request.query if request.raw_query else None)
        return await self._handler(contexts.RequestContext(request, info, self.clock, self))
