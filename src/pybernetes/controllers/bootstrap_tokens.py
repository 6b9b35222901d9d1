"""Bootstrap tokens, with which new nodes find and trust a cluster: signed cluster-info, and an end to old tokens.

Off by default, as upstream.
Upstream: pkg/controller/bootstrap, k8s.io/cluster-bootstrap.
"""

import base64
import datetime
import hashlib
import hmac
import json

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller
from pybernetes.controllers.context import ControllerContext

TYPE = "bootstrap.kubernetes.io/token"
PREFIX = "bootstrap-token-"
SIGNATURE = "jws-kubeconfig-"
CLUSTER_INFO = "kube-public/cluster-info"


class BootstrapSigner:
    """The controller `bootstrap-signer`: its only key is the ConfigMap cluster-info, signed with every good token."""

    def __init__(self, context: ControllerContext) -> None:
        self._clock = context.clock
        self._maps = context.informers.informer(core.ConfigMap)
        self._secrets = context.informers.informer(core.Secret)
        self._resource = context.client_for("bootstrap-signer").resource(core.ConfigMap)
        self.controller = controller.Controller("bootstrap_signer_queue", self.sign, clock=context.clock)
        self.controller.watches(self._maps, key=lambda one: CLUSTER_INFO if meta.key(one) == CLUSTER_INFO else None)
        self.controller.watches(self._secrets, key=lambda secret: CLUSTER_INFO if is_token(secret) else None)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    async def sign(self, key: str) -> None:
        """Bring the signatures up to date."""
        info = self._maps.by_key(key)
        if info is None or "kubeconfig" not in info.data:
            return
        tokens = (signing_token(one, self._clock.now()) for one in self._secrets.list("kube-system") if is_token(one))
        content = info.data["kubeconfig"]
        wanted = {SIGNATURE + name: signature(content, name, secret) for name, secret in filter(None, tokens)}
        known = {name: text for name, text in info.data.items() if name.startswith(SIGNATURE)}
        if wanted == known:
            return
        patch = {
            "metadata": {"resourceVersion": info.metadata.resourceVersion},
            "data": {**dict.fromkeys(known), **wanted},
        }
        try:
            await self._resource.patch(info.metadata.name, patch, info.metadata.namespace)
        except (errors.Conflict, errors.NotFound):
            return  # the change comes here too


class TokenCleaner:
    """The controller `token-cleaner`: a key is a Secret."""

    def __init__(self, context: ControllerContext) -> None:
        self._clock: clocks.Clock = context.clock
        self._secrets = context.informers.informer(core.Secret)
        self._resource = context.client_for("token-cleaner").resource(core.Secret)
        self.controller = controller.Controller("token_cleaner", self.sync_secret, clock=context.clock)
        self.controller.watches(self._secrets, key=lambda secret: meta.key(secret) if is_token(secret) else None)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    async def sync_secret(self, key: str) -> float | None:
        """Delete one token if its time is over; returns how long that is."""
        secret = self._secrets.by_key(key)
        left = None if secret is None else time_left(secret, self._clock.now())
        if secret is None or left is None or left > 0:
            return left
        try:
            await self._resource.delete(secret.metadata.name, secret.metadata.namespace, uid=secret.metadata.uid)
        except (errors.Conflict, errors.NotFound):
            pass  # gone already, or another one by now
        return None


def is_token(secret: core.Secret) -> bool:
    """Whether the Secret is a bootstrap token where such are looked for."""
    return secret.type == TYPE and secret.metadata.namespace == "kube-system"


def _value(secret: core.Secret, field: str) -> str:
    return base64.b64decode(secret.data.get(field, "")).decode("utf-8", "replace")


def time_left(secret: core.Secret, now: datetime.datetime) -> float | None:
    """Seconds for which the token is good, 0 if it is not, None if nothing limits it."""
    ends = _value(secret, "expiration")
    if not ends:
        return None
    try:
        return max(0.0, (timestamps.parse(ends) - now).total_seconds())
    except ValueError:
        return 0.0


def signing_token(secret: core.Secret, now: datetime.datetime) -> tuple[str, str] | None:
    """Id and secret of a token that may sign."""
    name, key = _value(secret, "token-id"), _value(secret, "token-secret")
    good = secret.metadata.name == PREFIX + name and key and time_left(secret, now) != 0
    return (name, key) if good and _value(secret, "usage-bootstrap-signing") == "true" else None


def signature(content: str, name: str, secret: str) -> str:
    """A detached JWS (HS256): the signature of the content without the content."""
    header = _encoded(json.dumps({"alg": "HS256", "kid": name}, separators=(",", ":")).encode())
    signed = f"{header}.{_encoded(content.encode())}".encode()
    return f"{header}..{_encoded(hmac.new(secret.encode(), signed, hashlib.sha256).digest())}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
