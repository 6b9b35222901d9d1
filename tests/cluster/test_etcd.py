"""API servers that share an etcd: two of ours, and ours beside a real kube-apiserver."""

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from pybernetes.client import rest

from .conftest import Place, free_port

pytestmark = pytest.mark.slow

RESOURCES = (
    ("v1", "Namespace"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("networking.k8s.io/v1", "ServiceCIDR"),
    ("networking.k8s.io/v1", "IPAddress"),
    ("coordination.k8s.io/v1", "Lease"),
)
POD = {"containers": [{"name": "c", "image": "i"}]}


def obj(version: str, kind: str, name: str, **members: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **members}


async def create_some(client: rest.Client, suffix: str) -> None:
    """One object of several kinds."""
    labels = {"app": suffix}
    template = {"metadata": {"labels": labels}, "spec": POD}
    for one in (
        obj("v1", "ConfigMap", f"c-{suffix}", data={"metadata": '"metadata":{"x'}),
        obj("v1", "Pod", f"p-{suffix}", spec={**POD, "automountServiceAccountToken": False, "serviceAccountName": "d"}),
        obj("v1", "Service", f"s-{suffix}", spec={"ports": [{"port": 80}], "selector": labels, "type": "NodePort"}),
        obj("apps/v1", "Deployment", f"d-{suffix}", spec={"selector": {"matchLabels": labels}, "template": template}),
    ):
        await client.dynamic(one["apiVersion"], one["kind"]).create(one, "default")


async def everything(client: rest.Client) -> dict[str, Any]:
    """All objects of the resources compared, as the server shows them."""
    return {kind: (await client.dynamic(version, kind).list()).items for version, kind in RESOURCES}


@pytest.mark.upstream
async def test_beside_a_real_kube_apiserver(place: Place, etcd_url: str, kube_apiserver: str) -> None:
    theirs = free_port()
    shared = (f"--etcd-servers={etcd_url}", "--etcd-prefix=/beside")
    await place.api_server(*shared)
    async with place.client() as client:
        await client.dynamic("v1", "ServiceAccount").create(obj("v1", "ServiceAccount", "d"), "default")
        await create_some(client, "ours")
    key = serialization.load_pem_private_key((place.path / "sa.key").read_bytes(), None).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (place.path / "sa.pub").write_bytes(key.public_bytes(serialization.Encoding.PEM, form))
    await place.run_program(
        "all system priority classes are created",
        *(kube_apiserver, "--storage-media-type=application/json", *shared, "--v=2"),
        *("--bind-address=127.0.0.1", f"--secure-port={theirs}", "--endpoint-reconciler-type=none"),
        *("--tls-cert-file=apiserver.crt", "--tls-private-key-file=apiserver.key", "--client-ca-file=ca.crt"),
        *("--service-account-issuer=https://kubernetes.default.svc", "--service-account-signing-key-file=sa.key"),
        *(
            "--service-account-key-file=sa.pub",
            "--authorization-mode=Node,RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
        ),
    )
    async with place.client() as client, place.client(theirs) as upstream:
        await create_some(upstream, "theirs")
        first, second = await everything(client), await everything(upstream)
        assert {one["metadata"]["name"] for one in first["Pod"]} == {"p-ours", "p-theirs"}
        for kind in first:
            assert first[kind] == second[kind], kind


async def test_two_servers_and_a_leader_that_is_killed(place: Place, etcd_url: str) -> None:
    second = free_port()
    shared = (f"--etcd-servers={etcd_url}", "--etcd-prefix=/two")
    await place.api_server(*shared)
    await place.api_server(*shared, f"--secure-port={second}")

    async def manager(port: int, until: str) -> asyncio.subprocess.Process:
        return await place.run(
            until,
            *("kube-controller-manager", "--kubeconfig=kube-controller-manager.conf", "--root-ca-file=ca.crt", "-v=2"),
            *("--bind-address=127.0.0.1", f"--secure-port={free_port()}", f"--master=https://127.0.0.1:{port}"),
            *("--use-service-account-credentials", "--leader-elect-lease-duration=3s"),
            *("--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=1s"),
        )

    leader = await manager(place.port, "Caches are synced")
    await manager(second, "Attempting to acquire leader lease")
    async with place.client() as client, place.client(second) as other:
        leases, pods = other.dynamic("coordination.k8s.io/v1", "Lease"), other.dynamic("v1", "Pod")
        await client.dynamic("v1", "ServiceAccount").create(obj("v1", "ServiceAccount", "d"), "default")
        await create_some(client, "first")
        await create_some(other, "second")
        first, second_page = [await one.dynamic("v1", "Service").list() for one in (client, other)]
        assert first.items == second_page.items
        holder = (await leases.get("kube-controller-manager", "kube-system"))["spec"]["holderIdentity"]
        page = await leases.list("kube-system")
        leader.kill()
        async with asyncio.timeout(25), leases.watch("kube-system", resource_version=page.resource_version) as events:
            async for event in events:
                lease = event.object
                if lease["metadata"]["name"] == "kube-controller-manager" and lease["spec"]["holderIdentity"] != holder:
                    break
        assert lease["spec"]["leaseTransitions"] == 1
        page = await pods.list("default")
        names = {one["metadata"]["name"] for one in page.items}
        async with asyncio.timeout(25), pods.watch("default", resource_version=page.resource_version) as events:
            await client.dynamic("apps/v1", "Deployment").patch("d-first", {"spec": {"replicas": 3}}, "default")
            async for event in events:
                name = event.object["metadata"]["name"]
                if name.startswith("d-first-") and name not in names:
                    break
