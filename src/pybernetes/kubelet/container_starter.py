"""Starting one container: image, configuration, create, start, postStart.

Path: 15 CRI starts sandbox and containers.
Upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer).
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from pybernetes.api.types import core, meta
from pybernetes.kubelet import image_manager, lifecycle_hooks, recording, resources, runtime_status, start_errors
from pybernetes.kubelet.cri import convert, runtime
from pybernetes.telemetry import traces


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container finds around it: made anew for each start."""

    environment: dict[str, str]
    mounts: Sequence[convert.Mount] = ()
    devices: Sequence[str] = ()


class SurroundingsSource(Protocol):
    """The kubelet's side of a container's configuration; failures are `StartError`s or `ValueError`s."""

    async def prepare(
        self, pod: core.Pod, container: runtime_status.AnyContainer, ips: tuple[str, ...], attempt: int
    ) -> Surroundings:
        """Environment, mounts and files of a container."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a container is started: the sandbox and its configuration, the pod's addresses, pull secrets."""

    sandbox_id: str
    sandbox_config: runtime.Message
    ips: tuple[str, ...]
    secrets: Sequence[core.Secret] = ()


class ContainerStarter:
    """Starts containers; every failure is recorded as an event and raised as a `StartError`."""

    def __init__(
        self,
        cri: runtime.Runtime,
        images: image_manager.ImageManager,
        hooks: lifecycle_hooks.Hooks,
        source: SurroundingsSource,
        events: recording.Events,
        node: resources.Node,
    ) -> None:
        self._cri = cri
        self.images = images
        self._hooks = hooks
        self._source = source
        self._events = events
        self._node = node

    async def start(
        self,
        pod: core.Pod,
        container: runtime_status.AnyContainer,
        status: runtime_status.PodStatus,
        place: Place,
    ) -> str:
        """Start it; the answer is the container's id."""
        try:
            image = await self.images.ensure(pod, container, place.secrets, place.sandbox_config)
            mounts = await self._image_mounts(pod, container, place)
        except start_errors.StartError as failure:
            self._failed(pod, container, f"Error: {failure.reason}")
            raise
        config = await self._config(pod, container, status, place, image)
        config["mounts"] += mounts
        try:
            container_id = await self._cri.create_container(place.sandbox_id, config, place.sandbox_config)
        except runtime.CriError as failure:
            self._failed(pod, container, f"Error: {failure.message}")
            raise start_errors.StartError(start_errors.CREATE, failure.message) from failure
        self._events.container(pod, container, recording.NORMAL, recording.CREATED, "Container created")
        try:
            await self._cri.start_container(container_id)
        except runtime.CriError as failure:
            self._failed(pod, container, f"Error: {failure.message}")
            raise start_errors.StartError(start_errors.RUN, failure.message) from failure
        traces.step(26, meta.key(pod), f"container {container.name}")
        self._events.container(pod, container, recording.NORMAL, recording.STARTED, "Container started")
        return container_id

    async def _image_mounts(
        self, pod: core.Pod, container: runtime_status.AnyContainer, place: Place
    ) -> list[runtime.Message]:
        """Mounts of image volumes, which the runtime makes by itself."""
        images = {one.name: one.image for one in pod.spec.volumes if one.image is not None}
        mounts = []
        for mount in container.volumeMounts:
            source = images.get(mount.name)
            if source is None:
                continue
            wanted = core.Container(name="", image=source.reference, imagePullPolicy=source.pullPolicy)
            image = await self.images.ensure(pod, wanted, place.secrets, place.sandbox_config)
            mounts.append(convert.image_mount(mount, image.id, source.reference))
        return mounts

    async def run_post_start(
        self, pod: core.Pod, container: runtime_status.AnyContainer, container_id: str, ip: str
    ) -> None:
        """Run the postStart hook, if there is one; a failing one is a `StartError`."""
        if container.lifecycle is None or container.lifecycle.postStart is None:
            return
        try:
            await self._hooks.run(pod, container, container.lifecycle.postStart, container_id, ip)
        except lifecycle_hooks.HookError as failure:
            self._events.container(
                pod, container, recording.WARNING, recording.POST_START_FAILED, "PostStartHook failed"
            )
            raise start_errors.StartError(start_errors.POST_START_HOOK, str(failure)) from failure

    async def _config(
        self,
        pod: core.Pod,
        container: runtime_status.AnyContainer,
        status: runtime_status.PodStatus,
        place: Place,
        image: runtime.Image,
    ) -> runtime.Message:
        attempt = next_attempt(pod, container, status)
        target = getattr(container, "targetContainerName", "")
        target_status = status.find_active(target) if target else None
        try:
            convert.verify_not_root(pod, container, image.uid, image.username)
            around = await self._source.prepare(pod, container, place.ips, attempt)
        except ValueError as failure:
            self._failed(pod, container, f"Error: {failure}")
            raise start_errors.StartError(start_errors.CREATE_CONFIG, str(failure)) from failure
        options = convert.ContainerOptions(
            image_ref=image.id,
            attempt=attempt,
            environment=around.environment,
            mounts=around.mounts,
            devices=around.devices,
            image_uid=image.uid,
            image_user=image.username,
            node=self._node,
            target_id=target_status.id if target_status is not None else "",
        )
        return convert.container_config(pod, container, options)

    def _failed(self, pod: core.Pod, container: runtime_status.AnyContainer, message: str) -> None:
        self._events.container(pod, container, recording.WARNING, recording.FAILED, message)


def next_attempt(pod: core.Pod, container: runtime_status.AnyContainer, status: runtime_status.PodStatus) -> int:
    """One more than the newest container's; after it was removed, than what the API says."""
    latest = status.find(container.name)
    if latest is not None:
        return latest.attempt + 1
    reported = (
        *pod.status.initContainerStatuses,
        *pod.status.containerStatuses,
        *pod.status.ephemeralContainerStatuses,
    )
    before = next((one for one in reported if one.name == container.name and one.containerID), None)
    return before.restartCount + 1 if before is not None else 0
