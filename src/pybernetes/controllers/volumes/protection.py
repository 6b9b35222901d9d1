"""Holds claims that Pods use, and volumes that are bound, until they are free.

Upstream: pkg/controller/volume/pvcprotection, pkg/controller/volume/pvprotection.
"""

from typing import Any

from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import controller, informer, rest
from pybernetes.controllers.context import ControllerContext

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
_CLAIM_INDEX = "claims"


def claims_of(pod: core.Pod) -> list[str]:
    """Keys of the claims that a Pod's volumes name."""
    found = []
    for volume in pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            found.append(f"{pod.metadata.namespace}/{volume.persistentVolumeClaim.claimName}")
        elif volume.ephemeral is not None:
            found.append(f"{pod.metadata.namespace}/{pod.metadata.name}-{volume.name}")
    return found


def uses(pod: core.Pod, claim: str) -> bool:
    """Whether the Pod may have the claim mounted: only scheduled Pods are seen by a kubelet."""
    return bool(pod.spec.nodeName) and claim in claims_of(pod)


class _Protection:
    """What both have in common: a finalizer that is on as long as the object lives or is used."""

    def __init__(self, context: ControllerContext, account: str, kind: type[Any], finalizer: str) -> None:
        self.client = context.client_for(account)
        self.objects = context.informers.informer(kind)
        self._resource: rest.Resource[Any] = self.client.resource(kind)
        self._finalizer = finalizer
        self._clock = context.clock
        self.controller = controller.Controller(account, self.sync, clock=context.clock)
        self.controller.watches(self.objects, key=self._key)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _key(self, obj: meta.Object) -> str | None:
        deleted, held = obj.metadata.deletionTimestamp is not None, self._finalizer in obj.metadata.finalizers
        return meta.key(obj) if deleted == held else None

    async def in_use(self, obj: Any) -> bool:
        """Whether the object must stay."""
        raise NotImplementedError

    async def sync(self, key: str) -> None:
        """Put the finalizer on a living object, take it off one that is to go and that nobody uses."""
        obj = self.objects.by_key(key)
        if obj is None or self._key(obj) is None:
            return
        finalizers = obj.metadata.finalizers
        if obj.metadata.deletionTimestamp is None:
            wanted = [*finalizers, self._finalizer]
        elif await self.in_use(obj):
            return
        else:
            wanted = [one for one in finalizers if one != self._finalizer]
        metadata = {"finalizers": wanted or None, "resourceVersion": obj.metadata.resourceVersion}
        namespace, name = meta.split_key(key)
        try:
            await self._resource.patch(name, {"metadata": metadata}, namespace)
        except errors.NotFound:
            return


class ClaimProtectionController(_Protection):
    """The controller `pvc-protection`."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context, "pvc-protection-controller", core.PersistentVolumeClaim, CLAIM_FINALIZER)
        self._pods = context.informers.informer(core.Pod)
        self._pods.add_index(_CLAIM_INDEX, claims_of)
        self.controller.watches(self._pods, on_add=self._touched, on_update=self._pod_updated, on_delete=self._touched)

    def _key(self, obj: meta.Object) -> str | None:
        """Claims that are bound are also told whether anybody uses them."""
        assert isinstance(obj, core.PersistentVolumeClaim)
        return meta.key(obj) if obj.status.phase == "Bound" else super()._key(obj)

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        if old.metadata.uid != new.metadata.uid:
            self._touched(old)
        if old.status.phase != new.status.phase or old.spec.nodeName != new.spec.nodeName:
            self._touched(new)

    def _touched(self, obj: informer.Deleted[core.Pod]) -> None:
        for key in claims_of(informer.last_known(obj)):
            if self.objects.by_key(key) is not None:
                self.controller.enqueue(key)

    async def sync(self, key: str) -> None:
        """Also say since when nobody uses the claim."""
        claim = self.objects.by_key(key)
        if claim is not None and claim.status.phase == "Bound" and claim.metadata.deletionTimestamp is None:
            await self._tell_unused(claim)
        if claim is not None and super()._key(claim) is not None:
            await super().sync(key)

    async def _tell_unused(self, claim: core.PersistentVolumeClaim) -> None:
        users = self._pods.by_index(_CLAIM_INDEX, meta.key(claim))
        used = any(pod.status.phase not in ("Succeeded", "Failed") for pod in users)
        known = next((one for one in claim.status.conditions if one.type == "Unused"), None)
        verdict = "False" if used else "True"
        if known is not None and known.status == verdict:
            return
        told = ("PodUsingPVC", "A pod is currently referencing this PVC")
        if not used:
            told = ("NoPodsUsingPVC", "No pods are currently referencing this PVC")
        condition = {
            "type": "Unused",
            "status": verdict,
            "reason": told[0],
            "message": told[1],
            "lastTransitionTime": timestamps.format_time(self._clock.now()),
        }
        patch = {"metadata": {"uid": claim.metadata.uid}, "status": {"conditions": [condition]}}
        claims = self.client.resource(core.PersistentVolumeClaim)
        name, namespace = claim.metadata.name, claim.metadata.namespace
        try:
            await claims.patch(name, patch, namespace, type="strategic", subresource="status")
        except errors.NotFound:
            return

    async def in_use(self, obj: Any) -> bool:
        """Ask the cache, and if that says no, the server."""
        key = meta.key(obj)
        if any(uses(pod, key) for pod in self._pods.by_index(_CLAIM_INDEX, key)):
            return True
        live = await self.client.resource(core.Pod).list(obj.metadata.namespace)
        return any(uses(pod, key) for pod in live.items)


class VolumeProtectionController(_Protection):
    """The controller `pv-protection`."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context, "pv-protection-controller", core.PersistentVolume, VOLUME_FINALIZER)

    async def in_use(self, obj: Any) -> bool:
        """Bound to a claim."""
        return bool(obj.status.phase == "Bound")
