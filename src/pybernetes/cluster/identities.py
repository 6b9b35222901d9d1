"""Clients of an API server in the same process, each with an identity of its own.

The socket is skipped, nothing else: every request carries a client certificate that the server's authenticator knows,
and passes authorization and admission like anybody's.
"""

from pybernetes.aio import clock as clocks
from pybernetes.client import rest, transport
from pybernetes.crypto import certs
from pybernetes.http import messages

ACCOUNT_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:kube-system")


class Identities:
    """Issues certificates from the cluster's authority and makes clients that show them."""

    def __init__(self, handler: messages.Handler, authority: certs.Pair, clock: clocks.Clock) -> None:
        self._handler = handler
        self._authority = authority
        self._clock = clock
        self._clients: dict[str, rest.Client] = {}

    def client(self, user: str, groups: tuple[str, ...] = ()) -> rest.Client:
        """A client that acts as that user."""
        if user not in self._clients:
            pair = certs.issue(self._authority, certs.Request(user, groups), now=self._clock.now())
            wire = transport.InProcessTransport(self._handler, client_certificate=certs.to_der(pair.certificate))
            self._clients[user] = rest.Client(wire, clock=self._clock, user_agent=user.rpartition(":")[2])
        return self._clients[user]

    def account(self, name: str) -> rest.Client:
        """A client that acts as that service account of kube-system (each controller has one)."""
        return self.client(f"system:serviceaccount:kube-system:{name}", ACCOUNT_GROUPS)

    async def close(self) -> None:
        """End every client's streams."""
        for client in self._clients.values():
            await client.close()
