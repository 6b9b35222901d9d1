"""Fills Secrets of type `kubernetes.io/service-account-token` with a token of their account, and removes them with it.

Such tokens do not expire; whoever wants one makes the Secret by hand. It runs with the manager's own rights, as it
makes what other controllers may log in with, and updates whole Secrets, as upstream's role for the manager allows.
Upstream: pkg/controller/serviceaccount/tokens_controller.go, pkg/serviceaccount/legacy.go (LegacyClaims).
"""

import base64
from collections.abc import Iterator
from typing import Any

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import controller, informer, rest
from pybernetes.controllers.context import ControllerContext
from pybernetes.crypto import jwt

TYPE = "kubernetes.io/service-account-token"
ACCOUNT = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
ISSUER = "kubernetes/serviceaccount"
_CLAIM = "kubernetes.io/serviceaccount/"
_MAX_RETRIES = 10


def tokens_controller(context: ControllerContext) -> "TokensController | None":
    """The controller, where there is a key to sign with."""
    return TokensController(context) if context.settings.service_account_key else None


class TokensController:
    """The controller `serviceaccount-token`: a key is namespace, name, account and account's uid of a Secret."""

    def __init__(self, context: ControllerContext) -> None:
        self._keys = jwt.Keys(context.settings.service_account_key.encode())
        self._root_ca = context.settings.root_ca
        self._secrets = context.informers.informer(core.Secret)
        self._accounts = context.informers.informer(core.ServiceAccount)
        self._secret_resource = context.client.dynamic("v1", "Secret")
        self._account_resource = context.client.dynamic("v1", "ServiceAccount")
        self.controller = controller.Controller(
            "serviceaccount_tokens_secret",
            self.sync_secret,
            clock=context.clock,
            workers=context.settings.concurrent_serviceaccount_token_syncs,
            max_retries=_MAX_RETRIES,
        )
        self.controller.watches(self._secrets, key=key_of)
        self.controller.watches(self._accounts, on_delete=self._account_deleted)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _account_deleted(self, obj: informer.Deleted[core.ServiceAccount]) -> None:
        for secret in self._tokens_of(informer.last_known(obj)):
            self.controller.enqueue(key_of(secret) or "")

    def _tokens_of(self, account: core.ServiceAccount) -> Iterator[core.Secret]:
        known = (account.metadata.name, account.metadata.uid)
        for secret in self._secrets.list(account.metadata.namespace):
            about = secret.metadata.annotations
            if secret.type == TYPE and (about.get(ACCOUNT), about.get(ACCOUNT_UID)) == known:
                yield secret

    async def sync_secret(self, key: str) -> None:
        """Fill one Secret, delete it if its account is gone, or make its account forget it if it is gone itself."""
        namespace, name, account_name, uid = key.split("/")
        secret = self._secrets.get(namespace, name)
        account = self._accounts.get(namespace, account_name)
        found = account is not None and uid in ("", account.metadata.uid)
        if secret is None:
            if found:
                await self._forget(namespace, account_name, uid, name)
            return
        if not found:
            account = await self._live_account(namespace, account_name, uid)
        try:
            if account is None:
                await self._secret_resource.delete(name, namespace, uid=secret.metadata.uid)
            elif self._missing(secret.data, namespace):
                await self._fill(secret, account)
        except (errors.NotFound, errors.Conflict):
            return  # it is gone or another one; if it has changed, that change comes here too

    async def _live_account(self, namespace: str, name: str, uid: str) -> core.ServiceAccount | None:
        try:
            found = await self._account_resource.get(name, namespace)
        except errors.NotFound:
            return None
        metadata = meta.ObjectMeta(name=name, namespace=namespace, uid=found["metadata"]["uid"])
        return core.ServiceAccount(metadata=metadata) if uid in ("", metadata.uid) else None

    def _missing(self, data: Any, namespace: str) -> dict[str, bytes]:
        """What the Secret should hold and does not, but for the token."""
        wanted = {"namespace": namespace.encode()} if not data.get("namespace") else {}
        if self._root_ca and data.get("ca.crt") != _encoded(self._root_ca.encode()):
            wanted["ca.crt"] = self._root_ca.encode()
        if not data.get("token"):
            wanted["token"] = b""
        return wanted

    async def _fill(self, cached: core.Secret, account: core.ServiceAccount) -> None:
        name, namespace = cached.metadata.name, cached.metadata.namespace
        live = await self._secret_resource.get(name, namespace)
        if live["metadata"]["resourceVersion"] != cached.metadata.resourceVersion:
            return  # the change that we have not seen yet comes here too
        missing = self._missing(live.get("data") or {}, namespace)
        if "token" in missing:
            missing["token"] = self._keys.sign(legacy_claims(account, name)).encode()
        filled = {field: _encoded(value) for field, value in missing.items()}
        data = {**(live.get("data") or {}), **filled}
        about = {ACCOUNT: account.metadata.name, ACCOUNT_UID: account.metadata.uid}
        annotations = {**(live["metadata"].get("annotations") or {}), **about}
        await self._secret_resource.update(
            {**live, "data": data, "metadata": {**live["metadata"], "annotations": annotations}}, namespace
        )

    async def _forget(self, namespace: str, account: str, uid: str, secret: str) -> None:
        async def attempt() -> None:
            live = await self._account_resource.get(account, namespace)
            kept = [one for one in live.get("secrets") or () if one.get("name") != secret]
            if uid in ("", live["metadata"]["uid"]) and kept != (live.get("secrets") or []):
                await self._account_resource.update({**live, "secrets": kept}, namespace)

        try:
            await rest.retry_on_conflict(attempt, self._account_resource.client.clock)
        except errors.NotFound:
            return


def key_of(secret: core.Secret) -> str | None:
    """What to call a token Secret in the queue; None for any other."""
    about = secret.metadata
    if secret.type != TYPE or not about.annotations.get(ACCOUNT):
        return None
    return "/".join((about.namespace, about.name, about.annotations[ACCOUNT], about.annotations.get(ACCOUNT_UID, "")))


def legacy_claims(account: core.ServiceAccount, secret: str) -> dict[str, str]:
    """What a token that never expires says."""
    about = account.metadata
    return {
        "iss": ISSUER,
        "sub": f"system:serviceaccount:{about.namespace}:{about.name}",
        f"{_CLAIM}namespace": about.namespace,
        f"{_CLAIM}secret.name": secret,
        f"{_CLAIM}service-account.name": about.name,
        f"{_CLAIM}service-account.uid": about.uid,
    }


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
