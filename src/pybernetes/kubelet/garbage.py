"""What is left over goes: dead containers, sandboxes and directories of pods that are gone, images nobody uses.

Upstream: pkg/kubelet/kuberuntime/kuberuntime_gc.go, pkg/kubelet/images/image_gc_manager.go.
"""

import logging
import pathlib
import shutil
from collections.abc import Callable, Collection

from pybernetes.aio import clock as clocks
from pybernetes.kubelet import cgroup_manager
from pybernetes.kubelet import config as configs
from pybernetes.kubelet.cri import runtime
from pybernetes.kubelet.volumes import manager

logger = logging.getLogger(__name__)

_SANDBOX_MIN_AGE = 10.0


class GarbageCollector:
    """Cleans up when told to."""

    def __init__(self, cri: runtime.Runtime, clock: clocks.Clock, config: configs.KubeletConfig) -> None:
        self._cri = cri
        self._clock = clock
        self._config = config
        self._unused_since: dict[str, float] = {}
        self.groups: cgroup_manager.PodGroups | None = None

    async def remove_pod(self, uid: str, namespace: str, name: str) -> None:
        """Everything the runtime and the disk still have of a pod that is gone."""
        for sandbox in await self._cri.list_pod_sandboxes(uid):
            await self._cri.stop_pod_sandbox(sandbox.id)
            await self._cri.remove_pod_sandbox(sandbox.id)
        if not self._config.simulated:
            manager.remove_pod_dir(self._config.pod_dir(uid))
            logs = self._config.pod_logs_dir / f"{namespace}_{name}_{uid}"
            shutil.rmtree(logs, ignore_errors=True)

    async def collect(self, is_live: Callable[[str], bool], ended: Collection[str]) -> None:
        """Dead containers beyond those kept for their logs, old sandboxes, directories of unknown pods.

        `is_live` is asked at the moment of each deletion: pods may come meanwhile. `ended` will never run again.
        """
        await self._collect_containers(is_live, ended)
        await self._collect_sandboxes(is_live)
        if not self._config.simulated:
            self._collect_directories(is_live)
        if self.groups is not None:
            self.groups.remove_unknown(is_live)

    async def _collect_containers(self, is_live: Callable[[str], bool], ended: Collection[str]) -> None:
        dead: dict[tuple[str, str], list[runtime.Container]] = {}
        for container in await self._cri.list_containers():
            if container.state is not runtime.ContainerState.RUNNING and container.pod_uid:
                dead.setdefault((container.pod_uid, container.name), []).append(container)
        for (uid, _), containers in dead.items():
            keep = self._config.max_containers_per_pod if is_live(uid) else 0
            containers.sort(key=lambda one: one.created_at, reverse=True)
            for container in containers[keep:]:
                if container.state is not runtime.ContainerState.CREATED or uid in ended or not is_live(uid):
                    await self._cri.remove_container(container.id)

    async def _collect_sandboxes(self, is_live: Callable[[str], bool]) -> None:
        """Sandboxes that are not ready and hold no container; of a live pod the newest one stays."""
        used = {container.sandbox_id for container in await self._cri.list_containers()}
        by_pod: dict[str, list[runtime.Sandbox]] = {}
        for sandbox in await self._cri.list_pod_sandboxes():
            by_pod.setdefault(sandbox.uid, []).append(sandbox)
        now = self._clock.now().timestamp()
        for uid, sandboxes in by_pod.items():
            sandboxes.sort(key=lambda one: one.created_at, reverse=True)
            for sandbox in sandboxes[1 if is_live(uid) else 0 :]:
                young = now - sandbox.created_at / 1e9 < _SANDBOX_MIN_AGE
                if sandbox.state is runtime.SandboxState.NOT_READY and sandbox.id not in used and not young:
                    await self._cri.remove_pod_sandbox(sandbox.id)

    def _collect_directories(self, is_live: Callable[[str], bool]) -> None:
        if self._config.pods_dir.exists():
            for directory in self._config.pods_dir.iterdir():
                if not is_live(directory.name):
                    try:
                        manager.remove_pod_dir(directory)
                    except OSError as failure:
                        logger.warning("orphaned pod directory %s: %s", directory, failure)
        if self._config.pod_logs_dir.exists():
            for directory in self._config.pod_logs_dir.iterdir():
                if not is_live(directory.name.rpartition("_")[2]):
                    shutil.rmtree(directory, ignore_errors=True)

    async def collect_images(self) -> int:
        """When the disk is fuller than allowed, remove unused images, the longest unused first; bytes freed."""
        mount_point, _, _ = await self._cri.image_filesystem()
        if not mount_point or not pathlib.Path(mount_point).exists():
            return 0
        usage = shutil.disk_usage(mount_point)
        used = 100 - 100 * usage.free // usage.total
        now = self._clock.monotonic()
        in_use = {container.image_ref or container.image for container in await self._cri.list_containers()}
        images = [one for one in await self._cri.list_images() if not one.pinned]
        for image in images:
            names = {image.id, *image.repo_tags, *image.repo_digests}
            if names & in_use or self._config.pod_infra_image in names:
                self._unused_since.pop(image.id, None)
            else:
                self._unused_since.setdefault(image.id, now)
        if used < self._config.image_gc_high_threshold:
            return 0
        wanted = usage.total * (100 - self._config.image_gc_low_threshold) // 100 - usage.free
        freed = 0
        for image in sorted(images, key=lambda one: self._unused_since.get(one.id, now)):
            since = self._unused_since.get(image.id)
            if freed >= wanted or since is None or now - since < self._config.image_minimum_gc_age:
                continue
            await self._cri.remove_image(image.id)
            freed += image.size
        return freed
