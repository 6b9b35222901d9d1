"""The audit log and the requests it tells of."""

import json
from typing import Any

import pytest

MAPS = "/api/v1/namespaces/ns/configmaps"


@pytest.fixture
def settings(tmp_path: Any) -> dict[str, Any]:
    return {"audit_log": tmp_path / "audit.log"}


def logged(settings: dict[str, Any]) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in settings["audit_log"].read_text().splitlines()]
    return [one for one in events if one["requestURI"] == MAPS]


async def test_clients_find_their_requests_by_id(api: Any, settings: dict[str, Any]) -> None:
    own = "11111111-2222-3333-4444-555555555555"
    answers = [await api.send("GET", MAPS), await api.send("GET", MAPS, Audit_ID=own)]
    await api.clock.advance(1)
    ids = [one["auditID"] for one in logged(settings)]
    assert ids == [answer.header("Audit-Id")[0] for answer in answers]
    assert ids[1] == own


async def test_whoever_impersonates_is_on_record(api: Any, settings: dict[str, Any]) -> None:
    answer = await api.send("GET", MAPS, Impersonate_User="jane", Impersonate_Extra_Scopes="view")
    assert answer.status == 403
    await api.clock.advance(1)
    (event,) = logged(settings)
    assert event["user"]["username"] == "admin"
    assert event["impersonatedUser"] == {
        "username": "jane",
        "groups": ["system:authenticated"],
        "extra": {"scopes": ["view"]},
    }
