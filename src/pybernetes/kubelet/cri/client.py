"""The CRI over gRPC: `Runtime` for containerd, CRI-O and whoever else speaks it.

Configurations arrive as dicts with the protobuf field names and become messages by construction, which also checks the
names.

Path: 15 CRI starts sandbox and containers.
Upstream: k8s.io/cri-client/pkg (remote_runtime.go).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pybernetes.kubelet.cri import containerd_events, image_calls, runtime
from pybernetes.kubelet.cri.connection import CALL_TIMEOUT
from pybernetes.kubelet.cri.runtime import Message


class CriClient(image_calls.ImageCalls):
    """One connection to one runtime socket; every failure is a `runtime.CriError`."""

    # -- runtime -----------------------------------------------------------------------------------------------------

    async def version(self) -> runtime.Version:
        """Name and version of the runtime."""
        answer = await self._call(self._runtime.Version(self._pb.VersionRequest(), timeout=CALL_TIMEOUT))
        return runtime.Version(answer.runtime_name, answer.runtime_version, answer.runtime_api_version)

    async def status(self) -> tuple[runtime.RuntimeCondition, ...]:
        """RuntimeReady and NetworkReady."""
        answer = await self._call(self._runtime.Status(self._pb.StatusRequest(), timeout=CALL_TIMEOUT))
        return tuple(
            runtime.RuntimeCondition(one.type, one.status, one.reason, one.message) for one in answer.status.conditions
        )

    async def run_pod_sandbox(self, config: Message, runtime_handler: str = "") -> str:
        """Create and start a sandbox."""
        request = self._pb.RunPodSandboxRequest(config=config, runtime_handler=runtime_handler)
        answer = await self._call(self._runtime.RunPodSandbox(request, timeout=2 * CALL_TIMEOUT))
        return str(answer.pod_sandbox_id)

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop a sandbox."""
        request = self._pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id)
        await self._gone_is_fine(self._runtime.StopPodSandbox(request, timeout=CALL_TIMEOUT))

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Remove a sandbox."""
        request = self._pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await self._gone_is_fine(self._runtime.RemovePodSandbox(request, timeout=CALL_TIMEOUT))

    async def pod_sandbox_status(self, sandbox_id: str) -> runtime.Sandbox:
        """One sandbox with its addresses."""
        request = self._pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        answer = await self._call(self._runtime.PodSandboxStatus(request, timeout=CALL_TIMEOUT))
        one = answer.status
        ips = [one.network.ip, *(entry.ip for entry in one.network.additional_ips)]
        network = one.linux.namespaces.options.network
        return self._sandbox(one, tuple(ip for ip in ips if ip), network == self._pb.NODE)

    def _sandbox(self, one: Any, ips: tuple[str, ...] = (), host_network: bool = False) -> runtime.Sandbox:
        return runtime.Sandbox(
            id=one.id,
            name=one.metadata.name,
            namespace=one.metadata.namespace,
            uid=one.metadata.uid,
            attempt=one.metadata.attempt,
            state=runtime.SandboxState(self._pb.PodSandboxState.Name(one.state)),
            created_at=one.created_at,
            ips=ips,
            host_network=host_network,
            labels=dict(one.labels),
            annotations=dict(one.annotations),
        )

    async def list_pod_sandboxes(self, pod_uid: str = "") -> list[runtime.Sandbox]:
        """Sandboxes, without addresses."""
        selector = {"label_selector": {runtime.LABEL_POD_UID: pod_uid}} if pod_uid else {}
        request = self._pb.ListPodSandboxRequest(filter=selector)
        answer = await self._call(self._runtime.ListPodSandbox(request, timeout=CALL_TIMEOUT))
        return [self._sandbox(one) for one in answer.items]

    async def create_container(self, sandbox_id: str, config: Message, sandbox_config: Message) -> str:
        """Create a container."""
        request = self._pb.CreateContainerRequest(
            pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config
        )
        answer = await self._call(self._runtime.CreateContainer(request, timeout=CALL_TIMEOUT))
        return str(answer.container_id)

    async def start_container(self, container_id: str) -> None:
        """Start a container."""
        request = self._pb.StartContainerRequest(container_id=container_id)
        await self._call(self._runtime.StartContainer(request, timeout=CALL_TIMEOUT))

    async def stop_container(self, container_id: str, timeout: int) -> None:
        """Stop a container within `timeout` seconds."""
        request = self._pb.StopContainerRequest(container_id=container_id, timeout=timeout)
        await self._gone_is_fine(self._runtime.StopContainer(request, timeout=CALL_TIMEOUT + timeout))

    async def remove_container(self, container_id: str) -> None:
        """Remove a container."""
        request = self._pb.RemoveContainerRequest(container_id=container_id)
        await self._gone_is_fine(self._runtime.RemoveContainer(request, timeout=CALL_TIMEOUT))

    async def list_containers(self, pod_uid: str = "") -> list[runtime.Container]:
        """Containers in every state."""
        selector = {"label_selector": {runtime.LABEL_POD_UID: pod_uid}} if pod_uid else {}
        request = self._pb.ListContainersRequest(filter=selector)
        answer = await self._call(self._runtime.ListContainers(request, timeout=CALL_TIMEOUT))
        return [
            runtime.Container(
                id=one.id,
                sandbox_id=one.pod_sandbox_id,
                name=one.metadata.name,
                attempt=one.metadata.attempt,
                state=_STATES[self._pb.ContainerState.Name(one.state)],
                created_at=one.created_at,
                image=one.image.image,
                image_ref=one.image_ref,
                labels=dict(one.labels),
                annotations=dict(one.annotations),
            )
            for one in answer.containers
        ]

    async def container_status(self, container_id: str) -> runtime.ContainerStatus:
        """One container in full."""
        request = self._pb.ContainerStatusRequest(container_id=container_id)
        one = (await self._call(self._runtime.ContainerStatus(request, timeout=CALL_TIMEOUT))).status
        user = one.user.linux
        return runtime.ContainerStatus(
            id=one.id,
            name=one.metadata.name,
            attempt=one.metadata.attempt,
            state=_STATES[self._pb.ContainerState.Name(one.state)],
            created_at=one.created_at,
            started_at=one.started_at,
            finished_at=one.finished_at,
            exit_code=one.exit_code,
            image=one.image.image,
            image_ref=one.image_ref,
            reason=one.reason,
            message=one.message,
            log_path=one.log_path,
            labels=dict(one.labels),
            annotations=dict(one.annotations),
            mounts=tuple((mount.container_path, mount.host_path) for mount in one.mounts),
            user=(user.uid, user.gid, tuple(user.supplemental_groups)) if one.HasField("user") else None,
        )

    async def update_container_resources(self, container_id: str, linux: Message) -> None:
        """Change limits of a running container."""
        request = self._pb.UpdateContainerResourcesRequest(container_id=container_id, linux=linux)
        await self._call(self._runtime.UpdateContainerResources(request, timeout=CALL_TIMEOUT))

    async def reopen_container_log(self, container_id: str) -> None:
        """Open the log file anew."""
        request = self._pb.ReopenContainerLogRequest(container_id=container_id)
        await self._call(self._runtime.ReopenContainerLog(request, timeout=CALL_TIMEOUT))

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> runtime.ExecResult:
        """Run a command to its end."""
        request = self._pb.ExecSyncRequest(container_id=container_id, cmd=list(command), timeout=int(timeout))
        # The runtime enforces the timeout; the call's own deadline only guards against a hanging runtime.
        deadline = timeout + CALL_TIMEOUT if timeout else None
        answer = await self._call(self._runtime.ExecSync(request, timeout=deadline))
        return runtime.ExecResult(answer.exit_code, answer.stdout, answer.stderr)

    async def exec_url(self, container_id: str, command: Sequence[str], options: runtime.StreamOptions) -> str:
        """The streaming address of a new exec session."""
        request = self._pb.ExecRequest(container_id=container_id, cmd=list(command), **_streams(options))
        return str((await self._call(self._runtime.Exec(request, timeout=CALL_TIMEOUT))).url)

    async def attach_url(self, container_id: str, options: runtime.StreamOptions) -> str:
        """The streaming address of a new attach session."""
        request = self._pb.AttachRequest(container_id=container_id, **_streams(options))
        return str((await self._call(self._runtime.Attach(request, timeout=CALL_TIMEOUT))).url)

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int]) -> str:
        """The streaming address of a new port-forward session."""
        request = self._pb.PortForwardRequest(pod_sandbox_id=sandbox_id, port=list(ports))
        return str((await self._call(self._runtime.PortForward(request, timeout=CALL_TIMEOUT))).url)

    async def stats(self) -> list[runtime.Stats]:
        """CPU and memory of running containers."""
        answer = await self._call(
            self._runtime.ListContainerStats(self._pb.ListContainerStatsRequest(), timeout=CALL_TIMEOUT)
        )
        return [
            runtime.Stats(
                container_id=one.attributes.id,
                name=one.attributes.metadata.name,
                pod_uid=one.attributes.labels.get(runtime.LABEL_POD_UID, ""),
                timestamp=one.cpu.timestamp,
                cpu_nanoseconds=one.cpu.usage_core_nano_seconds.value,
                memory_working_set=one.memory.working_set_bytes.value,
                rootfs_bytes=one.writable_layer.used_bytes.value,
            )
            for one in answer.stats
        ]

    # -- events ------------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[runtime.Event]:
        """The CRI's own event stream, or containerd's where that is missing (containerd before 1.7)."""
        try:
            async for event in self._cri_events():
                yield event
        except runtime.UnimplementedError:
            async for event in containerd_events.subscribe(self._grpc, self._channel):
                yield event

    async def _cri_events(self) -> AsyncIterator[runtime.Event]:
        stream = self._runtime.GetContainerEvents(self._pb.GetEventsRequest())
        kinds = {
            self._pb.CONTAINER_CREATED_EVENT: runtime.EventKind.CREATED,
            self._pb.CONTAINER_STARTED_EVENT: runtime.EventKind.STARTED,
            self._pb.CONTAINER_STOPPED_EVENT: runtime.EventKind.STOPPED,
            self._pb.CONTAINER_DELETED_EVENT: runtime.EventKind.DELETED,
        }
        try:
            async for answer in stream:
                kind = kinds.get(answer.container_event_type)
                if kind is not None:
                    yield runtime.Event(kind, answer.container_id, answer.pod_sandbox_status.metadata.uid)
        except self._grpc.aio.AioRpcError as failure:
            raise self._error(failure) from None
        except asyncio.CancelledError:
            stream.cancel()
            raise


def _streams(options: runtime.StreamOptions) -> dict[str, bool]:
    # With a terminal, stderr is part of stdout and the CRI refuses a separate one.
    return {
        "stdin": options.stdin,
        "stdout": options.stdout,
        "stderr": options.stderr and not options.tty,
        "tty": options.tty,
    }


_STATES = {
    "CONTAINER_CREATED": runtime.ContainerState.CREATED,
    "CONTAINER_RUNNING": runtime.ContainerState.RUNNING,
    "CONTAINER_EXITED": runtime.ContainerState.EXITED,
    "CONTAINER_UNKNOWN": runtime.ContainerState.UNKNOWN,
}
