"""The controllers of certificate requests: approve what nodes ask for, sign what is approved, clean up.

Upstream: pkg/controller/certificates (approver, signer, cleaner).
"""

import base64
import datetime
from typing import Generic, TypeVar

import msgspec
from cryptography import x509

from pybernetes.api.types import certificates, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller
from pybernetes.controllers.certificates import requests
from pybernetes.controllers.context import ControllerContext
from pybernetes.telemetry import logs

logger = logs.get("certificates")

DURATION = datetime.timedelta(days=365)
_HOUR, _DAY = 3600.0, 86400.0
_POD_REQUEST = 15 * 60.0
Request = certificates.CertificateSigningRequest
PodRequest = certificates.PodCertificateRequest
R = TypeVar("R", bound=meta.Object)


def condition(request: Request, kind: str) -> certificates.CertificateSigningRequestCondition | None:
    """The condition of that type."""
    return next((one for one in request.status.conditions if one.type == kind), None)


def is_approved(request: Request) -> bool:
    """Approved, and not denied as well."""
    return condition(request, "Approved") is not None and condition(request, "Denied") is None


class _CertificateController(Generic[R]):
    """What they have in common: each request is looked at when it changes."""

    name = ""
    account = "certificate-controller"
    kind: type[R]

    def __init__(self, context: ControllerContext) -> None:
        self.client = context.client_for(self.account)
        self.clock = context.clock
        self.resource = self.client.resource(self.kind)
        self._requests = context.informers.informer(self.kind)
        self.controller = controller.Controller(self.name, self.sync, clock=context.clock, workers=5)
        self.controller.watches(self._requests)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    async def sync(self, key: str) -> float | None:
        """Look at one request."""
        request = self._requests.by_key(key)
        if request is None:
            return None
        try:
            return await self.handle(request)
        except errors.NotFound:
            return None

    async def handle(self, request: R) -> float | None:
        """Do what this controller does."""
        raise NotImplementedError


class ApprovingController(_CertificateController[Request]):
    """The controller `csrapproving`."""

    name = "csrapproving"
    kind = Request

    async def handle(self, request: Request) -> float | None:
        """Approve a kubelet's client certificate if its user may have one."""
        if request.status.certificate or condition(request, "Approved") or condition(request, "Denied"):
            return None
        asked = requests.parse(request)
        if not requests.is_node_client(request, asked):
            return None
        tries = [("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")]
        if request.spec.username == requests.common_name(asked):
            text = "Auto approving self kubelet client certificate after SubjectAccessReview."
            tries.insert(0, ("selfnodeclient", text))
        for subresource, message in tries:
            if await self._authorized(request, subresource):
                await self._approve(request, message)
                return None
        names = " ".join(name for name, _ in tries)
        logger.info(
            'recognized csr "%s" as [%s] but subject access review was not approved', request.metadata.name, names
        )
        return None

    async def _authorized(self, request: Request, subresource: str) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": request.spec.username,
                "uid": request.spec.uid,
                "groups": [*request.spec.groups],
                "extra": {key: [*values] for key, values in request.spec.extra.items()},
                "resourceAttributes": {
                    "group": "certificates.k8s.io",
                    "resource": "certificatesigningrequests",
                    "verb": "create",
                    "subresource": subresource,
                    "version": "*",
                },
            },
        }
        answer = await self.client.dynamic("authorization.k8s.io/v1", "SubjectAccessReview").create(review)
        return bool((answer.get("status") or {}).get("allowed"))

    async def _approve(self, request: Request, message: str) -> None:
        now = timestamps.format_time(self.clock.now())
        approved = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
        metadata = {"resourceVersion": request.metadata.resourceVersion}
        patch = {"metadata": metadata, "status": {"conditions": [{**approved, "lastUpdateTime": now}]}}
        await self.resource.patch(request.metadata.name, patch, type="strategic", subresource="approval")


class SigningController(_CertificateController[Request]):
    """The controller `csrsigning`, for all of Kubernetes' own signers."""

    name = "csrsigning"
    kind = Request

    def __init__(self, context: ControllerContext, authority: requests.Authority) -> None:
        super().__init__(context)
        self._authority = authority

    async def handle(self, request: Request) -> float | None:
        """Sign an approved request, or say why not."""
        failed = condition(request, "Failed")
        if not is_approved(request) or request.status.certificate or (failed is not None and failed.status == "True"):
            return None
        if request.spec.signerName not in requests.SIGNERS:
            return None
        asked = requests.parse(request)
        try:
            requests.check(request.spec.signerName, asked, request.spec.usages)
            certificate = self._sign(request, asked)
        except requests.RequestError as error:
            now = timestamps.format_time(self.clock.now())
            reason = {"reason": "SignerValidationFailure", "message": str(error), "lastUpdateTime": now}
            others = msgspec.to_builtins(request.status.conditions)
            await self._write(request, {"conditions": [*others, {"type": "Failed", "status": "True", **reason}]})
            return None
        await self._write(request, {"certificate": base64.b64encode(certificate.encode()).decode()})
        return None

    def _sign(self, request: Request, asked: x509.CertificateSigningRequest) -> str:
        lifetime = requests.lifetime(request, DURATION)
        return self._authority.sign(asked, request.spec.usages, now=self.clock.now(), lifetime=lifetime)

    async def _write(self, request: Request, status: dict[str, object]) -> None:
        patch = {"metadata": {"resourceVersion": request.metadata.resourceVersion}, "status": status}
        await self.resource.patch(request.metadata.name, patch, type="strategic", subresource="status")


class CleanerController(_CertificateController[Request]):
    """The controller `csrcleaner`: a request is kept for an hour after it was settled, a day if it never was."""

    name = "csrcleaner"
    kind = Request

    async def handle(self, request: Request) -> float | None:
        """Delete the request when its time is over; returns how long that is."""
        left = self._time_left(request)
        if left is not None and left <= 0:
            await self.resource.delete(request.metadata.name, uid=request.metadata.uid)
            return None
        return left

    def _time_left(self, request: Request) -> float | None:
        now = self.clock.now()

        def since(text: str, limit: float) -> float:
            return limit - (now - timestamps.parse(text)).total_seconds()

        created = request.metadata.creationTimestamp
        waits = []
        if not request.status.conditions:
            waits.append(since(created, _DAY))
        for one in request.status.conditions:
            settled = one.type in ("Denied", "Failed") or bool(request.status.certificate)
            waits.append(since(one.lastUpdateTime or created, _HOUR if settled else _DAY))
        expiry = requests.expiry(request)
        if expiry is not None:
            waits.append((expiry - now).total_seconds())
        return min(waits, default=None)


class PodCertificateRequestCleaner(_CertificateController[PodRequest]):
    """The controller `podcertificaterequest-cleaner-controller`: no request is kept for more than 15 minutes."""

    name = account = "podcertificaterequestcleaner"
    kind = PodRequest

    async def handle(self, request: PodRequest) -> float | None:
        """Delete the request when its time is over; returns how long that is."""
        metadata = request.metadata
        left = _POD_REQUEST - (self.clock.now() - timestamps.parse(metadata.creationTimestamp)).total_seconds()
        if left <= 0:
            await self.resource.delete(metadata.name, metadata.namespace, uid=metadata.uid)
        return max(left, 0.0) or None


def signing(context: ControllerContext) -> SigningController | None:
    """The signer, if this process was given an authority."""
    settings = context.settings
    if not settings.signing_certificate or not settings.signing_key:
        return None
    return SigningController(context, requests.Authority(settings.signing_certificate, settings.signing_key))
