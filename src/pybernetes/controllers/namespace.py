"""Empties namespaces that are being deleted, Pods first, and then lets them go.

An attempt lists every namespaced resource and deletes what it finds; while something is left it comes back later, at
once when the last Pod has gone. What is left is told in the namespace's conditions.
Upstream: pkg/controller/namespace.
"""

import dataclasses
from typing import Any

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller, discovery, informer, patches, rest, workqueue
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.namespace_conditions import Findings
from pybernetes.telemetry import logs

logger = logs.get("namespace")

FINALIZER = "kubernetes"
FINALIZER_ESTIMATE = 15


class ContentRemains(Exception):
    """Something could not be deleted."""


@dataclasses.dataclass(slots=True)
class Attempt:
    """One attempt to empty one namespace."""

    namespace: core.Namespace
    findings: Findings = dataclasses.field(default_factory=Findings)
    estimate: int = 0
    """Seconds until everything may be gone."""


class NamespaceController:
    """The controller `namespace`."""

    def __init__(self, context: ControllerContext) -> None:
        self._clock = context.clock
        self._client = context.client_for("namespace-controller")
        self._grace = context.settings.namespace_deletion_grace_period
        self._namespaces = context.informers.informer(core.Namespace)
        self._pods = context.informers.informer(core.Pod)
        self._resource = self._client.resource(core.Namespace)
        self.controller = controller.Controller(
            "namespace",
            self.sync_namespace,
            clock=context.clock,
            workers=context.settings.concurrent_namespace_syncs,
            limit=workqueue.RateLimit(maximum=60.0),
        )
        self.controller.watches(self._namespaces, on_add=self._enqueue, on_update=lambda old, new: self._enqueue(new))
        self.controller.watches(self._pods, on_delete=self._pod_gone)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _enqueue(self, namespace: core.Namespace) -> None:
        if namespace.metadata.deletionTimestamp is not None:
            # Every API server must know of the deletion, or objects would still be created behind our back.
            self.controller.enqueue_after(namespace.metadata.name, self._grace)

    def _pod_gone(self, obj: informer.Deleted[core.Pod]) -> None:
        name = informer.last_known(obj).metadata.namespace
        namespace = self._namespaces.get("", name)
        if namespace is not None and namespace.metadata.deletionTimestamp is not None and not self._pods.list(name):
            self.controller.enqueue(name)

    async def sync_namespace(self, name: str) -> float | None:
        """Empty one namespace as far as possible, and finalize it when it is empty."""
        if self._namespaces.get("", name) is None:
            return None
        try:
            namespace = await self._resource.get(name)
            if namespace.metadata.deletionTimestamp is None:
                return None
            if namespace.status.phase != "Terminating":
                patch = {"metadata": {"uid": namespace.metadata.uid}, "status": {"phase": "Terminating"}}
                namespace = await self._resource.patch(name, patch, subresource="status")
            if not namespace.spec.finalizers:
                return None
            attempt = Attempt(namespace)
            await self._delete_all_content(attempt)
            if attempt.estimate > 0:
                return attempt.estimate // 2 + 1
            await rest.retry_on_conflict(lambda: self._finalize(name, namespace.metadata.uid), self._clock)
        except errors.NotFound:
            return None
        return None

    async def _finalize(self, name: str, uid: str) -> None:
        namespace = await self._client.dynamic("v1", "Namespace").get(name)
        if namespace["metadata"]["uid"] != uid:
            return
        kept = [one for one in namespace["spec"].get("finalizers", ()) if one != FINALIZER]
        namespace["spec"]["finalizers"] = kept
        await self._resource.update_subresource(name, "finalize", namespace)

    async def _delete_all_content(self, attempt: Attempt) -> None:
        """Raises ContentRemains if anything could not be deleted."""
        found = await discovery.discover(self._client)
        if found.failed:
            reasons = ", ".join(f"{group}: {reason}" for group, reason in sorted(found.failed.items()))
            attempt.findings.discovery_failure = (
                f"Discovery failed for some groups, {len(found.failed)} failing: "
                f"unable to retrieve the complete list of server APIs: {reasons}"
            )
        resources = [one for one in found.preferred() if one.namespaced and "delete" in one.verbs]
        resources.sort(key=lambda one: (one.group, one.plural) != ("", "pods"))
        for resource in resources:
            await self._delete_resource(attempt, resource)
            if (resource.group, resource.plural) == ("", "pods") and attempt.findings.remaining:
                # Pods may need the rest (their volumes, their service account) until they have ended.
                attempt.findings.remaining.clear()
                attempt.findings.finalizers.clear()
                break
        await self._report(attempt)
        failures = [*attempt.findings.content_failures]
        if attempt.findings.discovery_failure:
            failures.append(attempt.findings.discovery_failure)
        if failures:
            raise ContentRemains(", ".join(failures))

    async def _delete_resource(self, attempt: Attempt, resource: discovery.ApiResource) -> None:
        name = attempt.namespace.metadata.name
        try:
            grace = await self._grace_of_pods(attempt.namespace) if resource.plural == "pods" else 0
            left = await self._delete_content(resource, name)
        except (errors.NotFound, errors.MethodNotAllowed):
            return
        except errors.StatusError as error:
            attempt.findings.content_failures.append(str(error))
            return
        if not left:
            return
        attempt.findings.remaining[f"{resource.plural}.{resource.group}"] = len(left)
        for obj in left:
            attempt.findings.finalizers.update(obj.metadata.finalizers)
        finalized = any(obj.metadata.finalizers for obj in left)
        estimate = grace or (FINALIZER_ESTIMATE if finalized else 0)
        attempt.estimate = max(attempt.estimate, estimate)
        if not estimate:
            where = f"{resource.group}/{resource.version}, Resource={resource.plural}"
            text = f"unexpected items still remain in namespace: {name} for gvr: {where}"
            attempt.findings.content_failures.append(text)

    async def _delete_content(self, resource: discovery.ApiResource, namespace: str) -> tuple[meta.PartialObject, ...]:
        """What is left of one resource after everything was asked to go."""
        objects = self._client.partial(resource.api_version, resource.kind)
        if "list" in resource.verbs and not (await objects.list(namespace, limit=1)).items:
            return ()
        if "deletecollection" in resource.verbs:
            await objects.delete_collection(namespace, propagation="Background")
        elif "list" in resource.verbs:
            for obj in (await objects.list(namespace)).items:
                try:
                    await objects.delete(obj.metadata.name, namespace, propagation="Background")
                except errors.NotFound:
                    continue
        if "list" not in resource.verbs:
            return ()
        return (await objects.list(namespace)).items

    async def _grace_of_pods(self, namespace: core.Namespace) -> int:
        """The longest time that a running Pod may take to end, unless that time is over already."""
        pods = await self._client.resource(core.Pod).list(namespace.metadata.name)
        running = [pod for pod in pods.items if pod.status.phase not in ("Succeeded", "Failed")]
        longest = max((pod.spec.terminationGracePeriodSeconds or 0 for pod in running), default=0)
        since = timestamps.parse(namespace.metadata.deletionTimestamp or "")
        return 0 if (self._clock.now() - since).total_seconds() >= longest else longest

    async def _report(self, attempt: Attempt) -> None:
        now = timestamps.format_time(self._clock.now())
        status = attempt.findings.update(attempt.namespace.status, now)
        patch: dict[str, Any] = patches.status(attempt.namespace, status, resource_version=True)
        if patch:
            try:
                await self._resource.patch(attempt.namespace.metadata.name, patch, subresource="status")
            except errors.Conflict as error:
                logger.error("Couldn't update status condition for namespace: %s", error)
