"""ClusterTrustBundles and PodCertificateRequests: what is in them, and who may write them."""

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import timestamps
from pybernetes.crypto import certs, pem

GROUP = "/apis/certificates.k8s.io/v1"
BUNDLES, REQUESTS = f"{GROUP}/clustertrustbundles", f"{GROUP}/namespaces/ns/podcertificaterequests"
MERGE = "application/merge-patch+json"
NOW = clocks.VirtualClock().now()
ROOT, OTHER = (certs.new_authority(name, now=NOW).certificate.decode() for name in ("one", "two"))
LEAF = certs.issue(certs.new_authority("ca", now=NOW), certs.Request("leaf"), now=NOW).certificate.decode()
WITH_HEADER = ROOT.replace("-----\n", "-----\nA: b\n\n", 1)
VALUE = 'spec.trustBundle: Invalid value: "<value omitted>": '


def bundle(name: str, text: str, signer: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"trustBundle": text, **({"signerName": signer} if signer else {})}}


@pytest.mark.parametrize(
    ("name", "signer", "text", "wrong"),
    [
        ("b", "", ROOT + "between\n" + OTHER, ""),
        ("a.b:s:x", "a.b/s", ROOT, ""),
        ("b", "", "", VALUE + "at least one trust anchor must be provided"),
        ("b", "", ROOT + OTHER + ROOT, VALUE + "duplicate trust anchor (indices [0 2])"),
        ("b", "", ROOT + LEAF, VALUE + "entry 1 does not have the CA bit set"),
        ("b", "", WITH_HEADER, VALUE + "entry 0 has PEM block headers"),
        ("b", "", ROOT.replace("CERT", "X"), VALUE + "entry 0 has bad block type: XIFICATE"),
        ("b", "", pem.encode("CERTIFICATE", b"x").decode(), VALUE + "entry 0 does not parse as X.509"),
        ("b", "", "x" * (2**20 + 1), "spec.trustBundle: Too long: may not be more than 1048576 bytes"),
        (
            "b",
            "a.b/s",
            ROOT,
            'name: Invalid value: "b": ClusterTrustBundle for signerName a.b/s must be named with prefix a.b:s:',
        ),
        (
            "a:b",
            "",
            ROOT,
            'metadata.name: Invalid value: "a:b": ClusterTrustBundle without signer name must not have ":" in its name',
        ),
    ],
)
async def test_bundles_are_authorities(api: Any, name: str, signer: str, text: str, wrong: str) -> None:
    answer = await api.send("POST", BUNDLES, bundle(name, text, signer))
    assert answer.status == (422 if wrong else 201)
    assert answer.json.get("message", "").endswith(wrong)


async def test_whoever_writes_a_bundle_attests_for_its_signer(api: Any) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1"
    rules = [
        {"apiGroups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"], "verbs": ["create", "patch"]},
        {
            "apiGroups": ["certificates.k8s.io"],
            "resources": ["signers"],
            "resourceNames": ["a.b/*"],
            "verbs": ["attest"],
        },
    ]
    await api.create(f"{roles}/clusterroles", {"metadata": {"name": "r"}, "rules": rules})
    binding = {
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
    }
    await api.create(f"{roles}/clusterrolebindings", binding)
    for name, signer, status in (("plain", "", 201), ("a.b:s:x", "a.b/s", 201), ("c.d:s:x", "c.d/s", 403)):
        answer = await api.send("POST", BUNDLES, bundle(name, ROOT, signer), token="user:jane")
        assert answer.status == status
    text = 'is forbidden: user not permitted to attest for signerName "c.d/s"'
    assert answer.json["message"] == f'clustertrustbundles.certificates.k8s.io "c.d:s:x" {text}'
    await api.create(BUNDLES, bundle("c.d:s:x", ROOT, "c.d/s"))
    for change, status in (({"metadata": {"finalizers": ["a.b/x"]}}, 200), ({"metadata": {"labels": {"a": "b"}}}, 403)):
        answer = await api.send("PATCH", f"{BUNDLES}/c.d:s:x", change, content=MERGE, token="user:jane")
        assert answer.status == status
    moved = await api.send("PATCH", f"{BUNDLES}/plain", {"spec": {"signerName": "a.b/s"}}, content=MERGE)
    assert moved.json["message"].endswith('spec.signerName: Invalid value: "a.b/s": field is immutable]')


def asked(key: Any) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return base64.b64encode(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)).decode()


