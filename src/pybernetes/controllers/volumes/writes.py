"""The writes that bind a claim to a volume, and that say where both stand.

Every write names the resourceVersion it was decided on.
Upstream: pkg/controller/volume/persistentvolume (bind, updateClaimStatus, updateVolumePhase).
"""

from typing import Any

from pybernetes.api.types import core, meta
from pybernetes.client import patches, rest
from pybernetes.controllers.volumes import binder


class Writes:
    """See the module."""

    def __init__(
        self, claims: rest.Resource[core.PersistentVolumeClaim], volumes: rest.Resource[core.PersistentVolume]
    ) -> None:
        self._claims = claims
        self._volumes = volumes

    async def bind(self, volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> None:
        """Make the two each other's, as far as they are not yet."""
        volume = await self._bind_volume(volume, claim)
        volume = await self.set_volume_phase(volume, "Bound")
        name = volume.metadata.name
        annotations = {} if binder.BIND_COMPLETED in claim.metadata.annotations else {binder.BIND_COMPLETED: "yes"}
        change: dict[str, Any] = {}
        if claim.spec.volumeName != name:
            change["spec"] = {"volumeName": name}
            annotations[binder.BOUND_BY_CONTROLLER] = "yes"
        if annotations:
            change["metadata"] = {"annotations": annotations}
        if change:
            claim = await self.patch_claim(claim, change)
        await self.set_claim_phase(claim, "Bound", volume)

    async def _bind_volume(
        self, volume: core.PersistentVolume, claim: core.PersistentVolumeClaim
    ) -> core.PersistentVolume:
        reference = volume.spec.claimRef
        about = claim.metadata
        if reference is not None and (reference.namespace, reference.name, reference.uid) == (
            about.namespace,
            about.name,
            about.uid,
        ):
            return volume
        wanted = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": about.resourceVersion,
        }
        metadata: dict[str, Any] = {"resourceVersion": volume.metadata.resourceVersion}
        if not binder.is_bound_to(volume, claim):
            metadata["annotations"] = {binder.BOUND_BY_CONTROLLER: "yes"}
        patch = {"metadata": metadata, "spec": {"claimRef": wanted}}
        return await self._volumes.patch(volume.metadata.name, patch)

    async def patch_claim(
        self, claim: core.PersistentVolumeClaim, change: dict[str, Any]
    ) -> core.PersistentVolumeClaim:
        """Change a claim that nobody else has changed meanwhile."""
        metadata = {**change.get("metadata", {}), "resourceVersion": claim.metadata.resourceVersion}
        patch = {**change, "metadata": metadata}
        return await self._claims.patch(claim.metadata.name, patch, claim.metadata.namespace)

    async def set_claim_phase(
        self, claim: core.PersistentVolumeClaim, phase: str, volume: core.PersistentVolume | None
    ) -> None:
        """Say where the claim stands, and what it has got."""
        status = meta.to_dict(claim.status)
        known = claim.status.phase
        status["phase"] = phase
        if volume is None:
            status.pop("accessModes", None)
            status.pop("capacity", None)
            status.pop("currentVolumeAttributesClassName", None)
        else:
            status["accessModes"] = [*volume.spec.accessModes]
            if known != phase:
                status["capacity"] = dict(volume.spec.capacity)
                if volume.spec.volumeAttributesClassName:
                    status["currentVolumeAttributesClassName"] = volume.spec.volumeAttributesClassName
        patch = patches.status(claim, status, resource_version=True)
        if patch:
            name, namespace = claim.metadata.name, claim.metadata.namespace
            await self._claims.patch(name, patch, namespace, subresource="status")

    async def set_volume_phase(
        self, volume: core.PersistentVolume, phase: str, message: str = ""
    ) -> core.PersistentVolume:
        """Say where the volume stands."""
        if volume.status.phase == phase:
            return volume
        patch = {
            "metadata": {"resourceVersion": volume.metadata.resourceVersion},
            "status": {"phase": phase, "message": message or None, "reason": None},
        }
        return await self._volumes.patch(volume.metadata.name, patch, subresource="status")
