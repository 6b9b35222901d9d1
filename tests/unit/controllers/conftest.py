"""A real API server in memory, a clock that only the test moves, and whichever controllers a test asks for.

Every controller speaks with its own service account, so that missing RBAC rules show here. The test plays the nodes:
it writes Pod statuses as a kubelet would.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps
from pybernetes.apiserver import app
from pybernetes.apiserver.admission import chain, namespace_lifecycle, resource_quota, webhook
from pybernetes.apiserver.authn import user as users
from pybernetes.client import informer, rest, transport
from pybernetes.controllers import context, manager
from pybernetes.http import messages
from pybernetes.storage import memory


class _Names:
    """Tokens that are the user's name."""

    async def authenticate_token(self, token: str) -> users.UserInfo | None:
        groups = [users.AUTHENTICATED]
        if token == "admin":
            groups.append(users.SYSTEM_MASTERS)
        if token.startswith("system:serviceaccount:"):
            groups += ["system:serviceaccounts", "system:serviceaccounts:kube-system"]
        return users.UserInfo(token, tuple(groups))


class Cluster:
    """The server, an administrator's client, and the controllers that run."""

    def __init__(self, clock: clocks.VirtualClock, server: app.ApiServer, group: tasks.TaskGroup) -> None:
        self.clock = clock
        self.server = server
        self.gate: messages.Handler = server.handle
        """Every request passes it; a test may put itself there."""
        self.client = self.client_for("admin")
        self._group = group
        self._controllers: list[asyncio.Task[Any]] = []

    async def _serve(self, request: messages.Request) -> messages.AnyResponse:
        return await self.gate(request)

    def client_for(self, user: str) -> rest.Client:
        """A client that acts as that user."""
        headers = {"Authorization": f"Bearer {user}"}
        return rest.Client(transport.InProcessTransport(self._serve, headers=headers), self.clock)

    async def run(self, *names: str, settings: context.Settings | None = None) -> manager.ControllerManager:
        """Start a controller manager with these controllers."""
        running = manager.ControllerManager(
            self.client_for("system:kube-controller-manager"),
            self.account,
            self.clock,
            settings or context.Settings(root_ca="CA"),
            names,
        )
        self._controllers.append(self._group.start(running.run(), "controllers"))
        await self.until(running.started.is_set)
        return running

    def context(self, settings: context.Settings | None = None) -> context.ControllerContext:
        """What a controller is built from, with caches of its own."""
        reader = self.client_for("system:kube-controller-manager")
        informers = informer.InformerFactory(reader, self.clock, self._group)
        return context.ControllerContext(
            reader, self.account, informers, self.clock, self._group, settings or context.Settings(root_ca="CA")
        )

    def account(self, name: str) -> rest.Client:
        """A client that acts as that service account of kube-system."""
        return self.client_for(f"system:serviceaccount:kube-system:{name}")

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have it run until the test ends."""
        self._group.start(work, "test's own")

    async def stop_controllers(self) -> None:
        """As a crash would."""
        for task in self._controllers:
            task.cancel()
        await asyncio.wait(self._controllers)
        self._controllers.clear()

    async def settle(self, seconds: float = 0.1) -> None:
        """Let everybody do what there is to do now."""
        await self.clock.advance(seconds)

    async def until(self, condition: Callable[[], bool | Awaitable[bool]], seconds: float = 5.0) -> None:
        """Let time pass until it holds."""
        deadline = self.clock.monotonic() + seconds
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            assert self.clock.monotonic() < deadline, "did not happen in time"
            await self.clock.advance(0.01)

    async def apply(self, obj: dict[str, Any], namespace: str = "default") -> dict[str, Any]:
        """Create an object."""
        return await self.client.dynamic(obj["apiVersion"], obj["kind"]).create(obj, namespace)

    async def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """An object, `kind` as `apps/v1/Deployment`."""
        return await self._resource(kind).get(name, namespace)

    async def list_all(self, kind: str, namespace: str = "default", selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind in a namespace."""
        return [*(await self._resource(kind).list(namespace, label_selector=selector)).items]

    async def patch(
        self, kind: str, name: str, patch: dict[str, Any], namespace: str = "default", *, subresource: str = ""
    ) -> dict[str, Any]:
        """A merge patch."""
        return await self._resource(kind).patch(name, patch, namespace, subresource=subresource)

    async def delete(self, kind: str, name: str, namespace: str = "default", **how: Any) -> None:
        """Delete an object."""
        await self._resource(kind).delete(name, namespace, **how)

    def _resource(self, kind: str) -> rest.Resource[dict[str, Any]]:
        api_version, _, name = kind.rpartition("/")
        return self.client.dynamic(api_version or "v1", name)

    async def events(self, name: str, namespace: str = "default") -> list[tuple[str, str]]:
        """Reason and message of the events about an object."""
        found = await self.list_all("Event", namespace)
        return [(one["reason"], one["message"]) for one in found if one["involvedObject"]["name"] == name]

    async def serves(self, group: str) -> bool:
        """Whether the server knows an API group."""
        answer = msgspec.json.decode((await self.client.raw("GET", "/apis")).body)
        return any(one["name"] == group for one in answer["groups"])

    # the kubelet's part

    async def start_pods(self, namespace: str = "default", selector: str = "", *, ready: bool = True) -> None:
        """Make all Pods that wait run (and be ready)."""
        for pod in await self.list_all("Pod", namespace, selector):
            if pod["status"].get("phase", "Pending") == "Pending" and "deletionTimestamp" not in pod["metadata"]:
                await self.set_pod(pod["metadata"]["name"], namespace, ready=ready)

    async def set_pod(
        self, name: str, namespace: str = "default", *, phase: str = "Running", ready: bool = True, **more: Any
    ) -> None:
        """Write a Pod's status."""
        now = timestamps.format_time(self.clock.now())
        condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
        status = {"phase": phase, "conditions": [condition], **more}
        await self.patch("Pod", name, {"status": status}, namespace, subresource="status")

    async def reap(self, namespace: str = "default") -> None:
        """Remove Pods that are being deleted, as their nodes would."""
        for pod in await self.list_all("Pod", namespace):
            if "deletionTimestamp" in pod["metadata"]:
                await self.delete("Pod", pod["metadata"]["name"], namespace, grace_period=0)

    async def live_pods(self, namespace: str = "default", selector: str = "") -> list[core.Pod]:
        """Pods that are not being deleted."""
        page = await self.client.resource(core.Pod).list(namespace, label_selector=selector)
        return [pod for pod in page.items if pod.metadata.deletionTimestamp is None]

    # objects

    @staticmethod
    def template(labels: dict[str, str], image: str = "web:1", **spec: Any) -> dict[str, Any]:
        """A Pod template with one container."""
        return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}

    @staticmethod
    def workload(kind: str, name: str, replicas: int, image: str = "web:1", **spec: Any) -> dict[str, Any]:
        """A Deployment or ReplicaSet over Pods with the label app=<name>."""
        labels = {"app": name}
        return {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": Cluster.template(labels, image),
                **spec,
            },
        }

    @staticmethod
    def owner(obj: dict[str, Any], **more: Any) -> dict[str, Any]:
        """An owner reference to an object."""
        metadata = obj["metadata"]
        return {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            **more,
        }

    async def quota(self, name: str, spec: dict[str, Any] | None = None, **hard: str) -> None:
        """Limit what the namespace `default` may hold, and wait until that is in force."""
        about = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}}
        await self.apply({**about, "spec": {"hard": hard, **(spec or {})}})

        async def counted() -> bool:
            status = (await self.get("ResourceQuota", name)).get("status") or {}
            return bool(status.get("used", {}).keys() >= {*hard})

        await self.until(counted)

    @staticmethod
    def config_map(name: str, *owners: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        """A ConfigMap with these owners."""
        about = {"name": name, **metadata}
        if owners:
            about["ownerReferences"] = [*owners]
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """A server with its first objects, and no controller yet."""
    clock = clocks.VirtualClock()
    plugins = chain.Chain(
        (namespace_lifecycle.NamespaceLifecycle(), webhook.ValidatingAdmissionWebhook(), resource_quota.ResourceQuota())
    )
    config = app.ServerConfig(tokens=(_Names(),), admission=plugins)
    server = app.ApiServer(config, memory.MemoryBackend(), clock)
    async with tasks.TaskGroup("test") as group:
        await server.start()
        made = Cluster(clock, server, group)
        await made.settle(1.0)
        try:
            yield made
        finally:
            await group.cancel()
            await server.stop()
