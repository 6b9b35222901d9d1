"""The audit log and the requests it tells of."""

import json
from typing import Any

import pytest

MAPS = "/api/v1/namespaces/ns/configmaps"


@pytest.fixture
def settings(tmp_path: Any) -> dict[str, Any]:
    return {"audit_log": tmp_path / "audit.log"}


async def test_clients_find_their_requests_by_id(api: Any, settings: dict[str, Any]) -> None:
    own = "11111111-2222-3333-4444-555555555555"
    answers = [await api.send("GET", MAPS), await api.send("GET", MAPS, Audit_ID=own)]
    await api.clock.advance(1)
    events = [json.loads(line) for line in settings["audit_log"].read_text().splitlines()]
    logged = [one["auditID"] for one in events if one["requestURI"] == MAPS]
    assert logged == [answer.header("Audit-Id")[0] for answer in answers]
    assert logged[1] == own
