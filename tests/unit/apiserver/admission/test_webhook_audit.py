"""What webhooks leave in the audit log."""

import json
from typing import Any

import pytest

HOOKS = "/apis/admissionregistration.k8s.io/v1"
MAPS = "/api/v1/namespaces/ns/configmaps"
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
PLAIN = {"rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore"}
MUTATION = '{"configuration":"hooks","webhook":"a.example.com","mutated":false}'


@pytest.fixture
def settings(tmp_path: Any) -> dict[str, Any]:
    return {"audit_log": tmp_path / "audit.log"}


async def test_annotations(api: Any, webhook: Any, settings: dict[str, Any]) -> None:
    def respond(request: dict[str, Any]) -> dict[str, Any]:
        return {"uid": request["uid"], "allowed": True, "auditAnnotations": {"seen": "yes", "not a key": "x"}}

    nobody = {"service": {"namespace": "ns", "name": "nobody"}}
    async with webhook(respond) as client:
        for sort, where, name in (("mutating", client, "a.example.com"), ("validating", nobody, "b.example.com")):
            hook = {"name": name, "clientConfig": where, **PLAIN}
            body = {"metadata": {"name": "hooks"}, "webhooks": [hook]}
            await api.create(f"{HOOKS}/{sort}webhookconfigurations", body)
        await api.clock.advance(0)
        await api.create(MAPS, {"metadata": {"name": "a"}})
    await api.clock.advance(1)
    events = [json.loads(line) for line in settings["audit_log"].read_text().splitlines()]
    (event,) = (one for one in events if one["requestURI"] == MAPS)
    assert event["annotations"] == {
        "a.example.com/seen": "yes",
        "mutation.webhook.admission.k8s.io/round_0_index_0": MUTATION,
        "failed-open.validating.webhook.admission.k8s.io/round_0_index_0": "b.example.com",
    }
