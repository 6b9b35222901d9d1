"""Clients of an API server in the same process, each with an identity of its own.

The socket is skipped, nothing else: every request carries a token that the server's authenticator knows, and passes
authorization and admission like anybody's.
"""

from pybernetes.aio import clock as clocks
from pybernetes.apiserver.authn import loopback
from pybernetes.apiserver.authn import user as users
from pybernetes.client import rest, transport
from pybernetes.http import messages

ACCOUNT_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:kube-system")


class Identities:
    """Makes clients; `tokens` must be among the methods of the server's authenticator."""

    def __init__(self, handler: messages.Handler, tokens: loopback.LoopbackTokens, clock: clocks.Clock) -> None:
        self._handler = handler
        self._tokens = tokens
        self._clock = clock
        self._clients: dict[tuple[str, tuple[str, ...]], rest.Client] = {}

    def client(self, user: str, groups: tuple[str, ...] = ()) -> rest.Client:
        """A client that acts as that user."""
        key = (user, groups)
        if key not in self._clients:
            token = self._tokens.issue(users.UserInfo(user, groups))
            wire = transport.InProcessTransport(self._handler, headers=[("Authorization", f"Bearer {token}")])
            self._clients[key] = rest.Client(wire, clock=self._clock, user_agent=user.rpartition(":")[2])
        return self._clients[key]

    def account(self, name: str) -> rest.Client:
        """A client that acts as that service account of kube-system (each controller has one)."""
        return self.client(f"system:serviceaccount:kube-system:{name}", ACCOUNT_GROUPS)

    async def close(self) -> None:
        """End every client's streams."""
        for client in self._clients.values():
            await client.close()
