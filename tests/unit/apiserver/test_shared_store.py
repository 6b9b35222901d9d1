"""Two servers on one store: who has which address, where `kubernetes` leads to, what crashes leave behind."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.apiserver import conftest

from pybernetes.aio import clock as clocks
from pybernetes.apiserver import app
from pybernetes.storage import feed, memory

NAMESPACE = "/api/v1/namespaces/default"
SERVICES = f"{NAMESPACE}/services"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
PORTS = "/registry/ranges/servicenodeports"


class Shared(memory.MemoryBackend):
    """A store that several servers write; what they write is known to all at once."""

    exclusive = False


async def start(
    backend: memory.MemoryBackend, clock: clocks.VirtualClock, address: str, size: int = 16
) -> conftest.Api:
    config = app.ServerConfig(tokens=(conftest.Tokens(),), advertise_address=address, service_range=f"10.96.0.0/{size}")
    server = app.ApiServer(config, backend, clock)
    await server.start()
    await server.ready()
    return conftest.Api(server, clock)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[conftest.Api, conftest.Api]]:
    clock, backend = clocks.VirtualClock(), Shared()
    servers = [await start(backend, clock, f"192.0.2.{number}", 28) for number in (1, 2)]
    yield servers[0], servers[1]
    for one in servers:
        await one.server.stop()


def service(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


async def listed(api: conftest.Api, path: str) -> list[str]:
    return [item["metadata"]["name"] for item in (await api.get(path))["items"]]


async def bits(api: conftest.Api) -> int:
    record = await api.server.backend.get(PORTS)
    assert record is not None
    return int.from_bytes(base64.b64decode(json.loads(record.value)["data"]), "big")


async def test_no_address_is_given_out_twice(pair: tuple[conftest.Api, conftest.Api]) -> None:
    asked = [pair[number % 2].send("POST", SERVICES, service(f"s{number}")) for number in range(16)]
    answers = await asyncio.gather(*asked)
    given = [one.json["spec"]["clusterIP"] for one in answers if one.status == 201]
    # fourteen addresses, one of them that of `kubernetes`
    assert len(given) == len(set(given)) == 13
    assert {one.json["message"] for one in answers if one.status != 201} == {
        "Internal error occurred: failed to allocate a serviceIP: range is full"
    }
    assert sorted(await listed(pair[0], ADDRESSES)) == sorted(["10.96.0.1", *given])
    taken = await pair[1].send("POST", SERVICES, service("again", clusterIP=given[0]))
    assert "provided IP is already allocated" in taken.json["message"]
    name = answers[[one.status for one in answers].index(201)].json["metadata"]["name"]
    assert (await pair[1].send("DELETE", f"{SERVICES}/{name}")).status == 200
    assert given[0] not in await listed(pair[0], ADDRESSES)
    assert (await pair[0].send("POST", SERVICES, service("again", clusterIP=given[0]))).status == 201


async def test_no_node_port_is_given_out_twice(pair: tuple[conftest.Api, conftest.Api]) -> None:
    wanted = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30007}]}
    asked = (one.send("POST", SERVICES, service(name, **wanted)) for one, name in zip(pair, "ab", strict=True))
    answers = await asyncio.gather(*asked)
    assert sorted(one.status for one in answers) == [201, 422]
    refused = next(one for one in answers if one.status == 422)
    assert "spec.ports[0].nodePort: Invalid value: 30007: provided port is already allocated" in refused.json["message"]
    assert await bits(pair[0]) == 1 << 7
    # what was claimed before the refusal is given back
    assert len(await listed(pair[0], ADDRESSES)) == 2
    both = [{"name": p, "port": 53, "protocol": p.upper(), "targetPort": 53} for p in ("tcp", "udp")]
    dns = (await pair[0].send("POST", SERVICES, service("dns", type="NodePort", ports=both))).json
    numbers = {port["nodePort"] for port in dns["spec"]["ports"]}
    assert len(numbers) == 1
    assert await bits(pair[1]) == 1 << 7 | 1 << (numbers.pop() - 30000)
    dns["spec"] |= {"type": "ClusterIP", "ports": both[:1]}
    assert (await pair[1].send("PUT", f"{SERVICES}/dns", dns)).status == 200
    assert await bits(pair[0]) == 1 << 7


async def test_dry_run_claims_nothing(pair: tuple[conftest.Api, conftest.Api]) -> None:
    before = await pair[0].server.backend.revision()
    answer = await pair[0].send("POST", f"{SERVICES}?dryRun=All", service("x", type="NodePort"))
    assert answer.status == 201
    assert answer.json["spec"]["clusterIP"].startswith("10.96.0.")
    assert 30000 <= answer.json["spec"]["ports"][0]["nodePort"] < 32768
    assert await pair[0].server.backend.revision() == before


async def test_what_nobody_holds_is_freed(pair: tuple[conftest.Api, conftest.Api]) -> None:
    store = pair[0].server.backend
    made = (await pair[0].send("POST", SERVICES, service("x", type="NodePort"))).json
    address = made["spec"]["clusterIP"]
    # a server died between giving the Service up and giving its numbers back; another between the claim and the Service
    record = await store.get("/registry/services/specs/default/x")
    assert record is not None
    await store.delete(record.key, expected=record.mod_revision)
    assert address in await listed(pair[1], ADDRESSES)
    await pair[0].clock.advance(400)
    assert await listed(pair[1], ADDRESSES) == ["10.96.0.1"]
    assert await bits(pair[0]) == 0


async def test_services_of_an_older_version_are_recorded() -> None:
    clock, backend = clocks.VirtualClock(), memory.MemoryBackend()
    await backend.start()
    old = {**service("old", clusterIP="10.96.0.77", clusterIPs=["10.96.0.77"], type="NodePort"), "status": {}}
    old["metadata"] |= {"namespace": "default", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    old["spec"]["ports"][0] |= {"nodePort": 30001, "protocol": "TCP"}
    await backend.create("/registry/services/specs/default/old", json.dumps(old).encode())
    api = await start(backend, clock, "192.0.2.1")
    assert await listed(api, ADDRESSES) == ["10.96.0.1", "10.96.0.77"]
    assert await bits(api) == 2
    await api.server.stop()


async def test_the_kubernetes_service_leads_to_every_server(pair: tuple[conftest.Api, conftest.Api]) -> None:
    async def endpoints() -> list[str]:
        subsets = (await pair[1].get(f"{NAMESPACE}/endpoints/kubernetes"))["subsets"]
        piece = await pair[1].get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")
        found = [one["ip"] for one in subsets[0]["addresses"]]
        assert [one["addresses"] for one in piece["endpoints"]] == [[one] for one in found]
        return found

    assert await endpoints() == ["192.0.2.1", "192.0.2.2"]
    store = pair[1].server.backend
    await store.create("/registry/masterleases/192.0.2.3", b"{}")  # one that dies at once
    await pair[1].clock.advance(11)
    assert await endpoints() == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    await pair[1].clock.advance(20)
    assert await endpoints() == ["192.0.2.1", "192.0.2.2"]
    await pair[0].server.peers.leave()
    await pair[1].clock.advance(0)
    assert await store.get("/registry/masterleases/192.0.2.1") is None


async def test_rights_follow_a_store_that_lost_track(pair: tuple[conftest.Api, conftest.Api]) -> None:
    api, store = pair[0], pair[0].server.backend
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"

    async def bind(user: str) -> None:
        body = {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kube-dns"},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        }
        assert (await api.send("POST", bindings, body)).status == 201

    async def rights() -> list[int]:
        return [(await api.send("GET", SERVICES, token=f"user:{user}")).status for user in ("old", "new")]

    await bind("old")
    assert await rights() == [200, 403]
    assert isinstance(store, Shared)
    # what the other servers write now, this one will not be told
    store._feed, held = feed.Feed(store.newest), store._feed
    record = await store.get("/registry/clusterrolebindings/old")
    assert record is not None
    await store.delete(record.key, expected=record.mod_revision)
    await store.create("/registry/clusterrolebindings/new", record.value.replace(b'"old"', b'"new"'))
    store._feed = held
    held.lose(await store.revision())
    await api.clock.advance(3)
    assert await rights() == [403, 200]
