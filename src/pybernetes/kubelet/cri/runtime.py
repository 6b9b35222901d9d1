"""What the kubelet asks of a container runtime, and the records it gets back.

Configurations travel as `Message`: plain dicts with the field names of the CRI's protobuf messages, made by
`cri.convert`, so that the gRPC client hands them on unchanged and the fake runtime needs no gRPC at all. Answers are
frozen records. `Runtime` has two implementations under one contract suite: `cri.client.CriClient` and
`simulated.FakeRuntime`.

Path: 15 CRI starts sandbox and containers.
Upstream: k8s.io/cri-api/pkg/apis/services.go, pkg/kubelet/container/runtime.go. Pure.
"""

import dataclasses
import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

Message = dict[str, Any]

LABEL_POD_NAME = "io.kubernetes.pod.name"
LABEL_POD_NAMESPACE = "io.kubernetes.pod.namespace"
LABEL_POD_UID = "io.kubernetes.pod.uid"
LABEL_CONTAINER_NAME = "io.kubernetes.container.name"


class CriError(Exception):
    """The runtime refused or failed a call.

    `message` is the runtime's own text, `str` of the error the text with gRPC's code, as clients see it in events.
    """

    def __init__(self, message: str, code: str = "Unknown") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return f"rpc error: code = {self.code} desc = {self.message}"


class NotFoundError(CriError):
    """The runtime does not know that sandbox, container or image."""


class UnimplementedError(CriError):
    """The runtime does not have that call."""


class UnavailableError(CriError):
    """No runtime answers at the socket."""


class ExecTimeoutError(CriError):
    """A command run in a container took longer than allowed."""


class SandboxState(enum.Enum):
    """Whether a sandbox can hold running containers."""

    READY = "SANDBOX_READY"
    NOT_READY = "SANDBOX_NOTREADY"


class ContainerState(enum.Enum):
    """The life of one container: created → running → exited; unknown when the runtime has lost it."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


class EventKind(enum.Enum):
    """What happened to a container or sandbox."""

    CREATED = "created"
    STARTED = "started"
    STOPPED = "stopped"
    DELETED = "deleted"
    RESYNC = "resync"
    """Events may have been missed: look at everything."""


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """A change reported by the runtime; `container_id` may be that of a sandbox."""

    kind: EventKind
    container_id: str = ""
    pod_uid: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """Who the runtime is."""

    runtime_name: str
    runtime_version: str
    runtime_api_version: str


@dataclasses.dataclass(frozen=True, slots=True)
class RuntimeCondition:
    """`RuntimeReady` or `NetworkReady`."""

    type: str
    status: bool
    reason: str = ""
    message: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Sandbox:
    """A pod sandbox. Lists leave out what only a status call knows: addresses and network mode."""

    id: str
    name: str
    namespace: str
    uid: str
    attempt: int
    state: SandboxState
    created_at: int
    ips: tuple[str, ...] = ()
    host_network: bool = False
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """A container as lists show it."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    state: ContainerState
    created_at: int
    image: str = ""
    image_ref: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def pod_uid(self) -> str:
        return self.labels.get(LABEL_POD_UID, "")


@dataclasses.dataclass(frozen=True, slots=True)
class ContainerStatus:
    """A container as a status call shows it; times are nanoseconds since the epoch, 0 for never."""

    id: str
    name: str
    attempt: int
    state: ContainerState
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    image: str = ""
    image_ref: str = ""
    reason: str = ""
    message: str = ""
    log_path: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    mounts: tuple[tuple[str, str], ...] = ()
    """(container path, host path)"""
    user: tuple[int, int, tuple[int, ...]] | None = None
    """uid, gid, supplemental groups, where the runtime tells"""


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """An image the runtime has."""

    id: str
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    size: int = 0
    uid: int | None = None
    username: str = ""
    pinned: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ExecResult:
    """The outcome of a command run in a container."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True)
class Auth:
    """Registry credentials for one pull."""

    username: str = ""
    password: str = ""
    identity_token: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Stats:
    """CPU and memory of one container; a time of 0 means the runtime gave none."""

    container_id: str
    name: str
    pod_uid: str
    timestamp: int = 0
    cpu_nanoseconds: int = 0
    memory_working_set: int = 0
    rootfs_bytes: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class StreamOptions:
    """Which streams an exec or attach session has."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


class Runtime(Protocol):
    """The calls of the CRI that the kubelet uses. Every call may raise `CriError`."""

    async def version(self) -> Version:
        """Name and version of the runtime."""

    async def status(self) -> tuple[RuntimeCondition, ...]:
        """Whether the runtime and its network can start pods."""

    async def run_pod_sandbox(self, config: Message, runtime_handler: str = "") -> str:
        """Create and start a sandbox with its network; the answer is its id."""

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop what runs in it and take its network down; harmless when done before or unknown."""

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Forget it and its containers; harmless when unknown."""

    async def pod_sandbox_status(self, sandbox_id: str) -> Sandbox:
        """One sandbox with its addresses; `NotFoundError` when unknown."""

    async def list_pod_sandboxes(self, pod_uid: str = "") -> list[Sandbox]:
        """All sandboxes, or those of one pod."""

    async def create_container(self, sandbox_id: str, config: Message, sandbox_config: Message) -> str:
        """Create a container; the answer is its id."""

    async def start_container(self, container_id: str) -> None:
        """Start a created container."""

    async def stop_container(self, container_id: str, timeout: int) -> None:
        """SIGTERM (or its stop signal), after `timeout` seconds SIGKILL; returns when it is dead."""

    async def remove_container(self, container_id: str) -> None:
        """Forget a container, killing it first if needed; harmless when unknown."""

    async def list_containers(self, pod_uid: str = "") -> list[Container]:
        """All containers, or those of one pod."""

    async def container_status(self, container_id: str) -> ContainerStatus:
        """One container; `NotFoundError` when unknown."""

    async def update_container_resources(self, container_id: str, linux: Message) -> None:
        """Change CPU and memory limits of a running container."""

    async def reopen_container_log(self, container_id: str) -> None:
        """Open the log file anew after it was rotated away."""

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run a command to its end; `ExecTimeoutError` when that takes longer than `timeout` (0: no limit)."""

    async def exec_url(self, container_id: str, command: Sequence[str], options: StreamOptions) -> str:
        """Where to connect for an interactive command."""

    async def attach_url(self, container_id: str, options: StreamOptions) -> str:
        """Where to connect for the main process's streams."""

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int]) -> str:
        """Where to connect for ports of the sandbox."""

    async def list_images(self) -> list[Image]:
        """All images."""

    async def image_status(self, image: str) -> Image | None:
        """One image by name, digest or id; None when it is not there."""

    async def pull_image(self, image: str, auth: Auth | None, sandbox_config: Message | None) -> str:
        """Fetch an image; the answer is its reference."""

    async def remove_image(self, image: str) -> None:
        """Forget an image; harmless when unknown."""

    async def image_filesystem(self) -> tuple[str, int, int]:
        """Mount point of the image store, bytes and inodes used."""

    async def stats(self) -> list[Stats]:
        """CPU and memory of every running container."""

    def events(self) -> AsyncIterator[Event]:
        """What changes from now on; `UnimplementedError` from the first step when the runtime cannot tell."""

    async def close(self) -> None:
        """Let go of the connection."""
