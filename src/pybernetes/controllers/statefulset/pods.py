"""Makes, mends and deletes the Pods of a StatefulSet together with their claims, with an event for each.

Upstream: pkg/controller/statefulset/stateful_pod_control.go.
"""

from typing import Any

from pybernetes.api.types import apps, core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import events, informer, rest
from pybernetes.controllers import pod_control
from pybernetes.controllers.statefulset import identity


class ClaimProblem(Exception):
    """A claim is not as the Pod needs it (yet)."""


class StatefulPodControl:
    """See the module. Every method raises what the API raises, after recording it."""

    def __init__(
        self,
        client: rest.Client,
        claims: informer.Informer[core.PersistentVolumeClaim],
        recorder: events.EventRecorder,
    ) -> None:
        self._pods = client.resource(core.Pod)
        self._claims = client.resource(core.PersistentVolumeClaim)
        self._known_claims = claims
        self._recorder = recorder

    async def create(self, stateful_set: apps.StatefulSet, pod: dict[str, Any]) -> core.Pod:
        """The claims first, then the Pod."""
        name = pod["metadata"]["name"]
        try:
            await self.create_claims(stateful_set, name)
            created = await self._pods.create(pod, stateful_set.metadata.namespace)
            await self.sync_claim_owners(stateful_set, created)
        except errors.AlreadyExists:
            raise
        except (*pod_control.FAILURES, ClaimProblem) as error:
            self._event(stateful_set, "create", name, error)
            raise
        self._event(stateful_set, "create", name)
        return created

    async def delete(self, stateful_set: apps.StatefulSet, pod: core.Pod) -> None:
        """That very Pod: a successor of the same name is left alone."""
        name = pod.metadata.name
        try:
            await self._pods.delete(name, pod.metadata.namespace, uid=pod.metadata.uid)
        except errors.NotFound:
            pass
        except pod_control.FAILURES as error:
            self._event(stateful_set, "delete", name, error)
            raise
        self._event(stateful_set, "delete", name)

    async def update(self, stateful_set: apps.StatefulSet, pod: core.Pod) -> None:
        """Mend the Pod's labels and its claims."""
        name = pod.metadata.name
        mended = not identity.identity_matches(stateful_set, pod)
        try:
            if mended:
                labels = {identity.POD_NAME_LABEL: name, identity.POD_INDEX_LABEL: str(identity.ordinal(pod))}
                patch = {"metadata": {"uid": pod.metadata.uid, "labels": labels}}
                await self._pods.patch(name, patch, pod.metadata.namespace)
            mended = await self.sync_claim_owners(stateful_set, pod) or mended
        except pod_control.FAILURES as error:
            self._event(stateful_set, "update", name, error)
            raise
        if mended:
            self._event(stateful_set, "update", name)

    # claims

    async def create_claims(self, stateful_set: apps.StatefulSet, pod: str) -> None:
        """Make the claims that are missing. Raises ClaimProblem where one is being deleted."""
        problems = []
        for claim in identity.claims(stateful_set, identity.parent_and_ordinal(pod)[1]):
            name, namespace = claim.metadata.name, claim.metadata.namespace
            present = self._known_claims.get(namespace, name)
            if present is not None:
                if present.metadata.deletionTimestamp is not None:
                    problems.append(f"pvc {name} is being deleted")
                continue
            try:
                await self._claims.create(claim, namespace)
                self._claim_event(stateful_set, pod, name)
            except errors.AlreadyExists:
                continue
            except pod_control.FAILURES as error:
                self._claim_event(stateful_set, pod, name, error)
                problems.append(f"failed to create PVC {name}: {error}")
        if problems:
            raise ClaimProblem(", ".join(problems))

    def claim_is_stale(self, stateful_set: apps.StatefulSet, pod: core.Pod | str) -> bool:
        """Whether a claim still belongs to a former Pod of that name, and will be collected with it."""
        if identity.retention(stateful_set)[1] == "Retain":
            return False
        name = pod if isinstance(pod, str) else pod.metadata.name
        namespace = stateful_set.metadata.namespace
        uid = "" if isinstance(pod, str) else pod.metadata.uid
        ghost = core.Pod(metadata=meta.ObjectMeta(name=name, namespace=namespace, uid=uid))
        number = identity.parent_and_ordinal(name)[1]
        wanted = [one.metadata.name for one in identity.claims(stateful_set, number)]
        present = [one for claim in wanted if (one := self._known_claims.get(namespace, claim)) is not None]
        return any(identity.has_stale_owner(one, ghost) for one in present)

    async def sync_claim_owners(self, stateful_set: apps.StatefulSet, pod: core.Pod) -> bool:
        """Make the claims' owners as the retention policy says; whether anything was changed."""
        changed = False
        for wanted in identity.claims(stateful_set, identity.ordinal(pod)):
            claim = self._known_claims.get(wanted.metadata.namespace, wanted.metadata.name)
            if claim is None:
                continue
            owners = identity.claim_owners(claim, stateful_set, pod)
            if owners == claim.metadata.ownerReferences:
                continue
            name = claim.metadata.name
            if identity.has_conflicting_controller(claim, stateful_set, pod):
                text = (
                    f"PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a manging controller, "
                    "the retention policy is ignored for this claim"
                )
                self._recorder.event(stateful_set, "Warning", "ConflictingController", text)
            metadata = {
                "ownerReferences": [meta.to_dict(one) for one in owners],
                "resourceVersion": claim.metadata.resourceVersion,
            }
            await self._claims.patch(name, {"metadata": metadata}, claim.metadata.namespace)
            changed = True
        return changed

    # events

    def _event(self, stateful_set: apps.StatefulSet, verb: str, pod: str, error: BaseException | None = None) -> None:
        title, about = verb.title(), f"Pod {pod} in StatefulSet {stateful_set.metadata.name}"
        if error is None:
            self._recorder.event(stateful_set, "Normal", f"Successful{title}", f"{title} {about} successful")
        else:
            text = f"{title} {about} failed error: {error}"
            self._recorder.event(stateful_set, "Warning", f"Failed{title}", text)

    def _claim_event(
        self, stateful_set: apps.StatefulSet, pod: str, claim: str, error: BaseException | None = None
    ) -> None:
        name = stateful_set.metadata.name
        if error is None:
            text = f"Create Claim {claim} Pod {pod} in StatefulSet {name} success"
            self._recorder.event(stateful_set, "Normal", "SuccessfulCreate", text)
        else:
            text = f"Create Claim {claim} for Pod {pod} in StatefulSet {name} failed error: {error}"
            self._recorder.event(stateful_set, "Warning", "FailedCreate", text)
