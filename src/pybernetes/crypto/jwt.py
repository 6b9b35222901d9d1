"""Signed tokens of service accounts: issue, verify, and the public keys as a JWK set.

Tokens are ES256 (or RS256 when the key is RSA); the header carries the key's `kid` as upstream computes it. Verified
tokens are remembered until they expire, so that a request costs one dictionary look-up.
Upstream: pkg/serviceaccount/jwt.go, openidmetadata.go.
"""

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

MAX_TOKEN = 64 * 1024


class TokenError(Exception):
    """The token is malformed, forged, or signed with a key that is not ours."""


class Keys:
    """One signing key, and what belongs to it.

    `private_pem` is an ECDSA P-256 or RSA private key.
    """

    def __init__(self, private_pem: bytes) -> None:
        # joserfc costs 40 ms to import: only processes that sign or verify tokens pay for it.
        from joserfc import jwk

        private = serialization.load_pem_private_key(private_pem, password=None)
        elliptic = isinstance(private, ec.EllipticCurvePrivateKey)
        public_der = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.algorithm = "ES256" if elliptic else "RS256"
        self.key_id = base64.urlsafe_b64encode(hashlib.sha256(public_der).digest()).rstrip(b"=").decode()
        parameters = {"kid": self.key_id, "alg": self.algorithm, "use": "sig"}
        self._key: Any = (jwk.ECKey if elliptic else jwk.RSAKey).import_key(private_pem, parameters)

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with exactly these claims."""
        from joserfc import jwt

        return str(jwt.encode({"alg": self.algorithm, "kid": self.key_id}, claims, self._key))

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that we signed (times and audiences are the caller's to check). Raises TokenError."""
        from joserfc import errors, jwt

        if len(token) > MAX_TOKEN:
            raise TokenError("token is too long")
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=[self.algorithm]).claims
        except (errors.JoseError, ValueError, TypeError) as error:
            raise TokenError(str(error)) from error
        return claims

    def key_set(self) -> dict[str, Any]:
        """The public half as a JWK set, for /openid/v1/jwks."""
        return {"keys": [self._key.as_dict(private=False)]}
