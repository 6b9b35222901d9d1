"""A pod's certificate: what a node may ask for, the signer's answer, the next one in time."""

import base64
import datetime
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import certificates, core
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import events as client_events
from pybernetes.client import informer
from pybernetes.kubelet import recording
from pybernetes.kubelet.volumes import certificates as pod_certificates
from pybernetes.kubelet.volumes import content
from pybernetes.testing import cluster as clusters

NODE = ("system:node:n1", "system:nodes")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {
        "nodeName": "n1",
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [
            {
                "name": "v",
                "projected": {
                    "sources": [
                        {
                            "podCertificate": {
                                "signerName": "a.b/s",
                                "keyType": "ED25519",
                                "credentialBundlePath": "x",
                                "userAnnotations": {"a.b/path": "/x"},
                            }
                        }
                    ]
                },
            }
        ],
    },
}


class World:
    """An API server, the node n1, its pod, and the part of the kubelet that is tried."""

    def __init__(self, cluster: clusters.Cluster, group: tasks.TaskGroup) -> None:
        self.cluster = cluster
        assert isinstance(cluster.clock, clocks.VirtualClock)
        self.clock = cluster.clock
        self.requests = cluster.client.resource(certificates.PodCertificateRequest)
        self.changed: list[str] = []
        node = cluster.as_user(*NODE)
        recorder = client_events.EventRecorder(node, "kubelet", cluster.clock, group)
        self.manager = pod_certificates.CertificateManager(
            node,
            informer.InformerFactory(node, cluster.clock, group),
            cluster.clock,
            recording.Events(recorder, "n1"),
            "n1",
            self.changed.append,
        )
        self.pod: core.Pod

    async def start(self) -> None:
        await self.cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
        await self.cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
        self.pod = msgspec.convert(await self.cluster.apply(POD), core.Pod)
        await self.cluster.settle()

    async def get(self) -> pod_certificates.Credential:
        credential, _ = await self.manager.get(self.pod, self.pod.spec.volumes[0], 0)
        await self.cluster.settle()
        return credential

    async def asked(self) -> list[certificates.PodCertificateRequest]:
        await self.cluster.settle()
        page = await self.requests.list("default")
        return [one for one in page.items if not one.status.conditions]

    async def answer(self, kind: str = "Issued") -> None:
        (request,) = await self.asked()
        now = self.cluster.clock.now().replace(microsecond=0)
        since = timestamps.format_time(now)
        condition = {"type": kind, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": since}
        status: dict[str, Any] = {"conditions": [condition]}
        if kind == "Issued":
            key = x509.load_der_x509_csr(base64.b64decode(request.spec.stubPKCS10Request)).public_key()
            end, name = now + datetime.timedelta(hours=2), x509.Name([])
            builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
            builder = builder.serial_number(1).not_valid_before(now).not_valid_after(end)
            leaf = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
            status["certificateChain"] = "noise\n" + leaf.public_bytes(serialization.Encoding.PEM).decode()
            times = {"notBefore": now, "notAfter": end, "beginRefreshAt": now + datetime.timedelta(hours=1)}
            status |= {name: timestamps.format_time(value) for name, value in times.items()}
        metadata = request.metadata
        await self.requests.patch(metadata.name, {"status": status}, metadata.namespace, subresource="status")
        await self.cluster.settle()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with clusters.Cluster(
        clusters.Options(clock=clocks.VirtualClock(), controllers=(), scheduler=False, nodes=0)
    ) as cluster:
        group = tasks.TaskGroup("kubelet")
        made = World(cluster, group)
        await made.start()
        yield made
        await group.cancel()


async def test_a_certificate_is_asked_for_and_renewed(world: World) -> None:
    for _ in range(2):
        with pytest.raises(content.ContentError, match="not issued yet"):
            await world.get()
    (request,) = await world.asked()
    assert (request.spec.podName, request.spec.unverifiedUserAnnotations) == ("web", {"a.b/path": "/x"})
    assert request.metadata.ownerReferences[0].uid == world.pod.metadata.uid
    await world.answer()
    assert world.changed == [world.pod.metadata.uid]
    first = await world.get()
    leaf = x509.load_pem_x509_certificate(first.chain)
    key = serialization.load_pem_private_key(first.key, None)
    assert (leaf.public_key(), first.chain.startswith(b"-----BEGIN")) == (key.public_key(), True)
    await world.clock.advance(3600 + 300)
    assert (await world.get(), len(await world.asked())) == (first, 1)
    await world.answer()
    assert (await world.get()).key != first.key


async def test_a_refusal_is_final_and_told(world: World) -> None:
    with pytest.raises(content.ContentError):
        await world.get()
    await world.answer("Denied")
    with pytest.raises(content.ContentError, match='permanently denied: reason="R" message="m"'):
        await world.get()
    assert not await world.asked()
    page = await world.cluster.client.resource(core.Event).list("default")
    assert [one.reason for one in page.items] == ["Denied"]


async def test_a_lost_request_is_made_again(world: World) -> None:
    with pytest.raises(content.ContentError):
        await world.get()
    (request,) = await world.asked()
    await world.requests.delete(request.metadata.name, "default")
    await world.clock.advance(15 * 60)
    with pytest.raises(content.ContentError):
        await world.get()
    assert len(await world.asked()) == 1


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"nodeName": "n2"}, "which is not the requesting node"),
        ({"nodeUID": "x"}, "inconsistent with the running node"),
        ({"podName": "none"}, 'pods "none" not found'),
        ({"podUID": "x"}, "which differs from running pod"),
        ({"serviceAccountName": "other"}, "that differs from running pod"),
        ({"serviceAccountUID": "x"}, "which differs from the running service account"),
        ({"signerName": "c.d/s"}, 'does not mount a podCertificate projected volume for signer "c.d/s"'),
    ],
)
async def test_a_node_asks_for_its_own_pods(world: World, change: dict[str, str], refusal: str) -> None:
    with pytest.raises(content.ContentError):
        await world.get()
    (request,) = await world.asked()
    spec = msgspec.to_builtins(request.spec) | change
    node = world.cluster.as_user(*NODE).resource(certificates.PodCertificateRequest)
    with pytest.raises(errors.StatusError, match=refusal):
        await node.create({"metadata": {"name": "r"}, "spec": spec}, "default")
    for verb in (node.list("default"), node.delete(request.metadata.name, "default")):
        with pytest.raises(errors.Forbidden):
            await verb
