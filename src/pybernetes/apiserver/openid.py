"""How others can check the tokens of this cluster's service accounts: OpenID discovery and the public keys.

Upstream: pkg/routes/openidmetadata.go.
"""

import msgspec

from pybernetes.apiserver import context as contexts
from pybernetes.crypto import jwt
from pybernetes.http import messages

CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
CACHED = ("Cache-Control", "public, max-age=3600")


def routes(issuer: str, keys: jwt.Keys | None) -> dict[str, contexts.Handler]:
    """The two paths; none without a signing key."""
    if keys is None:
        return {}

    async def configuration(context: contexts.RequestContext) -> contexts.AnyResponse:
        found = {
            "issuer": issuer,
            "jwks_uri": f"https://{context.server.address}{KEYS}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return messages.Response(200, [CACHED, ("Content-Type", "application/json")], msgspec.json.encode(found))

    async def key_set(context: contexts.RequestContext) -> contexts.AnyResponse:
        headers = [CACHED, ("Content-Type", "application/jwk-set+json")]
        return messages.Response(200, headers, msgspec.json.encode(keys.key_set()))

    return {CONFIGURATION: configuration, KEYS: key_set}