KEY = ec.generate_private_key(ec.SECP256R1())
SPEC: dict[str, Any] = {
    "signerName": "a.b/s",
    "podName": "p",
    "podUID": "u",
    "serviceAccountName": "default",
    "serviceAccountUID": "u",
    "nodeName": "n",
    "nodeUID": "u",
    "stubPKCS10Request": asked(KEY),
}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, ""),
        ({"stubPKCS10Request": "eA=="}, "spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR"),
        (
            {"stubPKCS10Request": None},
            "spec: Invalid value: exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set",
        ),
        (
            {"stubPKCS10Request": asked(ec.generate_private_key(ec.SECP224R1()))},
            'spec.stubPKCS10Request: Invalid value: "curve P-224": '
            "elliptic public keys must use curve P256, P384, or P521",
        ),
        ({"podUID": ""}, 'spec.podUID: Invalid value: "": must not be empty'),
        (
            {"maxExpirationSeconds": 3599},
            "spec.maxExpirationSeconds: Invalid value: 3599: must be in the range [3600, 7862400]",
        ),
        (
            {"maxExpirationSeconds": 86401, "signerName": "kubernetes.io/kube-apiserver-client-pod"},
            "spec.maxExpirationSeconds: Invalid value: 86401: must be in the range [3600, 86400]",
        ),
        (
            {"unverifiedUserAnnotations": {"x": "y"}},
            'spec.unverifiedUserAnnotations: Invalid value: "x": must be a domain-prefixed key (such as "acme.io/foo")',
        ),
    ],
)
async def test_requests_prove_a_key(api: Any, change: dict[str, Any], wrong: str) -> None:
    answer = await api.send("POST", REQUESTS, {"metadata": {"name": "r"}, "spec": SPEC | change})
    assert answer.status == (422 if wrong else 201)
    assert answer.json.get("message", "").endswith(wrong)


def condition(kind: str) -> dict[str, str]:
    since = timestamps.format_time(NOW)
    return {"type": kind, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": since}


def issued(hours: float = 24, key: Any = KEY, **more: Any) -> dict[str, Any]:
    name = x509.Name([])
    begin, end = NOW.replace(microsecond=0), NOW.replace(microsecond=0) + datetime.timedelta(hours=hours)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    leaf = builder.serial_number(1).not_valid_before(begin).not_valid_after(end).sign(KEY, hashes.SHA256())
    times = {
        "notBefore": begin,
        "notAfter": end,
        "beginRefreshAt": begin + datetime.timedelta(minutes=30),
    }
    return {
        "conditions": [condition("Issued")],
        "certificateChain": leaf.public_bytes(serialization.Encoding.PEM).decode(),
        **{name: timestamps.format_time(value) for name, value in times.items()},
        **more,
    }


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (issued(), ""),
        ({"conditions": [condition("Denied")]}, ""),
        (
            {"conditions": [condition("Failed")], "certificateChain": "x"},
            "non-condition status fields must be empty when denying or failing the PodCertificateRequest",
        ),
        ({"certificateChain": "x"}, 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'),
        (
            {"conditions": [condition("Odd")]},
            'Unsupported value: "Odd": supported values: "Issued", "Denied", "Failed"',
        ),
        (
            issued(key=ec.generate_private_key(ec.SECP256R1())),
            "leaf certificate was not issued to the requested public key",
        ),
        (issued(25), "leaf certificate lifetime must be <= spec.maxExpirationSeconds (86400)"),
        (issued(0.9), "leaf certificate lifetime must be >= 1 hour"),
        (issued(notAfter=None), "must be present and consistent with the issued certificate"),
        (
            issued(beginRefreshAt=timestamps.format_time(NOW + datetime.timedelta(minutes=9))),
            "must be at least 10 minutes after status.notBefore",
        ),
    ],
)
async def test_a_signer_answers_once(api: Any, status: dict[str, Any], wrong: str) -> None:
    await api.create(REQUESTS, {"metadata": {"name": "r"}, "spec": SPEC})
    answer = await api.send("PATCH", f"{REQUESTS}/r/status", {"status": status}, content=MERGE)
    assert answer.status == (422 if wrong else 200)
    assert answer.json.get("message", "").endswith(wrong)
    if not wrong:
        again = await api.send("PATCH", f"{REQUESTS}/r/status", {"status": {"conditions": None}}, content=MERGE)
        text = "immutable after PodCertificateRequest is issued, denied, or failed"
        assert again.json["message"].endswith(text)
