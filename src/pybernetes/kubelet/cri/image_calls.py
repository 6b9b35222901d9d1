"""The image half of the CRI over gRPC.

Upstream: k8s.io/cri-client/pkg/remote_image.go.
"""

import dataclasses
from typing import Any

from pybernetes.kubelet.cri import connection, runtime
from pybernetes.kubelet.cri.connection import CALL_TIMEOUT
from pybernetes.kubelet.cri.runtime import Message

PULL_TIMEOUT = 1800.0


class ImageCalls(connection.Connection):
    """Images: list, look, pull, remove."""

    async def list_images(self) -> list[runtime.Image]:
        """All images."""
        answer = await self._call(self._images.ListImages(self._pb.ListImagesRequest(), timeout=CALL_TIMEOUT))
        return [_image(one) for one in answer.images]

    async def image_status(self, image: str) -> runtime.Image | None:
        """One image, or None."""
        request = self._pb.ImageStatusRequest(image={"image": image})
        answer = await self._call(self._images.ImageStatus(request, timeout=CALL_TIMEOUT))
        return _image(answer.image) if answer.HasField("image") and answer.image.id else None

    async def pull_image(self, image: str, auth: runtime.Auth | None, sandbox_config: Message | None) -> str:
        """Fetch an image."""
        request = self._pb.PullImageRequest(image={"image": image})
        if auth is not None:
            # no server address: it stands in the image's name, and containerd would want a URL
            request.auth.CopyFrom(self._pb.AuthConfig(**dataclasses.asdict(auth)))
        if sandbox_config is not None:
            request.sandbox_config.CopyFrom(self._pb.PodSandboxConfig(**sandbox_config))
        return str((await self._call(self._images.PullImage(request, timeout=PULL_TIMEOUT))).image_ref)

    async def remove_image(self, image: str) -> None:
        """Forget an image."""
        request = self._pb.RemoveImageRequest(image={"image": image})
        await self._gone_is_fine(self._images.RemoveImage(request, timeout=CALL_TIMEOUT))

    async def image_filesystem(self) -> tuple[str, int, int]:
        """Mount point, bytes used, inodes used."""
        answer = await self._call(self._images.ImageFsInfo(self._pb.ImageFsInfoRequest(), timeout=CALL_TIMEOUT))
        for one in answer.image_filesystems:
            return one.fs_id.mountpoint, one.used_bytes.value, one.inodes_used.value
        return "", 0, 0


def _image(one: Any) -> runtime.Image:
    return runtime.Image(
        id=one.id,
        repo_tags=tuple(one.repo_tags),
        repo_digests=tuple(one.repo_digests),
        size=one.size,
        uid=one.uid.value if one.HasField("uid") else None,
        username=one.username,
        pinned=one.pinned,
    )
