"""All volumes of a pod set up before its containers start, kept fresh, and taken away after the end.

    pods/UID/volumes/kubernetes.io~configmap/NAME      (…~secret, ~projected, ~downward-api, ~empty-dir)
    pods/UID/volume-subpaths/VOLUME/CONTAINER/INDEX    bind mounts of subPaths

Path: 15 CRI starts sandbox and containers. Upstream: pkg/kubelet/volumemanager, pkg/volume.
"""

import dataclasses
import logging
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import certificates, core, meta
from pybernetes.apimachinery import errors, quantity
from pybernetes.client import rest, transport
from pybernetes.kubelet import config as configs
from pybernetes.kubelet import environment, expansion, recording, runtime_status
from pybernetes.kubelet.cri import convert
from pybernetes.kubelet.volumes import atomic_writer, content, host_path, mounts, objects, tokens
from pybernetes.kubelet.volumes import certificates as pod_certificates
from pybernetes.telemetry import traces

logger = logging.getLogger(__name__)

_RETRY_FIRST, _RETRY_MAX = 0.5, 122.0


class VolumeError(Exception):
    """Not all volumes could be set up; `retry_after` says when to try again."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclasses.dataclass(frozen=True, slots=True)
class _Mounted:
    """What is set up for one pod."""

    pod: core.Pod
    paths: Mapping[str, pathlib.Path]


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """What volumes are made with; `sources` gives the values that files may show of a pod."""

    client: rest.Client
    clock: clocks.Clock
    config: configs.KubeletConfig
    cache: objects.ObjectCache
    certificates: pod_certificates.CertificateManager
    events: recording.Events
    group: tasks.TaskGroup
    sources: Callable[[core.Pod], environment.Sources]


class VolumeManager:
    """Sets up volumes and answers where they are."""

    def __init__(self, parts: Parts) -> None:
        self._client = parts.client
        self._clock = parts.clock
        self._config = parts.config
        self._cache = parts.cache
        self._certificates = parts.certificates
        self._events = parts.events
        self._group = parts.group
        self._sources = parts.sources
        self._tokens = tokens.TokenManager(parts.client, parts.clock)
        self._mounted: dict[str, _Mounted] = {}
        self._failures: dict[str, int] = {}
        self._renewals: dict[str, tuple[float, clocks.Timer]] = {}

    async def mount(self, pod: core.Pod) -> None:
        """Set up every volume; harmless when done before. Failures are events and a `VolumeError`."""
        traces.step(25, meta.key(pod))
        uid = pod.metadata.uid
        used = _used_volumes(pod)
        paths: dict[str, pathlib.Path] = {}
        failed: list[str] = []
        for volume in pod.spec.volumes:
            if volume.name not in used or volume.image is not None:
                continue  # images are mounted by the runtime
            try:
                paths[volume.name] = await self._set_up(pod, volume)
            except (ValueError, OSError, errors.StatusError, transport.TransportError) as failure:
                failed.append(volume.name)
                message = f'MountVolume.SetUp failed for volume "{volume.name}" : {failure}'
                self._events.pod(pod, recording.WARNING, recording.FAILED_MOUNT, message)
        if failed:
            attempt = self._failures[uid] = self._failures.get(uid, -1) + 1
            raise VolumeError(
                f"unmounted volumes=[{' '.join(failed)}], unattached volumes=[], failed to process volumes=[]: "
                "timed out waiting for the condition",
                min(_RETRY_MAX, _RETRY_FIRST * 2**attempt),
            )
        self._failures.pop(uid, None)
        self._mounted[uid] = _Mounted(pod, paths)

    def is_mounted(self, uid: str) -> bool:
        """Whether all volumes of that pod are set up."""
        return uid in self._mounted

    def shows_metadata_of(self, pod: core.Pod) -> bool:
        """Whether files of the pod's volumes say something about it that has changed."""
        mounted = self._mounted.get(pod.metadata.uid)
        if mounted is None or not any(one.downwardAPI or one.projected for one in pod.spec.volumes):
            return False
        old, new = mounted.pod.metadata, pod.metadata
        return old.labels != new.labels or old.annotations != new.annotations

    async def refresh(self, uid: str, pod: core.Pod | None = None) -> None:
        """Bring the files of a pod's volumes up to date with the API."""
        mounted = self._mounted.get(uid)
        if mounted is None:
            return
        pod = pod or mounted.pod
        self._mounted[uid] = _Mounted(pod, mounted.paths)
        for volume in pod.spec.volumes:
            if volume.name in mounted.paths and content.is_made_of_files(volume):
                try:
                    await self._write_files(pod, volume, mounted.paths[volume.name])
                except (ValueError, OSError, errors.StatusError, transport.TransportError) as failure:
                    logger.warning("refreshing volume %s of %s: %s", volume.name, pod.metadata.name, failure)

    # -- set up ------------------------------------------------------------------------------------------------------

    async def _set_up(self, pod: core.Pod, volume: core.Volume) -> pathlib.Path:
        if volume.hostPath is not None:
            return host_path.prepare(volume.hostPath)
        if volume.emptyDir is not None:
            return self._empty_dir(pod, volume, volume.emptyDir)
        if volume.persistentVolumeClaim is not None:
            return await self._claimed(pod, volume.persistentVolumeClaim.claimName)
        if volume.ephemeral is not None:
            return await self._claimed(pod, f"{pod.metadata.name}-{volume.name}")
        if content.is_made_of_files(volume):
            plugin = _plugin(volume)
            target = self._config.volume_dir(pod.metadata.uid, plugin, volume.name)
            if not target.exists():
                target.mkdir(parents=True, mode=0o755)
                if volume.configMap is None:
                    mounts.tmpfs(target, mode=0o1777)  # what is secret never reaches a disk
            await self._write_files(pod, volume, target)
            return target
        raise content.ContentError("no volume plugin matched")

    def _empty_dir(self, pod: core.Pod, volume: core.Volume, source: core.EmptyDirVolumeSource) -> pathlib.Path:
        target = self._config.volume_dir(pod.metadata.uid, "kubernetes.io/empty-dir", volume.name)
        if target.exists():
            return target
        target.mkdir(parents=True)
        if source.medium == "Memory":
            size = quantity.parse(source.sizeLimit).value() if source.sizeLimit else None
            mounts.tmpfs(target, size)
        target.chmod(0o777 if source.mode is None else source.mode)
        group = _fs_group(pod)
        if group is not None:
            os.chown(target, -1, group)
            target.chmod(0o2777)
        return target

    async def _claimed(self, pod: core.Pod, claim_name: str) -> pathlib.Path:
        claim = await self._client.resource(core.PersistentVolumeClaim).get(claim_name, pod.metadata.namespace)
        if not claim.spec.volumeName or claim.status.phase != "Bound":
            raise content.ContentError(f'PVC "{claim_name}" is not bound')
        volume = await self._client.resource(core.PersistentVolume).get(claim.spec.volumeName)
        if volume.spec.hostPath is not None:
            return host_path.prepare(volume.spec.hostPath)
        if volume.spec.local is not None:
            path = pathlib.Path(volume.spec.local.path)
            if not path.exists():
                raise content.ContentError(f'path "{path}" does not exist')
            return path
        raise content.ContentError("no volume plugin matched")

    async def _write_files(self, pod: core.Pod, volume: core.Volume, target: pathlib.Path) -> None:
        need = content.needed(volume)
        namespace = pod.metadata.namespace
        found_tokens: dict[core.ServiceAccountTokenProjection, str] = {}
        for projection in need.tokens:
            token = await self._tokens.get(pod, projection)
            found_tokens[projection] = token.text
            self._renew_later(pod.metadata.uid, token.renew_at)
        credentials: dict[int, tuple[bytes, bytes]] = {}
        for index in need.certificates:
            credential, when = await self._certificates.get(pod, volume, index)
            credentials[index] = (credential.key, credential.chain)
            self._renew_later(pod.metadata.uid, when)
        found = content.Found(
            await self._cache.get_all(core.ConfigMap, namespace, need.config_maps),
            await self._cache.get_all(core.Secret, namespace, need.secrets),
            found_tokens,
            await self._cache.every(certificates.ClusterTrustBundle) if need.bundles else (),
            credentials,
            self._sources(pod),
        )
        files = content.payload(pod, volume, found)
        if not target.exists():
            return  # the pod has ended while its files were being gathered
        atomic_writer.write(target, files, atomic_writer.Ownership(_fs_group(pod)))

    def _renew_later(self, uid: str, when: float) -> None:
        """Refresh the pod's volumes when the first of its tokens and certificates is due."""
        known = self._renewals.get(uid)
        if known is not None:
            if known[0] <= when:
                return
            known[1].cancel()
        wait = max(1.0, when - self._clock.now().timestamp())
        self._renewals[uid] = (when, self._clock.call_later(wait, lambda: self._renew(uid)))

    def _renew(self, uid: str) -> None:
        del self._renewals[uid]
        self._group.start(self.refresh(uid), f"renew tokens of {uid}")

    # -- for containers ----------------------------------------------------------------------------------------------

    def container_mounts(
        self, pod: core.Pod, container: runtime_status.AnyContainer, variables: Mapping[str, str]
    ) -> list[convert.Mount]:
        """The volume mounts of a container."""
        mounted = self._mounted.get(pod.metadata.uid)
        images = {one.name for one in pod.spec.volumes if one.image is not None}
        result = []
        for index, mount in enumerate(container.volumeMounts):
            if mount.name in images:
                continue
            path = mounted.paths.get(mount.name) if mounted is not None else None
            if path is None:
                raise content.ContentError(
                    f'cannot find volume "{mount.name}" to mount into container "{container.name}"'
                )
            host = str(path)
            sub_path = mount.subPath
            if mount.subPathExpr:
                sub_path = expansion.expand_strict(mount.subPathExpr, variables)
            if sub_path:
                host = self._sub_path(pod, container.name, index, path, (mount.name, sub_path))
            inside = mount.mountPath if mount.mountPath.startswith("/") else f"/{mount.mountPath}"
            propagation = mount.mountPropagation or ""
            result.append(convert.Mount(inside, host, mount.readOnly, propagation, mount.name))
        return result

    def _sub_path(
        self, pod: core.Pod, container: str, index: int, volume: pathlib.Path, wanted: tuple[str, str]
    ) -> str:
        """Pin a path inside a volume by a bind mount, so that it cannot be swapped for a link afterwards."""
        name, sub_path = wanted
        if sub_path.startswith("/") or ".." in sub_path.split("/"):
            raise mounts.SubPathError(f'error SubPath `{sub_path}` must be a relative path without ".."')
        found = mounts.open_within(volume, sub_path, volume.stat().st_mode & 0o777)
        try:
            source = f"/proc/self/fd/{found}"
            target = self._config.pod_dir(pod.metadata.uid) / "volume-subpaths" / name / container / str(index)
            if mounts.is_mount_point(target):
                mounts.unmount(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.isdir(source):
                target.mkdir(exist_ok=True)
            else:
                target.touch(exist_ok=True)
            mounts.bind(source, target)
            return str(target)
        finally:
            os.close(found)

    def read_file(self, pod: core.Pod, volume: str, path: str) -> str:
        """The text of a file in a volume."""
        mounted = self._mounted.get(pod.metadata.uid)
        if mounted is None or volume not in mounted.paths:
            raise content.ContentError(f'cannot find the volume "{volume}" referenced by FileKeyRef')
        root = os.path.realpath(mounted.paths[volume])
        found = os.path.realpath(os.path.join(root, path))
        if not found.startswith(root + os.sep):
            raise mounts.SubPathError(f"{path!r} is outside of volume")
        return pathlib.Path(found).read_text(encoding="utf-8", errors="surrogateescape")

    # -- tear down ---------------------------------------------------------------------------------------------------

    async def unmount(self, uid: str) -> None:
        """Take all volumes of a pod away, and everything in them that is not the node's own."""
        self._mounted.pop(uid, None)
        self._failures.pop(uid, None)
        if (renewal := self._renewals.pop(uid, None)) is not None:
            renewal[1].cancel()
        self._tokens.forget(uid)
        self._certificates.forget(uid)
        remove_pod_dir(self._config.pod_dir(uid))


def remove_pod_dir(directory: pathlib.Path) -> None:
    """Unmount what is mounted below a pod's directory, then delete it; nothing is deleted through a mount."""
    if not directory.exists():
        return
    prefix = os.path.realpath(directory) + os.sep
    below = sorted((one for one in mounts.mount_points() if one.startswith(prefix)), reverse=True)
    for point in below:
        mounts.unmount(pathlib.Path(point))
    if any(one.startswith(prefix) for one in mounts.mount_points()):
        raise OSError(f"{directory} still has mounts")
    shutil.rmtree(directory)


def _used_volumes(pod: core.Pod) -> set[str]:
    used = set()
    for container in runtime_status.all_containers(pod.spec):
        used |= {one.name for one in container.volumeMounts} | {one.name for one in container.volumeDevices}
    return used


def _fs_group(pod: core.Pod) -> int | None:
    return pod.spec.securityContext.fsGroup if pod.spec.securityContext is not None else None


def _plugin(volume: core.Volume) -> str:
    if volume.configMap is not None:
        return "kubernetes.io/configmap"
    if volume.secret is not None:
        return "kubernetes.io/secret"
    return "kubernetes.io/projected" if volume.projected is not None else "kubernetes.io/downward-api"
