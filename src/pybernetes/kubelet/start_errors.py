"""Why a container could not be started: the reason that `kubectl get pods` shows, and a message.

    StartError
    ├── ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName, ImageInspectError
    ├── CreateContainerConfigError, CreateContainerError, RunContainerError, PostStartHookError
    └── CrashLoopBackOff

Upstream: pkg/kubelet/container/sync_result.go, pkg/kubelet/images/types.go. Pure.
"""

IMAGE_PULL = "ErrImagePull"
IMAGE_PULL_BACK_OFF = "ImagePullBackOff"
IMAGE_NEVER_PULL = "ErrImageNeverPull"
IMAGE_INSPECT = "ImageInspectError"
INVALID_IMAGE_NAME = "InvalidImageName"
CREATE_CONFIG = "CreateContainerConfigError"
CREATE = "CreateContainerError"
RUN = "RunContainerError"
POST_START_HOOK = "PostStartHookError"
CRASH_LOOP_BACK_OFF = "CrashLoopBackOff"


class StartError(Exception):
    """`retry_after` says when trying again makes sense, where that is known."""

    def __init__(self, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
