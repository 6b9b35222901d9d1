"""Certificates for pods: a key, a PodCertificateRequest, the signer's answer, and all that again when it is due.

    (nothing) ──► waiting ──► fresh ◄──► waiting for a new one
                    └──► refused ◄────────────┘

Nothing survives a restart of the kubelet: every certificate is then asked for anew.
Upstream: pkg/kubelet/podcertificate/podcertificatemanager.go.
"""

import asyncio
import base64
import dataclasses
from collections.abc import Callable

from pybernetes.aio import clock as clocks
from pybernetes.api.types import certificates, core, meta
from pybernetes.apimachinery import goformat, timestamps
from pybernetes.client import informer as informers
from pybernetes.client import rest
from pybernetes.crypto import certs, pem
from pybernetes.kubelet import recording
from pybernetes.kubelet.volumes import content

Key = tuple[str, str, int]
"""The pod's uid, the volume, which of its sources."""
_LOST_AFTER = 600.0
"""Who does not see a request of its own for so long takes it to be deleted."""
_OVERDUE_AFTER = 600.0
_JITTER = 300.0


@dataclasses.dataclass(frozen=True, slots=True)
class Credential:
    """A key and its certificates, both PEM; when to ask for new ones, and when they end."""

    key: bytes
    chain: bytes
    refresh_at: float
    not_after: float


@dataclasses.dataclass(slots=True)
class _Record:
    pod: core.Pod
    credential: Credential | None = None
    refused: str = ""
    asking: bool = False
    request: tuple[str, str] = ("", "")
    """namespace and name of the request under way"""
    key: bytes = b""
    lost_at: float = 0.0
    told: set[str] = dataclasses.field(default_factory=set)


class CertificateManager:
    """Credentials by pod and projection; `on_change` is told which pods have news."""

    def __init__(
        self,
        client: rest.Client,
        factory: informers.InformerFactory,
        clock: clocks.Clock,
        events: recording.Events,
        node_name: str,
        on_change: Callable[[str], None],
    ) -> None:
        self._client = client
        self._factory = factory
        self._clock = clock
        self._events = events
        self._node_name = node_name
        self._on_change = on_change
        self._requests: informers.Informer[certificates.PodCertificateRequest] | None = None
        self._records: dict[Key, _Record] = {}

    async def get(self, pod: core.Pod, volume: core.Volume, index: int) -> tuple[Credential, float]:
        """The credential, and when to come again. Raises ContentError while there is none."""
        record = self._records.setdefault((pod.metadata.uid, volume.name, index), _Record(pod))
        record.pod, now = pod, self._clock.now().timestamp()
        due = record.credential is None or record.credential.refresh_at <= now
        if record.request[1] and self._seen(record) is None and record.lost_at < now:
            record.request = ("", "")
        if due and not (record.refused or record.asking or record.request[1]):
            assert volume.projected is not None
            projection = volume.projected.sources[index].podCertificate
            assert projection is not None
            await self._ask(record, projection)
        if record.refused:
            raise content.ContentError(f"PodCertificateRequest was permanently {record.refused}")
        if record.credential is None:
            raise content.ContentError("credential bundle is not issued yet")
        return record.credential, self._next(record, record.credential, now)

    def _next(self, record: _Record, credential: Credential, now: float) -> float:
        """When there is something to do or to say again."""
        overdue = credential.refresh_at + _OVERDUE_AFTER
        for due, reason, message in (
            (overdue, "CertificateOverdueForRefresh", "PodCertificate refresh overdue"),
            (credential.not_after, "CertificateExpired", "PodCertificate expired"),
        ):
            if due < now and reason not in record.told:
                record.told.add(reason)
                self._events.pod(record.pod, recording.WARNING, reason, message)
        moments = (credential.refresh_at, overdue, credential.not_after, record.lost_at)
        return min((one for one in moments if one > now), default=now + _LOST_AFTER)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for key in [key for key in self._records if key[0] == uid]:
            del self._records[key]

    async def _ask(self, record: _Record, projection: core.PodCertificateProjection) -> None:
        record.asking = True
        try:
            await self._watch()
            pod = record.pod
            metadata, account = pod.metadata, pod.spec.serviceAccountName
            owner = await self._client.resource(core.ServiceAccount).get(account, metadata.namespace)
            node = await self._client.resource(core.Node).get(self._node_name)
            record.key, stub = await asyncio.to_thread(certs.stub_request, projection.keyType)
            spec = certificates.PodCertificateRequestSpec(
                signerName=projection.signerName,
                podName=metadata.name,
                podUID=metadata.uid,
                serviceAccountName=account,
                serviceAccountUID=owner.metadata.uid,
                nodeName=self._node_name,
                nodeUID=node.metadata.uid,
                maxExpirationSeconds=projection.maxExpirationSeconds,
                stubPKCS10Request=base64.b64encode(stub).decode(),
                unverifiedUserAnnotations=projection.userAnnotations,
            )
            reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata.name, "uid": metadata.uid}
            made = await self._client.resource(certificates.PodCertificateRequest).create(
                {"metadata": {"generateName": "req-", "ownerReferences": [reference]}, "spec": meta.to_dict(spec)},
                metadata.namespace,
            )
            record.lost_at = self._clock.now().timestamp() + _LOST_AFTER + self._jitter()
            record.request = (made.metadata.namespace, made.metadata.name)
        finally:
            record.asking = False
        if (seen := self._seen(record)) is not None:  # the answer came before we knew what we asked for
            self._answered(record, seen)

    def _jitter(self) -> float:
        """So that not all pods ask for new certificates at the same time."""
        return self._clock.random.random() * _JITTER

    async def _watch(self) -> None:
        if self._requests is None:
            selector = f"spec.nodeName={self._node_name}"
            self._requests = self._factory.informer(certificates.PodCertificateRequest, field_selector=selector)
            self._requests.add_handler(self._changed, lambda _, new: self._changed(new))
            await self._factory.start()

    def _seen(self, record: _Record) -> certificates.PodCertificateRequest | None:
        return self._requests.get(*record.request) if self._requests is not None else None

    def _changed(self, request: certificates.PodCertificateRequest) -> None:
        name = (request.metadata.namespace, request.metadata.name)
        for record in self._records.values():
            if record.request == name and self._answered(record, request):
                self._on_change(record.pod.metadata.uid)

    def _answered(self, record: _Record, request: certificates.PodCertificateRequest) -> bool:
        """Take the signer's answer if there is one."""
        status = request.status
        for one in status.conditions:
            record.request, record.told = ("", ""), set()
            if one.type == "Issued":
                refresh = timestamps.to_unix(status.beginRefreshAt) + self._jitter()
                chain = b"".join(
                    pem.encode("CERTIFICATE", block.content) for block in pem.blocks(status.certificateChain.encode())
                )
                record.credential = Credential(record.key, chain, refresh, timestamps.to_unix(status.notAfter))
                return True
            reason, text = f"reason={goformat.quote(one.reason)}", f"message={goformat.quote(one.message)}"
            record.refused = f"{one.type.lower()}: {reason} {text}"
            verb = "was denied" if one.type == "Denied" else "failed"
            about = f"PodCertificateRequest {meta.key(request)} {verb}, {reason}, {text}"
            self._events.pod(record.pod, recording.WARNING, one.type, about)
            return True
        return False
