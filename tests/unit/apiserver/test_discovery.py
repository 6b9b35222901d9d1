"""Discovery, health and the other paths are upstream's."""

import json
import pathlib
from typing import Any

import pytest

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "upstream"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.mark.parametrize(
    ("path", "sample"),
    [("/api/v1", "api_v1"), ("/apis", "apis"), ("/apis/apps", "apis_apps"), ("/apis/apps/v1", "apis_apps_v1")],
)
async def test_legacy_documents(api: Any, path: str, sample: str) -> None:
    expected = json.loads((GOLDEN / "samples" / f"{sample}.json").read_text())
    assert await api.get(path) == expected


async def test_the_aggregated_document(api: Any) -> None:
    expected = json.loads((GOLDEN / "discovery.json").read_text())
    found = []
    for path in ("/api", "/apis"):
        answer = await api.send("GET", path, Accept=f"{AGGREGATED},application/json")
        assert answer.header("Content-Type") == [AGGREGATED]
        found += answer.json["items"]
        again = await api.raw(
            "GET", path, headers=[("Accept", AGGREGATED), ("If-None-Match", answer.header("Etag")[0])]
        )
        assert again.status == 304
    assert found == expected["items"]


async def test_version_and_root(api: Any) -> None:
    assert (await api.get("/version"))["gitVersion"] == "v1.37.2"
    paths = (await api.get("/"))["paths"]
    assert {"/api/v1", "/apis/apps/v1", "/healthz/ping", "/openapi/v3"} <= set(paths)


async def test_health(api: Any) -> None:
    assert (await api.send("GET", "/livez")).text == "ok"
    verbose = (await api.send("GET", "/readyz?verbose")).text
    assert "[+]poststarthook/rbac/bootstrap-roles ok\n" in verbose
    assert verbose.endswith("readyz check passed\n")
    assert (await api.send("GET", "/healthz/ping")).text == "ok"
    excluded = (await api.send("GET", "/livez?verbose&exclude=ping")).text
    assert "[+]ping excluded: ok\n" in excluded
    api.server.health.add("broken", lambda: "it is")
    failed = await api.send("GET", "/readyz")
    assert failed.status == 500
    assert "[-]broken failed: reason withheld\n" in failed.text


async def test_metrics_count_requests(api: Any) -> None:
    await api.get("/api/v1/namespaces")
    text = (await api.send("GET", "/metrics")).text
    assert 'apiserver_request_total{verb="LIST",group="",version="v1",resource="namespaces"' in text


async def test_openapi_documents_are_found_by_their_index(api: Any) -> None:
    index = await api.get("/openapi/v3")
    url = index["paths"]["apis/coordination.k8s.io/v1"]["serverRelativeURL"]
    answer = await api.send("GET", url)
    assert answer.json["openapi"].startswith("3.")
    assert answer.header("Cache-Control") == ["public, immutable"]


async def test_every_request_has_an_audit_id(api: Any) -> None:
    assert len((await api.send("GET", "/version")).header("Audit-Id")) == 1
    assert (await api.send("GET", "/api/v1/nothing", Audit_Id="mine")).header("Audit-Id") == ["mine"]
