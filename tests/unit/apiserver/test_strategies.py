"""What the server adds to, and keeps from, objects of kinds that differ."""

import base64
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TEMPLATE = {"spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "i"}]}}
MERGE = "application/merge-patch+json"
JOBS = "/apis/batch/v1/namespaces/ns/jobs"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def certificate_request() -> str:
    """A PKCS #10 request as the API carries it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


async def test_a_job_selects_its_own_pods(api: Any) -> None:
    job = await api.create(JOBS, {"metadata": {"name": "j"}, "spec": {"template": TEMPLATE}})
    uid = job["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert (labels["job-name"], labels["controller-uid"]) == ("j", uid)
    deleted = await api.send("DELETE", f"{JOBS}/j")
    assert deleted.json["metadata"]["finalizers"] == ["orphan"]


async def test_a_daemon_set_counts_its_templates(api: Any) -> None:
    base = "/apis/apps/v1/namespaces/ns/daemonsets"
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": TEMPLATE["spec"]["containers"]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    made = await api.create(base, {"metadata": {"name": "d"}, "spec": spec})
    key = "deprecated.daemonset.template.generation"
    assert made["metadata"]["annotations"][key] == "1"
    changed = {"spec": {"template": {"metadata": {"annotations": {"x": "y"}}}}}
    patched = (await api.send("PATCH", f"{base}/d", changed, content=MERGE)).json
    assert (patched["metadata"]["annotations"][key], patched["metadata"]["generation"]) == ("2", 2)
    other = (await api.send("PATCH", f"{base}/d", {"spec": {"minReadySeconds": 5}}, content=MERGE)).json
    assert (other["metadata"]["annotations"][key], other["metadata"]["generation"]) == ("2", 3)


async def test_a_signing_request_names_who_asked(api: Any) -> None:
    body = {
        "metadata": {"name": "c"},
        "spec": {
            "request": certificate_request(),
            "signerName": "example.com/signer",
            "usages": ["client auth"],
            "username": "somebody-else",
            "groups": ["system:masters"],
        },
        "status": {"conditions": [{"type": "Approved", "status": "True"}]},
    }
    made = await api.create(REQUESTS, body)
    assert made["spec"]["username"] == "admin"
    assert made["status"] == {}
    approval = {"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "R", "message": "m"}]}}
    ignored = await api.send("PATCH", f"{REQUESTS}/c", approval, content=MERGE)
    assert ignored.json["status"] == {}
    approved = (await api.send("PATCH", f"{REQUESTS}/c/approval", approval, content=MERGE)).json
    assert [one["type"] for one in approved["status"]["conditions"]] == ["Approved"]
    assert approved["status"]["conditions"][0]["lastUpdateTime"]
    signed = {"status": {"certificate": "Y2VydA=="}}
    assert (
        "certificate" not in (await api.send("PATCH", f"{REQUESTS}/c/approval", signed, content=MERGE)).json["status"]
    )


async def test_volumes_start_pending_and_protected(api: Any) -> None:
    base = "/api/v1/persistentvolumes"
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    made = await api.create(base, {"metadata": {"name": "v"}, "spec": spec})
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    assert made["status"]["phase"] == "Pending"
    await api.clock.advance(5)
    bound = (await api.send("PATCH", f"{base}/v/status", {"status": {"phase": "Bound"}}, content=MERGE)).json
    assert bound["status"]["lastPhaseTransitionTime"] > made["status"]["lastPhaseTransitionTime"]


async def test_a_node_keeps_its_status_from_creation(api: Any) -> None:
    body = {"metadata": {"name": "n"}, "spec": {"podCIDR": "10.244.1.0/24"}}
    body["status"] = {"capacity": {"cpu": "4"}}
    made = await api.create("/api/v1/nodes", body)
    assert made["spec"]["podCIDRs"] == ["10.244.1.0/24"]
    assert made["status"]["capacity"] == {"cpu": "4"}
    patch = json.loads('{"status": {"capacity": {"cpu": "8"}}}')
    same = (await api.send("PATCH", "/api/v1/nodes/n", patch, content=MERGE)).json
    assert same["status"]["capacity"] == {"cpu": "4"}
    assert (await api.send("PATCH", "/api/v1/nodes/n/status", patch, content=MERGE)).json["status"]["capacity"] == {
        "cpu": "8"
    }
