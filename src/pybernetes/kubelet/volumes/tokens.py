"""Service-account tokens for pods: asked of the API, kept until they are due for renewal.

A token is renewed when 80 % of its life (or a day) has passed.

Upstream: pkg/kubelet/token/token_manager.go.
"""

import dataclasses

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps
from pybernetes.client import rest

_DEFAULT_LIFETIME = 3600
_MAX_AGE = 24 * 3600.0
_RENEW_AT = 0.8


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """A token, and the wall-clock time at which a new one should be asked for."""

    text: str
    renew_at: float
    expires_at: float


class TokenManager:
    """Tokens by pod and projection."""

    def __init__(self, client: rest.Client, clock: clocks.Clock) -> None:
        self._accounts = client.resource(core.ServiceAccount)
        self._clock = clock
        self._tokens: dict[tuple[str, core.ServiceAccountTokenProjection], Token] = {}

    async def get(self, pod: core.Pod, projection: core.ServiceAccountTokenProjection) -> Token:
        """A token bound to the pod, fresh enough."""
        key = (pod.metadata.uid, projection)
        known = self._tokens.get(key)
        if known is not None and self._clock.now().timestamp() < known.renew_at:
            return known
        token = self._tokens[key] = await self._request(pod, projection)
        return token

    async def _request(self, pod: core.Pod, projection: core.ServiceAccountTokenProjection) -> Token:
        lifetime = projection.expirationSeconds or _DEFAULT_LIFETIME
        metadata = pod.metadata
        answer = await self._accounts.create_subresource(
            pod.spec.serviceAccountName or "default",
            "token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "metadata": {},
                "spec": {
                    "audiences": [projection.audience] if projection.audience else [],
                    "expirationSeconds": lifetime,
                    "boundObjectRef": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": metadata.name,
                        "uid": metadata.uid,
                    },
                },
            },
            metadata.namespace,
        )
        now = self._clock.now().timestamp()
        status = answer["status"]
        expires = timestamps.to_unix(status["expirationTimestamp"])
        return Token(status["token"], min(now + (expires - now) * _RENEW_AT, now + _MAX_AGE), expires)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]
