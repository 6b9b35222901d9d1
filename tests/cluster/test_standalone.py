"""Each component as a process of its own, over real TLS: what `kube-apiserver`, `kube-scheduler` … do alone."""

import asyncio
from collections.abc import AsyncIterator

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


FAST = ("--leader-elect-lease-duration=6s", "--leader-elect-renew-deadline=5s", "--leader-elect-retry-period=500ms")


async def _manager(place: Place, until: str, port: int) -> asyncio.subprocess.Process:
    return await place.run(
        until,
        *("kube-controller-manager", "--kubeconfig=kube-controller-manager.conf", "--bind-address=127.0.0.1"),
        *(f"--secure-port={port}", "--controllers=namespace,garbagecollector,job", "--client-ca-file=ca.crt", *FAST),
    )


async def test_one_manager_after_another(place: Place) -> None:
    """Seed D1: the Lease names who works; another takes over from one that was killed, and from one that has ended."""
    await place.api_server()
    first = await _manager(place, "Started controller", free_port())
    second = await _manager(place, "Attempting to acquire", free_port())
    async with place.client() as client:
        leases = client.resource(coordination.Lease)
        page = await leases.list("kube-system", field_selector="metadata.name=kube-controller-manager")
        (lease,) = page.items
        assert lease.spec.leaseTransitions == 0
        first.kill()
        await first.wait()
        holders = [lease.spec.holderIdentity or ""]
        watch = leases.watch(
            "kube-system",
            resource_version=page.resource_version,
            field_selector="metadata.name=kube-controller-manager",
        )
        async with asyncio.timeout(30), watch as events:
            holders.append(await _next_holder(events, holders[0]))
            await _manager(place, "Attempting to acquire", free_port())
            assert second.returncode is None, "".join(place.log[-40:])
            second.terminate()
            assert await second.wait() == 0
            holders.append(await _next_holder(events, holders[1]))
            holders.append(await _next_holder(events, ""))
    assert holders[2] == ""
    assert len({*holders}) == 4


async def _next_holder(events: AsyncIterator[rest.WatchEvent[coordination.Lease]], before: str) -> str:
    async for event in events:
        if event.type != "BOOKMARK" and event.object.spec.holderIdentity != before:
            return event.object.spec.holderIdentity or ""
    raise AssertionError("the watch ended")


async def test_the_life_of_a_controller_manager(place: Place) -> None:
    """Seed C1: it serves, holds the Lease, starts the controllers; SIGTERM: exit code 0, the Lease is free."""
    await place.api_server()
    process = await _manager(place, "Caches are synced", free_port())
    told = ("Serving securely", "Successfully acquired lease", "Started controller")
    first = [next(number for number, line in enumerate(place.log) if words in line) for words in told]
    assert first == sorted(first)
    async with place.client() as client:
        page = await client.resource(core.Event).list("kube-system")
    said = [one.message for one in page.items if one.reason == "LeaderElection"]
    assert [words.partition("_")[2].partition(" ")[2] for words in said] == ["became leader"]
    process.terminate()
    assert await process.wait() == 0
    async with place.client() as client:
        lease = await client.resource(coordination.Lease).get("kube-controller-manager", "kube-system")
    assert lease.spec.holderIdentity == ""


async def test_health_and_debugging(place: Place) -> None:
    """Seed C4: each controller has its check, and those that show something have a page, for whoever may see it."""
    (place.path / "tokens").write_text('t0ken,me,1,"system:masters"\n')
    await place.api_server("--token-auth-file=tokens")
    port = free_port()
    await _manager(place, "Proceeding to collect garbage", port)
    code, text = await _ask(place.clock, port, "/healthz?verbose")
    names = ("leaderElection", "namespace-controller", "garbage-collector-controller", "job-controller")
    assert (code, text) == (200, "".join(f"[+]{name} ok\n" for name in names) + "healthz check passed\n")
    me = {"Authorization": "Bearer t0ken"}
    assert (await _ask(place.clock, port, "/debug/controllers/garbagecollector/graph"))[0] == 403
    code, text = await _ask(place.clock, port, "/debug/controllers/garbagecollector/graph", me)
    assert code == 200
    assert text.startswith("strict digraph full {\n")
    assert (await _ask(place.clock, port, "/debug/controllers/namespace/graph", me))[0] == 404
    for user, expected in (("admin", 200), ("kube-scheduler", 403)):
        pair = ((place.path / f"{user}.crt").read_bytes(), (place.path / f"{user}.key").read_bytes())
        assert (await _ask(place.clock, port, "/metrics", pair=pair))[0] == expected


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


async def _ask(
    clock: clocks.Clock,
    port: int,
    path: str,
    headers: dict[str, str] | None = None,
    pair: tuple[bytes, bytes] | None = None,
) -> tuple[int, str]:
    context = tls.client_context(None, *(pair or ()), insecure=True)
    client = http_client.HttpClient(context, clock=clock)
    try:
        answer = await client.request("GET", f"https://127.0.0.1:{port}{path}", list((headers or {}).items()))
        return answer.status, answer.body.decode()
    finally:
        await client.close()
