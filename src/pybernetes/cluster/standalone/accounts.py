"""Clients that act as service accounts of kube-system, by tokens that are asked for and renewed as needed.

The account is made if it is missing. Tokens come from TokenRequest with the component's own identity and are renewed
when a fifth of their life is left.
Upstream: staging/src/k8s.io/controller-manager/pkg/clientbuilder (DynamicControllerClientBuilder).
"""

import asyncio
from collections.abc import Mapping, Sequence

from pybernetes.aio import clock as clocks
from pybernetes.api.types import authentication, core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import credentials, rest, transport
from pybernetes.cluster.standalone import connections
from pybernetes.http import client as http_client

NAMESPACE = "kube-system"
LIFETIME = 3600
_LEEWAY = 0.2


class AccountToken:
    """The token of one account."""

    def __init__(self, client: rest.Client, clock: clocks.Clock, name: str) -> None:
        self._accounts = client.resource(core.ServiceAccount)
        self._clock = clock
        self._name = name
        self._token = ""
        self._renew_at = 0.0
        self._asking = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good for a while."""
        if not self._fresh():
            async with self._asking:
                if not self._fresh():
                    await self._ask()
        return self._token

    def _fresh(self) -> bool:
        return bool(self._token) and self._clock.monotonic() < self._renew_at

    def expire(self) -> None:
        """The server refused it: ask for another."""
        self._token = ""

    async def _ask(self) -> None:
        try:
            await self._accounts.get(self._name, NAMESPACE)
        except errors.NotFound:
            try:
                account = core.ServiceAccount(metadata=meta.ObjectMeta(name=self._name, namespace=NAMESPACE))
                await self._accounts.create(account)
            except errors.AlreadyExists:
                pass
        spec = authentication.TokenRequestSpec(expirationSeconds=LIFETIME)
        asked = authentication.TokenRequest(spec=spec)
        answer = await self._accounts.create_subresource(self._name, "token", asked, NAMESPACE)
        self._token = str(answer["status"]["token"])
        self._renew_at = self._clock.monotonic() + LIFETIME * (1 - _LEEWAY)


class AccountTransport:
    """Another transport's connections, used as that account."""

    def __init__(self, inner: transport.HttpTransport, token: AccountToken) -> None:
        self._inner = inner
        self._token = token

    async def _headers(self, headers: transport.Headers | None) -> list[tuple[str, str]]:
        pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
        return [*pairs, ("Authorization", f"Bearer {await self._token.get()}")]

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: transport.Query | None = None,
        headers: transport.Headers | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> transport.TransportResponse:
        """Send and read the whole answer."""
        signed = await self._headers(headers)
        answer = await self._inner.request(method, path, query=query, headers=signed, body=body, timeout=timeout)
        if answer.status == 401:
            self._token.expire()
        return answer

    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: transport.Query | None = None,
        headers: transport.Headers | None = None,
    ) -> transport.Stream:
        """Send and read the answer line by line."""
        answer = await self._inner.stream(method, path, query=query, headers=await self._headers(headers))
        if answer.status == 401:
            self._token.expire()
        return answer

    async def upgrade(
        self, path: str, *, query: transport.Query | None = None, subprotocols: Sequence[str] = ()
    ) -> http_client.Upgraded:
        """No controller needs one."""
        raise NotImplementedError

    async def close(self) -> None:
        """The connections are shared: whoever made them closes them."""


class AccountClients:
    """A client for each account, all over the same connections."""

    def __init__(self, client: rest.Client, who: credentials.Credentials, clock: clocks.Clock, component: str) -> None:
        self._client = client
        self._clock = clock
        self._component = component
        self._connections = transport.HttpTransport(connections.without_identity(who), clock)
        self._clients: dict[str, rest.Client] = {}

    def client_for(self, name: str) -> rest.Client:
        """A client that acts as that account."""
        if name not in self._clients:
            signing = AccountTransport(self._connections, AccountToken(self._client, self._clock, name))
            agent = f"{connections.user_agent(self._component)}/{name}"
            self._clients[name] = rest.Client(signing, clock=self._clock, user_agent=agent)
        return self._clients[name]

    async def close(self) -> None:
        """Drop the connections."""
        await self._connections.close()
