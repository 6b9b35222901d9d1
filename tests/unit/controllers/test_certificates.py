"""CertificateSigningRequests against a real API server."""

import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pybernetes.api.types import certificates
from pybernetes.apimachinery import errors
from pybernetes.controllers import context
from pybernetes.controllers.certificates import requests
from pybernetes.crypto import certs

KIND = "certificates.k8s.io/v1/CertificateSigningRequest"
CLIENT, KUBELET = requests.CLIENT, requests.KUBELET_CLIENT
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
USAGES = ("digital signature", "key encipherment", "client auth")


def asked(name="jane", *organizations, names=()):
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    subject += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([*names]), critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


def pem(request):
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


def csr(request, signer=CLIENT, usages=USAGES, **spec):
    about = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "r"}}
    return {**about, "spec": {"request": pem(request), "signerName": signer, "usages": [*usages], **spec}}


def settings():
    authority = certs.new_authority("kubernetes", now=NOW)
    return context.Settings(signing_certificate=authority.certificate.decode(), signing_key=authority.key.decode())


async def approve(cluster):
    condition = {"type": "Approved", "status": "True", "reason": "x", "message": "y"}
    condition["lastUpdateTime"] = "2026-01-01T00:00:02Z"
    await cluster.patch(KIND, "r", {"status": {"conditions": [condition]}}, "", subresource="approval")


async def status(cluster):
    return (await cluster.get(KIND, "r", "")).get("status", {})


async def test_signs_what_is_approved(cluster):
    await cluster.run("csrsigning", settings=settings())
    await cluster.apply(csr(asked("jane", "dev"), expirationSeconds=3600), "")
    await cluster.settle()
    assert "certificate" not in await status(cluster)
    await approve(cluster)
    await cluster.settle()
    made = x509.load_pem_x509_certificate(base64.b64decode((await status(cluster))["certificate"]))
    assert made.subject.rfc4514_string() == "O=dev,CN=jane"
    assert made.not_valid_after_utc - made.not_valid_before_utc == datetime.timedelta(hours=1)
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [*usage] == [ExtendedKeyUsageOID.CLIENT_AUTH]


async def test_says_why_it_does_not_sign(cluster):
    await cluster.run("csrsigning", settings=settings())
    await cluster.apply(csr(asked(), usages=("digital signature", "server auth")), "")
    await approve(cluster)
    await cluster.settle()
    failed = [one for one in (await status(cluster))["conditions"] if one["type"] == "Failed"]
    assert failed[0]["message"] == "invalid usage for client certificate: server auth"


async def test_nodes_that_may_are_approved(cluster):
    await cluster.run("csrapproving")
    node = cluster.client_for("system:node:n1")
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "nodes"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:node:n1"}],
    }
    await cluster.apply(binding, "")
    creator = {**binding, "metadata": {"name": "creators"}}
    creator["roleRef"] = {**binding["roleRef"], "name": "system:node-bootstrapper"}
    await cluster.apply(creator, "")
    await cluster.settle()
    request = csr(asked("system:node:n1", "system:nodes"), KUBELET)
    await node.dynamic("certificates.k8s.io/v1", "CertificateSigningRequest").create(request)
    await cluster.settle()
    (condition,) = (await status(cluster))["conditions"]
    assert (condition["type"], condition["reason"]) == ("Approved", "AutoApproved")


async def test_old_ones_are_forgotten(cluster):
    await cluster.run("csrcleaner")
    await cluster.apply(csr(asked()), "")
    await cluster.settle(86000)
    await status(cluster)
    await cluster.settle(1000)
    with pytest.raises(errors.NotFound):
        await status(cluster)


async def test_requests_of_pods_are_kept_a_quarter_of_an_hour(cluster):
    await cluster.run("podcertificaterequest-cleaner-controller")
    kind = "certificates.k8s.io/v1/PodCertificateRequest"
    names = {name: "x" for what in ("pod", "serviceAccount", "node") for name in (f"{what}Name", f"{what}UID")}
    stub = base64.b64encode(certs.stub_request("ED25519")[1]).decode()
    spec = {"signerName": "a.b/s", "stubPKCS10Request": stub, **names}
    about = {"apiVersion": "certificates.k8s.io/v1", "kind": "PodCertificateRequest", "metadata": {"name": "r"}}
    await cluster.apply({**about, "spec": spec})
    await cluster.settle(14 * 60)
    await cluster.get(kind, "r")
    await cluster.settle(61)
    with pytest.raises(errors.NotFound):
        await cluster.get(kind, "r")


@pytest.mark.parametrize(
    ("request_", "signer", "usages", "message"),
    [
        (asked("system:node:a"), KUBELET, USAGES, "subject organization is not system:nodes"),
        (asked("jane", "system:nodes"), KUBELET, USAGES, "subject common name does not begin with system:node:"),
        (
            asked("system:node:a", "system:nodes", names=[x509.DNSName("a")]),
            KUBELET,
            USAGES,
            "DNS subjectAltNames are not allowed",
        ),
        (
            asked("system:node:a", "system:nodes"),
            requests.KUBELET_SERVING,
            ("digital signature", "server auth"),
            "DNS or IP subjectAltName is required",
        ),
        (
            asked("system:node:a", "system:nodes"),
            KUBELET,
            ("client auth",),
            r"usages did not match \[client auth digital signature key encipherment\]",
        ),
        (asked(), CLIENT, ("digital signature",), "missing required usage for client certificate: client auth"),
    ],
)
def test_what_signers_refuse(request_, signer, usages, message):
    with pytest.raises(requests.RequestError, match=message):
        requests.check(signer, request_, usages)


@pytest.mark.parametrize(("seconds", "hours"), [(None, 24), (60, 1 / 6), (7200, 2), (999999, 24)])
def test_lifetime(seconds, hours):
    spec = certificates.CertificateSigningRequestSpec(expirationSeconds=seconds)
    found = requests.lifetime(certificates.CertificateSigningRequest(spec=spec), datetime.timedelta(days=1))
    assert found == datetime.timedelta(hours=hours)
