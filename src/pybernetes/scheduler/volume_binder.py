"""Writes what VolumeBinding decided, and waits until claims are bound: `plugins.volume_binding.Binder` on the API.

Upstream: plugins/volumebinding/binder.go (BindPodVolumes, bindAPIUpdate, checkBindings).
"""

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import rest
from pybernetes.scheduler import framework, volume_matching
from pybernetes.scheduler.listers import Listers
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.plugins.volume_binding import PodVolumes

BIND_TIMEOUT = 600.0
_POLL = 1.0


class VolumeBinder:
    """See the module."""

    def __init__(self, client: rest.Client, listers: Listers, clock: clocks.Clock) -> None:
        self._claims = client.resource(core.PersistentVolumeClaim)
        self._volumes = client.resource(core.PersistentVolume)
        self._listers = listers
        self._clock = clock

    async def bind(self, pod: PodInfo, node_name: str, volumes: PodVolumes) -> None:
        """Reserve volumes, tell provisioners the node, wait."""
        try:
            for volume, _ in volumes.bindings:
                await self._reserve(volume)
            for claim in volumes.provisions:
                await self._select_node(claim, node_name)
        except errors.StatusError as error:
            raise framework.PluginFailed(str(error)) from error
        deadline = self._clock.monotonic() + BIND_TIMEOUT
        while True:
            await self._clock.sleep(_POLL)
            if self._done(pod.pod, node_name, volumes):
                return
            if self._clock.monotonic() >= deadline:
                raise framework.PluginFailed("binding volumes: context deadline exceeded")

    async def _reserve(self, volume: core.PersistentVolume) -> None:
        assert volume.spec.claimRef is not None
        metadata = volume.metadata
        patch = {
            "metadata": {
                "resourceVersion": metadata.resourceVersion,
                "annotations": {
                    name: value
                    for name, value in metadata.annotations.items()
                    if name == volume_matching.BOUND_BY_CONTROLLER
                },
            },
            "spec": {"claimRef": meta.to_dict(volume.spec.claimRef)},
        }
        await self._volumes.patch(metadata.name, patch)

    async def _select_node(self, claim: core.PersistentVolumeClaim, node_name: str) -> None:
        metadata = claim.metadata
        annotations = {volume_matching.SELECTED_NODE: node_name}
        patch = {"metadata": {"resourceVersion": metadata.resourceVersion, "annotations": annotations}}
        await self._claims.patch(metadata.name, patch, metadata.namespace)

    def _done(self, pod: core.Pod, node_name: str, volumes: PodVolumes) -> bool:
        """Whether all claims are bound; PluginFailed when that will not happen."""
        if self._listers.pods.get(pod.metadata.namespace, pod.metadata.name) is None:
            raise framework.PluginFailed("binding volumes: pod does not exist any more")
        for volume, wanted in volumes.bindings:
            newest = self._listers.volumes.get("", volume.metadata.name)
            if newest is None:
                raise framework.PluginFailed(
                    f'binding volumes: failed to check binding: could not find v1.PersistentVolume "{meta.key(volume)}"'
                )
            if newest.metadata.resourceVersion == volume.metadata.resourceVersion:
                return False  # our own write has not come back yet
            if newest.spec.claimRef is None or not newest.spec.claimRef.uid:
                raise framework.PluginFailed(f"binding volumes: ClaimRef got reset for pv {newest.metadata.name!r}")
            if not self._bound(wanted):
                return False
        for claim in volumes.provisions:
            newest_claim = self._listers.claims.get(claim.metadata.namespace, claim.metadata.name)
            if newest_claim is None or newest_claim.metadata.resourceVersion == claim.metadata.resourceVersion:
                return False
            if newest_claim.metadata.annotations.get(volume_matching.SELECTED_NODE) != node_name:
                name = claim.metadata.name
                raise framework.PluginFailed(f'binding volumes: provisioning failed for PVC "{name}"')
            if not self._bound(claim):
                return False
        return True

    def _bound(self, claim: core.PersistentVolumeClaim) -> bool:
        newest = self._listers.claims.get(claim.metadata.namespace, claim.metadata.name)
        return newest is not None and volume_matching.fully_bound(newest)
