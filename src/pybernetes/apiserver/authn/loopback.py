"""Tokens of clients in the server's own process: random, known to nobody else, gone with the process.

They skip the socket and the certificate; the user that they stand for passes authorization and admission like anybody.
Upstream: k8s.io/apiserver/pkg/server (LoopbackClientConfig), pkg/authentication/request/bearertoken.
"""

import secrets

from pybernetes.apiserver.authn import user as users


class LoopbackTokens:
    """Issues a token for each user once, and knows them again."""

    def __init__(self) -> None:
        self._users: dict[str, users.UserInfo] = {}

    def issue(self, user: users.UserInfo) -> str:
        """A new token for that user."""
        token = secrets.token_urlsafe(32)
        self._users[token] = user
        return token

    async def authenticate_token(self, token: str) -> users.UserInfo | None:
        """The user of a token of ours."""
        return self._users.get(token)
