"""The gRPC connection to a runtime, and its failures as ours.

grpc and the CRI stubs are imported when the first connection is made: simulated nodes never pay for them.

Upstream: k8s.io/cri-client/pkg (remote_runtime.go), google.golang.org/grpc/status.
"""

import logging
from collections.abc import Awaitable
from typing import Any

from pybernetes.kubelet.cri import runtime

logger = logging.getLogger(__name__)

CALL_TIMEOUT = 120.0
_MAX_MESSAGE = 64 * 1024 * 1024


class Connection:
    """The channel to one runtime socket, and failures turned into `runtime.CriError`s.

    `image_endpoint` is only given when images are served elsewhere.
    """

    def __init__(self, endpoint: str, image_endpoint: str = "") -> None:
        import grpc.aio  # slow to import, and simulated nodes need none of it
        from cri_api.v1 import api_pb2, api_pb2_grpc

        self._grpc: Any = grpc
        self._pb: Any = api_pb2
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.enable_http_proxy", 0),
            # A runtime that was restarted must be found again soon.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 3000),
        ]
        self._channel = grpc.aio.insecure_channel(_target(endpoint), options=options)
        self._image_channel = self._channel
        if image_endpoint and image_endpoint != endpoint:
            self._image_channel = grpc.aio.insecure_channel(_target(image_endpoint), options=options)
        self._runtime: Any = api_pb2_grpc.RuntimeServiceStub(self._channel)
        self._images: Any = api_pb2_grpc.ImageServiceStub(self._image_channel)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()
        if self._image_channel is not self._channel:
            await self._image_channel.close()

    async def _call(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except self._grpc.aio.AioRpcError as failure:
            raise self._error(failure) from None

    def _error(self, failure: Any) -> runtime.CriError:
        name = failure.code().name
        kind = _ERRORS.get(name, runtime.CriError)
        return kind(failure.details() or "", _CODE_NAMES.get(name, "Unknown"))

    async def _gone_is_fine(self, call: Awaitable[Any]) -> None:
        try:
            await self._call(call)
        except runtime.NotFoundError:
            logger.debug("already gone")


def _target(endpoint: str) -> str:
    return endpoint if "://" in endpoint or endpoint.startswith("unix:") else f"unix://{endpoint}"


_ERRORS = {
    "NOT_FOUND": runtime.NotFoundError,
    "UNIMPLEMENTED": runtime.UnimplementedError,
    "UNAVAILABLE": runtime.UnavailableError,
    "DEADLINE_EXCEEDED": runtime.ExecTimeoutError,
}

# Names as grpc-go prints them: clients see these texts in events and container statuses.
_CODE_NAMES = {
    "CANCELLED": "Canceled",
    "UNKNOWN": "Unknown",
    "INVALID_ARGUMENT": "InvalidArgument",
    "DEADLINE_EXCEEDED": "DeadlineExceeded",
    "NOT_FOUND": "NotFound",
    "ALREADY_EXISTS": "AlreadyExists",
    "PERMISSION_DENIED": "PermissionDenied",
    "RESOURCE_EXHAUSTED": "ResourceExhausted",
    "FAILED_PRECONDITION": "FailedPrecondition",
    "ABORTED": "Aborted",
    "OUT_OF_RANGE": "OutOfRange",
    "UNIMPLEMENTED": "Unimplemented",
    "INTERNAL": "Internal",
    "UNAVAILABLE": "Unavailable",
    "UNAUTHENTICATED": "Unauthenticated",
}
