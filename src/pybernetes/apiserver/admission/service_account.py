"""Every Pod runs as a service account, with a token mounted where it expects one.

Upstream: plugin/pkg/admission/serviceaccount.
"""

import random
from typing import Any

from pybernetes.apimachinery import errors, gvk, meta, names
from pybernetes.apiserver.admission.attributes import Attributes

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
PODS = gvk.GroupResource("", "pods")


class ServiceAccount:
    """The plugin `ServiceAccount`."""

    name = "ServiceAccount"

    def handles(self, attributes: Attributes) -> bool:
        """Creation of Pods, and their ephemeral containers."""
        return (
            attributes.kind.kind == "Pod"
            and not attributes.kind.group
            and attributes.operation == "CREATE"
            and not attributes.subresource
        )

    async def admit(self, attributes: Attributes) -> None:
        """Fill in the account, its pull secrets and the token volume."""
        pod = attributes.object
        assert pod is not None
        spec = pod["spec"]
        if meta.is_mirror(pod):
            self._check_mirror(attributes, spec)
            return
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = "default"
            spec["serviceAccount"] = "default"
        account = await self._account(attributes, spec["serviceAccountName"])
        if _wants_token(spec, account):
            _mount_token(spec, attributes.clock.random)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(secret) for secret in account["imagePullSecrets"]]

    async def validate(self, attributes: Attributes) -> None:
        """The account named must still exist after other plugins have had their say."""
        pod = attributes.object
        assert pod is not None
        if meta.is_mirror(pod):
            return
        await self._account(attributes, pod["spec"].get("serviceAccountName", ""))

    async def _account(self, attributes: Attributes, name: str) -> dict[str, Any]:
        account = await attributes.objects.get("", "serviceaccounts", attributes.namespace, name)
        if account is None:
            message = (
                f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found'
            )
            raise errors.Forbidden(PODS, attributes.name, message)
        return account

    @staticmethod
    def _check_mirror(attributes: Attributes, spec: dict[str, Any]) -> None:
        if spec.get("serviceAccountName"):
            raise errors.Forbidden(PODS, attributes.name, "a mirror pod may not reference service accounts")
        for volume in spec.get("volumes") or ():
            if "secret" in volume:
                raise errors.Forbidden(PODS, attributes.name, "a mirror pod may not reference secrets")


def _wants_token(spec: dict[str, Any], account: dict[str, Any]) -> bool:
    if spec.get("automountServiceAccountToken") is not None:
        return bool(spec["automountServiceAccountToken"])
    return bool(account.get("automountServiceAccountToken", True))


def _mount_token(spec: dict[str, Any], rand: random.Random) -> None:
    taken = [volume["name"] for volume in spec.get("volumes") or ()]
    wanting = [
        container
        for field in ("initContainers", "containers")
        for container in spec.get(field) or ()
        if all(mount.get("mountPath") != TOKEN_PATH for mount in container.get("volumeMounts") or ())
    ]
    if not wanting:
        return
    existing = next((name for name in taken if name.startswith("kube-api-access-")), None)
    volume = existing or names.generate_name("kube-api-access-", rand)
    for container in wanting:
        mounts = container["volumeMounts"] = list(container.get("volumeMounts") or ())
        mounts.append({"name": volume, "readOnly": True, "mountPath": TOKEN_PATH})
    if existing is None:
        spec["volumes"] = [*(spec.get("volumes") or ()), _token_volume(volume)]


def _token_volume(name: str) -> dict[str, Any]:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
