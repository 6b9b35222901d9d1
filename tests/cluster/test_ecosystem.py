"""Other people's clients work with a test's cluster through its kubeconfig (the extra `ecosystem` installs them)."""

import asyncio
from typing import Any

import pytest

from pybernetes.apimachinery import meta
from pybernetes.testing import objects
from pybernetes.testing.cluster import Cluster

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.cluster(nodes=1)]
Object = dict[str, Any]


def is_available(found: list[Object]) -> bool:
    return any(one.get("status", {}).get("availableReplicas") == 2 for one in found)


async def test_the_official_client(cluster: Cluster) -> None:
    kubernetes = pytest.importorskip("kubernetes")
    path = await cluster.kubeconfig()

    def work() -> list[str]:
        with kubernetes.config.new_client_from_config(str(path)) as client:
            apps, core = kubernetes.client.AppsV1Api(client), kubernetes.client.CoreV1Api(client)
            apps.create_namespaced_deployment("default", objects.deployment("web", replicas=1))
            apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 2}})
            watch = kubernetes.watch.Watch()
            for event in watch.stream(apps.list_namespaced_deployment, "default", timeout_seconds=30):
                if event["object"].status.available_replicas == 2:
                    watch.stop()
            pods = core.list_namespaced_pod("default", label_selector="app=web").items
            with pytest.raises(kubernetes.client.ApiException, match="AlreadyExists"):
                apps.create_namespaced_deployment("default", objects.deployment("web"))
            return [pod.status.phase for pod in pods]

    assert await asyncio.to_thread(work) == ["Running", "Running"]


async def test_kr8s(cluster: Cluster) -> None:
    pytest.importorskip("kr8s")
    from kr8s import asyncio as kr8s
    from kr8s.asyncio import objects as kinds

    api = await kr8s.api(kubeconfig=str(await cluster.kubeconfig()))
    deployment = await kinds.Deployment(objects.deployment("web", replicas=1), api=api)
    await deployment.create()
    await deployment.scale(2)
    await deployment.wait("condition=Available")
    await cluster.wait("apps/v1", "Deployment", is_available)
    pods = [pod async for pod in api.get("pods", namespace="default", label_selector={"app": "web"})]
    assert [pod.status.phase for pod in pods] == ["Running", "Running"]
    await deployment.delete()
    assert not await deployment.exists()


async def test_lightkube(cluster: Cluster) -> None:
    lightkube = pytest.importorskip("lightkube")
    from lightkube.resources import apps_v1, core_v1

    config = lightkube.KubeConfig.from_file(str(await cluster.kubeconfig()))
    client = lightkube.AsyncClient(config=config)
    wanted = apps_v1.Deployment.from_dict(objects.deployment("web", replicas=2))
    await client.apply(wanted, field_manager="test")
    async for _, found in client.watch(apps_v1.Deployment, namespace="default"):
        if found.status is not None and found.status.availableReplicas == 2:
            break
    pods = [pod async for pod in client.list(core_v1.Pod, namespace="default", labels={"app": "web"})]
    assert [pod.status.phase for pod in pods] == ["Running", "Running"]
    await client.delete(apps_v1.Deployment, "web", namespace="default")
    await client.close()


async def test_kopf(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    kopf = pytest.importorskip("kopf")
    monkeypatch.setenv("KUBECONFIG", str(await cluster.kubeconfig()))
    registry = kopf.OperatorRegistry()
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    front: dict[str, Any] = {"metadata": {"name": "front"}, "spec": {"size": 26}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": free}}
    definition = {
        "group": "example.com",
        "names": {"plural": "wheels", "kind": "Wheel"},
        "scope": "Namespaced",
        "versions": [{**version, "subresources": {"status": {}}}],
    }
    crd = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    head = {"apiVersion": crd[0], "kind": crd[1], "metadata": {"name": "wheels.example.com"}}
    await cluster.apply({**head, "spec": definition})
    await cluster.wait(*crd, lambda found: any(meta.condition_is(one, "Established") for one in found))

    @kopf.on.create("example.com", "v1", "wheels", registry=registry)
    def turn(spec: Any, patch: Any, **_: Any) -> None:
        patch.status["turns"] = spec["size"] + 1

    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    stop, ready = asyncio.Event(), asyncio.Event()
    operator = asyncio.ensure_future(
        kopf.operator(
            registry=registry,
            settings=settings,
            standalone=True,
            namespaces=["default"],
            stop_flag=stop,
            ready_flag=ready,
        )
    )
    await cluster.apply({"apiVersion": "example.com/v1", "kind": "Wheel", **front})
    await cluster.wait(
        "example.com/v1", "Wheel", lambda wheels: any(one.get("status") == {"turns": 27} for one in wheels), "default"
    )
    stop.set()
    await operator
