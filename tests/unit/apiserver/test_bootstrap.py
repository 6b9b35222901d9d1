"""A server makes its first objects, keeps them right, and leaves alone what is not its own."""

from typing import Any

from tests.unit.apiserver import conftest

from pybernetes.aio import clock as clocks
from pybernetes.apiserver import app
from pybernetes.storage import memory

DEFAULT = "/api/v1/namespaces/default"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/view"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node-proxier"
MERGE = "application/merge-patch+json"


async def start(backend: memory.MemoryBackend, clock: clocks.VirtualClock, port: int) -> conftest.Api:
    server = app.ApiServer(
        app.ServerConfig(tokens=(conftest.Tokens(),), advertise_address="192.0.2.1", port=port), backend, clock
    )
    await server.start()
    await server.ready()
    return conftest.Api(server, clock)


async def test_a_server_that_moves_says_where_it_is_now() -> None:
    clock = clocks.VirtualClock()
    backend = memory.MemoryBackend()
    first = await start(backend, clock, 6443)
    rules = (await first.get(ROLES))["rules"]
    await first.send(
        "PATCH", ROLES, {"rules": [*rules[1:], {"verbs": ["get"], "nonResourceURLs": ["/x"]}]}, content=MERGE
    )
    service = await first.get(f"{DEFAULT}/services/kubernetes")
    await first.server.stop()
    second = await start(backend, clock, 7443)
    piece = await second.get(SLICE)
    assert [port["port"] for port in piece["ports"]] == [7443]
    again = await second.get(f"{DEFAULT}/services/kubernetes")
    assert again["spec"]["ports"][0]["targetPort"] == 7443
    assert again["spec"]["clusterIP"] == service["spec"]["clusterIP"] == "10.96.0.1"
    assert again["metadata"]["uid"] == service["metadata"]["uid"]
    mended = (await second.get(ROLES))["rules"]
    assert rules[0] in mended
    assert {"verbs": ["get"], "nonResourceURLs": ["/x"]} in mended
    await second.server.stop()


async def test_the_kubernetes_service_comes_back(api: Any) -> None:
    before = await api.get(f"{DEFAULT}/services/kubernetes")
    assert (await api.send("DELETE", f"{DEFAULT}/services/kubernetes")).status == 200
    await api.clock.advance(61)
    after = await api.get(f"{DEFAULT}/services/kubernetes")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["clusterIP"] == "10.96.0.1"


async def test_every_group_has_its_api_service(api: Any) -> None:
    found = await api.get("/apis/apiregistration.k8s.io/v1/apiservices")
    assert len(found["items"]) == 22
    assert {item["status"]["conditions"][0]["reason"] for item in found["items"]} == {"Local"}
    assert (await api.send("GET", ROLE)).status == 200


async def test_deprecated_resources_say_so(api: Any) -> None:
    answer = await api.send("GET", "/api/v1/endpoints")
    assert answer.header("Warning") == [
        '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
    ]
    components = await api.send("GET", "/api/v1/componentstatuses")
    assert [item["metadata"]["name"] for item in components.json["items"]] == [
        "controller-manager",
        "etcd-0",
        "scheduler",
    ]
