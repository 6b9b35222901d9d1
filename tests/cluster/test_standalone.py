"""Each component as a process of its own, over real TLS: what `kube-apiserver`, `kube-scheduler` … do alone."""

import asyncio

import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import apps, coordination, core
from pybernetes.client import rest
from pybernetes.http import client as http_client
from pybernetes.http import tls
from pybernetes.testing import objects

from .conftest import Place, free_port

pytestmark = pytest.mark.slow

ACCOUNTS = "system:serviceaccount:kube-system:"


async def test_a_control_plane_of_three_processes(place: Place) -> None:
    status, scheduler_status = free_port(), free_port()
    local = "--bind-address=127.0.0.1"
    await place.api_server("--audit-log-path=audit.log")
    await place.run(
        "Caches are synced",
        *("kube-controller-manager", "--kubeconfig=kube-controller-manager.conf", "--root-ca-file=ca.crt", "-v=2"),
        *("--use-service-account-credentials", local, f"--secure-port={status}"),
    )
    await place.run(
        "Started scheduler",
        *("kube-scheduler", "--kubeconfig=kube-scheduler.conf", local, f"--secure-port={scheduler_status}"),
    )
    async with place.client() as client:
        leases = await client.resource(coordination.Lease).list("kube-system")
        assert {one.metadata.name for one in leases.items} >= {"kube-controller-manager", "kube-scheduler"}
        await client.resource(core.Node).create(objects.node("n1"))
        await client.resource(apps.ReplicaSet).create(objects.replica_set("web"))
        pod = await _bound_pod(client)
        assert pod.spec.nodeName == "n1"
        token = await client.resource(core.ServiceAccount).create_subresource(
            "replicaset-controller", "token", {"spec": {}}, "kube-system"
        )
    bearer = {"Authorization": f"Bearer {token['status']['token']}"}
    assert await _ask(place.clock, status, "/healthz") == (200, "ok")
    assert await _ask(place.clock, scheduler_status, "/readyz") == (200, "ok")
    assert (await _ask(place.clock, status, "/metrics"))[0] == 403
    refused = await _ask(place.clock, status, "/metrics", bearer)
    assert refused == (403, f'Forbidden: User "{ACCOUNTS}replicaset-controller" cannot get path "/metrics"\n')
    assert (await _ask(place.clock, status, "/metrics", {"Authorization": "Bearer nonsense"}))[0] == 401
    await place.stop()  # the audit log is written a few times a second, and at the end
    audit = (place.path / "audit.log").read_text()
    assert f'"username":"{ACCOUNTS}replicaset-controller"' in audit.replace('": "', '":"')


async def test_objects_outlive_the_api_server(place: Place) -> None:
    await place.api_server()
    async with place.client() as client:
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}
        await client.dynamic("v1", "ConfigMap").create(made, "default")
    await place.stop()
    await place.api_server()
    async with place.client() as client:
        assert (await client.dynamic("v1", "ConfigMap").get("mine", "default"))["metadata"]["name"] == "mine"


async def test_tokens_and_nobody(place: Place) -> None:
    (place.path / "tokens").write_text('t0ken,me,1,"system:masters"\n')
    await place.api_server("--storage=memory", "--token-auth-file=tokens", "--anonymous-auth=false")
    me = {"Authorization": "Bearer t0ken"}
    assert (await _ask(place.clock, place.port, "/api/v1/namespaces", me))[0] == 200
    assert (await _ask(place.clock, place.port, "/api/v1/namespaces"))[0] == 401


async def _bound_pod(client: rest.Client) -> core.Pod:
    pods = client.resource(core.Pod)
    page = await pods.list("default")
    found = [pod for pod in page.items if pod.spec.nodeName]
    if found:
        return found[0]
    async with asyncio.timeout(30), pods.watch("default", resource_version=page.resource_version) as events:
        async for event in events:
            if event.type != "BOOKMARK" and event.object.spec.nodeName:
                return event.object
    raise AssertionError("the watch ended")


async def _ask(clock: clocks.Clock, port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    client = http_client.HttpClient(tls.client_context(insecure=True), clock=clock)
    try:
        answer = await client.request("GET", f"https://127.0.0.1:{port}{path}", list((headers or {}).items()))
        return answer.status, answer.body.decode()
    finally:
        await client.close()
