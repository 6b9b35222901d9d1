"""The controller `persistentvolume-binder`: brings claims and volumes together, and says what becomes of freed volumes.

    keys   claim/<namespace>/<name>      volume/<name>

A binding is four writes (volume, its phase, claim, its phase); each sync carries on where the last one stopped.
Upstream: pkg/controller/volume/persistentvolume.
"""

from typing import Any

from pybernetes.api.types import core, meta, storage
from pybernetes.apimachinery import errors
from pybernetes.client import controller, informer
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.volumes import binder, writes

_CLAIM, _VOLUME = "claim/", "volume/"


class PersistentVolumeController:
    """See the module."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("persistent-volume-binder")
        self._claims = context.informers.informer(core.PersistentVolumeClaim)
        self._volumes = context.informers.informer(core.PersistentVolume)
        self._classes = context.informers.informer(storage.StorageClass)
        self._claim_resource = client.resource(core.PersistentVolumeClaim)
        self._volume_resource = client.resource(core.PersistentVolume)
        self._writes = writes.Writes(self._claim_resource, self._volume_resource)
        self._recorder = context.recorder("persistentvolume-controller", client)
        self.controller = controller.Controller("persistentvolume", self.sync, clock=context.clock)
        self.controller.watches(self._claims, key=self._claim_keys)
        self.controller.watches(self._volumes, on_add=self._volume_seen, on_update=self._volume_updated)
        self.controller.watches(self._volumes, on_delete=self._volume_deleted)
        self.controller.watches(self._classes, key=self._class_keys)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    # what the watches bring

    def _claim_keys(self, claim: core.PersistentVolumeClaim) -> list[str]:
        keys = [_CLAIM + meta.key(claim)]
        if claim.spec.volumeName:
            keys.append(_VOLUME + claim.spec.volumeName)
        return keys

    def _volume_seen(self, volume: core.PersistentVolume) -> None:
        self.controller.enqueue(_VOLUME + volume.metadata.name)
        reference = volume.spec.claimRef
        if reference is not None:
            self.controller.enqueue(f"{_CLAIM}{reference.namespace}/{reference.name}")
        elif volume.status.phase == "Available":
            # Somebody may have waited for it.
            self._enqueue_pending(binder.volume_class(volume))

    def _volume_updated(self, old: core.PersistentVolume, new: core.PersistentVolume) -> None:
        if old.spec.claimRef is not None and new.spec.claimRef is None:
            self.controller.enqueue(f"{_CLAIM}{old.spec.claimRef.namespace}/{old.spec.claimRef.name}")
        self._volume_seen(new)

    def _volume_deleted(self, obj: informer.Deleted[core.PersistentVolume]) -> None:
        reference = informer.last_known(obj).spec.claimRef
        if reference is not None:
            self.controller.enqueue(f"{_CLAIM}{reference.namespace}/{reference.name}")

    def _class_keys(self, one: storage.StorageClass) -> list[str]:
        return [
            _CLAIM + meta.key(claim)
            for claim in self._claims.list()
            if claim.status.phase == "Pending" and binder.claim_class(claim) in ("", one.metadata.name)
        ]

    def _enqueue_pending(self, name: str) -> None:
        for claim in self._claims.list():
            if not claim.spec.volumeName and binder.claim_class(claim) == name:
                self.controller.enqueue(_CLAIM + meta.key(claim))

    async def sync(self, key: str) -> None:
        """Look at one claim or volume."""
        if key.startswith(_CLAIM):
            claim = self._claims.by_key(key.removeprefix(_CLAIM))
            if claim is None:
                return
            if binder.BIND_COMPLETED in claim.metadata.annotations:
                await self._sync_bound(claim)
            else:
                await self._sync_unbound(claim)
            return
        volume = self._volumes.get("", key.removeprefix(_VOLUME))
        if volume is not None:
            await self._sync_volume(volume)

    # claims

    async def _sync_unbound(self, claim: core.PersistentVolumeClaim) -> None:
        if claim.metadata.deletionTimestamp is not None:
            return
        if claim.spec.volumeName:
            await self._sync_prebound(claim)
            return
        delayed = self._is_delayed(claim)
        volume = binder.find_best_match(claim, self._volumes.list(), delayed=delayed)
        if volume is not None:
            await self._writes.bind(volume, claim)
            return
        if await self._assign_default_class(claim):
            return
        if delayed and binder.SELECTED_NODE not in claim.metadata.annotations:
            text = "waiting for first consumer to be created before binding"
            self._event(claim, "Normal", "WaitForFirstConsumer", text)
        elif binder.claim_class(claim):
            await self._provision(claim)
        else:
            text = "no persistent volumes available for this claim and no storage class is set"
            self._event(claim, "Normal", "FailedBinding", text)
        await self._writes.set_claim_phase(claim, "Pending", None)

    async def _sync_prebound(self, claim: core.PersistentVolumeClaim) -> None:
        """The claim names its volume."""
        volume = self._volumes.get("", claim.spec.volumeName)
        if volume is None:
            await self._writes.set_claim_phase(claim, "Pending", None)
            return
        if binder.is_bound_to(volume, claim):
            await self._writes.bind(volume, claim)
            return
        if volume.spec.claimRef is not None:
            text = f'volume "{volume.metadata.name}" already bound to a different claim.'
            self._event(claim, "Warning", "FailedBinding", text)
        elif problem := binder.mismatch(volume, claim):
            text = f'Cannot bind to requested volume "{volume.metadata.name}": {problem}'
            self._event(claim, "Warning", "VolumeMismatch", text)
        else:
            await self._writes.bind(volume, claim)
            return
        await self._writes.set_claim_phase(claim, "Pending", None)

    async def _sync_bound(self, claim: core.PersistentVolumeClaim) -> None:
        if not claim.spec.volumeName:
            await self._lose(claim, "ClaimLost", "Bound claim has lost reference to PersistentVolume.")
            return
        volume = self._volumes.get("", claim.spec.volumeName)
        if volume is None:
            await self._lose(claim, "ClaimLost", "Bound claim has lost its PersistentVolume.")
        elif volume.spec.claimRef is None or volume.spec.claimRef.uid == claim.metadata.uid:
            await self._writes.bind(volume, claim)
        else:
            text = "Two claims are bound to the same volume, this one is bound incorrectly"
            await self._lose(claim, "ClaimMisbound", text, suffix="")

    async def _lose(
        self, claim: core.PersistentVolumeClaim, reason: str, text: str, suffix: str = " Data on the volume is lost!"
    ) -> None:
        if claim.status.phase != "Lost":
            await self._writes.set_claim_phase(claim, "Lost", None)
            self._event(claim, "Warning", reason, text + suffix)

    def _is_delayed(self, claim: core.PersistentVolumeClaim) -> bool:
        one = self._classes.get("", binder.claim_class(claim))
        return one is not None and one.volumeBindingMode == "WaitForFirstConsumer"

    async def _assign_default_class(self, claim: core.PersistentVolumeClaim) -> bool:
        """A claim made before there was a default class gets it now."""
        if binder.has_class(claim):
            return False
        defaults = [one for one in self._classes.list() if one.metadata.annotations.get(binder.DEFAULT_CLASS) == "true"]
        if not defaults:
            return False
        newest = max(defaults, key=lambda one: (one.metadata.creationTimestamp, one.metadata.name))
        await self._writes.patch_claim(claim, {"spec": {"storageClassName": newest.metadata.name}})
        return True

    async def _provision(self, claim: core.PersistentVolumeClaim) -> None:
        """Tell the provisioner, which runs elsewhere, that it is its turn."""
        name = binder.claim_class(claim)
        one = self._classes.get("", name)
        if one is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            self._event(claim, "Warning", "ProvisioningFailed", text)
            return
        if one.provisioner == binder.NO_PROVISIONER:
            text = "no volume plugin matched name: kubernetes.io/no-provisioner"
            self._event(claim, "Warning", "ProvisioningFailed", text)
            return
        wanted = {
            binder.STORAGE_PROVISIONER: one.provisioner,
            binder.BETA_STORAGE_PROVISIONER: one.provisioner,
        }
        if any(claim.metadata.annotations.get(key) != value for key, value in wanted.items()):
            await self._writes.patch_claim(claim, {"metadata": {"annotations": wanted}})
        text = (
            f"Waiting for a volume to be created either by the external provisioner '{one.provisioner}' or manually by "
            "the system administrator. If volume creation is delayed, please verify that the provisioner is running "
            "and correctly registered."
        )
        self._event(claim, "Normal", "ExternalProvisioning", text)

    # volumes

    async def _sync_volume(self, volume: core.PersistentVolume) -> None:
        reference = volume.spec.claimRef
        if reference is None or not reference.uid:
            await self._writes.set_volume_phase(volume, "Available")
            return
        claim = await self._claim_of(volume, reference)
        if claim is None:
            await self._release(volume)
        elif not claim.spec.volumeName:
            if binder.mode_mismatch(volume, claim):
                name = volume.metadata.name
                text = f'Cannot bind PersistentVolume "{name}" to requested PersistentVolumeClaim due to incompatible'
                self._event(claim, "Warning", "VolumeMismatch", f"{text} volumeMode.")
                return
            self.controller.enqueue(_CLAIM + meta.key(claim))
        elif claim.spec.volumeName == volume.metadata.name:
            await self._writes.set_volume_phase(volume, "Bound")
        elif binder.PROVISIONED_BY in volume.metadata.annotations and _policy(volume) == "Delete":
            await self._release(volume)
        else:
            await self._unbind(volume)

    async def _claim_of(
        self, volume: core.PersistentVolume, reference: core.ObjectReference
    ) -> core.PersistentVolumeClaim | None:
        """The very claim a volume was bound to; a cache that shows none, or another one, is not trusted."""
        claim = self._claims.get(reference.namespace, reference.name)
        if claim is None and volume.status.phase in ("Released", "Failed"):
            return None
        if claim is None or claim.metadata.uid != reference.uid:
            try:
                claim = await self._claim_resource.get(reference.name, reference.namespace)
            except errors.NotFound:
                return None
        return claim if claim.metadata.uid == reference.uid else None

    async def _release(self, volume: core.PersistentVolume) -> None:
        if volume.status.phase not in ("Released", "Failed"):
            volume = await self._writes.set_volume_phase(volume, "Released")
        if _policy(volume) == "Retain" or binder.PROVISIONED_BY in volume.metadata.annotations:
            # Kept for somebody to look at; or its provisioner deletes it.
            return
        if volume.status.phase == "Failed":
            return
        name = volume.metadata.name
        if _policy(volume) == "Delete":
            text = f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
            reason = "VolumeFailedDelete"
        elif _policy(volume) == "Recycle":
            text, reason = "No recycler plugin found for the volume!", "VolumeFailedRecycle"
        else:
            text = "Volume has unrecognized PersistentVolumeReclaimPolicy"
            reason = "VolumeUnknownReclaimPolicy"
        failed = await self._writes.set_volume_phase(volume, "Failed", text)
        self._recorder.event(failed, "Warning", reason, text)

    async def _unbind(self, volume: core.PersistentVolume) -> None:
        """Its claim has another volume: take the binding back."""
        metadata: dict[str, Any] = {"resourceVersion": volume.metadata.resourceVersion}
        spec: dict[str, Any] = {"claimRef": {"uid": None}}
        if binder.BOUND_BY_CONTROLLER in volume.metadata.annotations:
            metadata["annotations"] = {binder.BOUND_BY_CONTROLLER: None}
            spec = {"claimRef": None}
        changed = await self._volume_resource.patch(volume.metadata.name, {"metadata": metadata, "spec": spec})
        await self._writes.set_volume_phase(changed, "Available")

    def _event(self, claim: core.PersistentVolumeClaim, kind: str, reason: str, message: str) -> None:
        self._recorder.event(claim, kind, reason, message)


def _policy(volume: core.PersistentVolume) -> str:
    return volume.spec.persistentVolumeReclaimPolicy or "Retain"
