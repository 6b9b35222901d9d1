"""ClusterTrustBundles and PodCertificateRequests: who may write them, and what signers answer (the rest is golden)."""

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import timestamps
from pybernetes.crypto import certs

GROUP = "/apis/certificates.k8s.io/v1"
BUNDLES, REQUESTS = f"{GROUP}/clustertrustbundles", f"{GROUP}/namespaces/ns/podcertificaterequests"
MERGE = "application/merge-patch+json"
NOW = clocks.VirtualClock().now()
ROOT = certs.new_authority("one", now=NOW).certificate.decode()


def bundle(name: str, text: str, signer: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"trustBundle": text, **({"signerName": signer} if signer else {})}}


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
