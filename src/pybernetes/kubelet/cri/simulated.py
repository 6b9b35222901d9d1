"""A container runtime in memory: the same contract as the real one, on an injected clock, without a kernel.

Simulated nodes run the ordinary kubelet on it. By default a container runs until it is stopped; a `Plan` makes it end
by itself or fail to start. Pods may ask for a plan by annotation, which makes Jobs end on simulated nodes:

    simulation.pybernetes.io/run-for: "5"        seconds
    simulation.pybernetes.io/exit-code: "1"
    simulation.pybernetes.io/output: "ready"       what each of its containers prints when it starts

Upstream: cri-api/pkg/apis/testing, kubemark's hollow node. Pure apart from its event queues.
"""

import asyncio
import copy
import dataclasses
import hashlib
import ipaddress
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from pybernetes.aio import clock as clocks
from pybernetes.kubelet.cri import runtime
from pybernetes.kubelet.cri.runtime import ContainerState, EventKind, Message, SandboxState

RUN_FOR = "simulation.pybernetes.io/run-for"
EXIT_CODE = "simulation.pybernetes.io/exit-code"
OUTPUT = "simulation.pybernetes.io/output"
_KILLED = 137


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How a container behaves."""

    run_for: float | None = None
    """seconds; None: until it is stopped"""
    exit_code: int = 0
    start_error: str = ""
    create_error: str = ""
    ignores_term: bool = False
    message: str = ""
    output: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """How long the runtime takes, in seconds."""

    sandbox: float = 0.0
    start: float = 0.0
    pull: float = 0.0


@dataclasses.dataclass(slots=True)
class _Sandbox:
    info: runtime.Sandbox
    config: Message


@dataclasses.dataclass(slots=True)
class _Container:
    sandbox_id: str
    config: Message
    plan: Plan
    status: runtime.ContainerStatus
    output: str = ""
    timer: clocks.Timer | None = None
    ended: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)


def annotated_plan(config: Message, sandbox_config: Message) -> Plan:
    """The plan that the pod's annotations ask for."""
    annotations = sandbox_config.get("annotations", {})
    run_for = annotations.get(RUN_FOR)
    seconds = float(run_for) if run_for else None
    return Plan(seconds, int(annotations.get(EXIT_CODE, "0")), output=annotations.get(OUTPUT, ""))


class FakeImages:
    """The images of the fake runtime: any can be pulled, except those that are `unpullable`."""

    def __init__(self, clock: clocks.Clock, pull_time: float) -> None:
        self._clock = clock
        self._pull_time = pull_time
        self._images: dict[str, runtime.Image] = {}
        self.unpullable: set[str] = set()

    def _find_image(self, image: str) -> runtime.Image | None:
        if image in self._images:
            return self._images[image]
        return next((one for one in self._images.values() if one.id == image), None)

    def add_image(self, image: runtime.Image) -> None:
        """An image that is there."""
        for name in image.repo_tags or (image.id,):
            self._images[name] = image

    async def list_images(self) -> list[runtime.Image]:
        """Everything pulled so far."""
        return list({one.id: one for one in self._images.values()}.values())

    async def image_status(self, image: str) -> runtime.Image | None:
        """One image."""
        return self._find_image(image)

    async def pull_image(self, image: str, auth: runtime.Auth | None, sandbox_config: Message | None) -> str:
        """Any image can be had, except those that are `unpullable`."""
        await self._clock.sleep(self._pull_time)
        if image in self.unpullable:
            raise runtime.NotFoundError(f'failed to pull and unpack image "{image}": not found', "NotFound")
        made = runtime.Image(id="sha256:" + hashlib.sha256(image.encode()).hexdigest(), repo_tags=(image,), size=1)
        self.add_image(made)
        return made.id

    async def remove_image(self, image: str) -> None:
        """Forget it."""
        found = self._find_image(image)
        if found is not None:
            self._images = {name: one for name, one in self._images.items() if one.id != found.id}

    async def image_filesystem(self) -> tuple[str, int, int]:
        """No disk."""
        return "", 0, 0


class FakeEvents(FakeImages):
    """Tells what happens to containers; nobody can talk to them."""

    def __init__(self, clock: clocks.Clock, pull_time: float) -> None:
        super().__init__(clock, pull_time)
        self._listeners: set[asyncio.Queue[runtime.Event]] = set()

    async def close(self) -> None:
        """Nothing to let go of."""

    async def version(self) -> runtime.Version:
        """A name of its own."""
        return runtime.Version("fake", "1.0.0", "v1")

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1e9)

    def _tell(self, kind: EventKind, identity: str, uid: str) -> None:
        event = runtime.Event(kind, identity, uid)
        for queue in self._listeners:
            queue.put_nowait(event)

    async def events(self) -> AsyncIterator[runtime.Event]:
        """What happens from now on."""
        queue: asyncio.Queue[runtime.Event] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def exec_url(self, container_id: str, command: Sequence[str], options: runtime.StreamOptions) -> str:
        """There is no streaming server."""
        raise runtime.UnimplementedError("a simulated container has no shell", "Unimplemented")

    async def attach_url(self, container_id: str, options: runtime.StreamOptions) -> str:
        """There is no streaming server."""
        raise runtime.UnimplementedError("a simulated container has no streams", "Unimplemented")

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int]) -> str:
        """There is no streaming server."""
        raise runtime.UnimplementedError("a simulated pod has no ports", "Unimplemented")


class FakeRuntime(FakeEvents):
    """Implements `kubelet.cri.runtime.Runtime`."""

    def __init__(
        self,
        clock: clocks.Clock,
        pod_cidr: str = "10.244.0.0/24",
        plan: Callable[[Message, Message], Plan] = annotated_plan,
        timing: Timing = Timing(),
    ) -> None:
        super().__init__(clock, timing.pull)
        self._plan = plan
        self._timing = timing
        self._ids: Iterator[int] = itertools.count(1)
        self._network = ipaddress.ip_network(pod_cidr)
        self._next_ip: Iterator[int] = itertools.count(2)
        self._free_ips: list[str] = []
        self._sandboxes: dict[str, _Sandbox] = {}
        self._containers: dict[str, _Container] = {}
        self.sandbox_error = ""
        self.conditions = [
            runtime.RuntimeCondition("RuntimeReady", True),
            runtime.RuntimeCondition("NetworkReady", True),
        ]
        self.exec_results: Callable[[str, Sequence[str]], runtime.ExecResult] = lambda _, __: runtime.ExecResult(0)
        """(container name, command) → what it does"""

    async def status(self) -> tuple[runtime.RuntimeCondition, ...]:
        """What `conditions` says."""
        return tuple(self.conditions)

    def _new_id(self) -> str:
        return f"{next(self._ids):064x}"

    # -- sandboxes ---------------------------------------------------------------------------------------------------

    async def run_pod_sandbox(self, config: Message, runtime_handler: str = "") -> str:
        """A sandbox, with an address unless it is on the host's network."""
        await self._clock.sleep(self._timing.sandbox)
        if self.sandbox_error:
            raise runtime.CriError(self.sandbox_error)
        metadata = config["metadata"]
        host = config["linux"]["security_context"]["namespace_options"].get("network") == "NODE"
        identity = self._new_id()
        info = runtime.Sandbox(
            id=identity,
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            attempt=metadata["attempt"],
            state=SandboxState.READY,
            created_at=self._now(),
            ips=() if host else (self._allocate_ip(),),
            host_network=host,
            labels=dict(config.get("labels", {})),
            annotations=dict(config.get("annotations", {})),
        )
        self._sandboxes[identity] = _Sandbox(info, config)
        self._tell(EventKind.STARTED, identity, info.uid)
        return identity

    def _allocate_ip(self) -> str:
        if self._free_ips:
            return self._free_ips.pop(0)
        number = next(self._next_ip)
        if number >= self._network.num_addresses - 1:
            raise runtime.CriError("failed to setup network for sandbox: no IP addresses available in range set")
        return str(self._network[number])

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Kill what runs in it, take its address."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.info.state is SandboxState.NOT_READY:
            return
        for identity, container in self._containers.items():
            if container.sandbox_id == sandbox_id and container.status.state is ContainerState.RUNNING:
                self._exit(identity, _KILLED)
        self._free_ips.extend(sandbox.info.ips)
        sandbox.info = dataclasses.replace(sandbox.info, state=SandboxState.NOT_READY, ips=())
        self._tell(EventKind.STOPPED, sandbox_id, sandbox.info.uid)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Forget it and what was in it."""
        await self.stop_pod_sandbox(sandbox_id)
        for identity in [one for one, container in self._containers.items() if container.sandbox_id == sandbox_id]:
            await self.remove_container(identity)
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is not None:
            self._tell(EventKind.DELETED, sandbox_id, sandbox.info.uid)

    async def pod_sandbox_status(self, sandbox_id: str) -> runtime.Sandbox:
        """The sandbox in full."""
        if sandbox_id not in self._sandboxes:
            raise runtime.NotFoundError(
                f'an error occurred when try to find sandbox "{sandbox_id}": not found', "NotFound"
            )
        return self._sandboxes[sandbox_id].info

    async def list_pod_sandboxes(self, pod_uid: str = "") -> list[runtime.Sandbox]:
        """Without addresses, as the real thing."""
        return [
            dataclasses.replace(one.info, ips=())
            for one in self._sandboxes.values()
            if not pod_uid or one.info.uid == pod_uid
        ]

    # -- containers --------------------------------------------------------------------------------------------------

    async def create_container(self, sandbox_id: str, config: Message, sandbox_config: Message) -> str:
        """A container that has not been started."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            raise runtime.NotFoundError(f'failed to find sandbox id "{sandbox_id}": not found', "NotFound")
        plan = self._plan(config, sandbox_config)
        if plan.create_error:
            raise runtime.CriError(plan.create_error)
        identity = self._new_id()
        image = self._find_image(config["image"]["image"])
        status = runtime.ContainerStatus(
            id=identity,
            name=config["metadata"]["name"],
            attempt=config["metadata"]["attempt"],
            state=ContainerState.CREATED,
            created_at=self._now(),
            image=image.repo_tags[0] if image is not None and image.repo_tags else config["image"]["image"],
            image_ref=image.id if image is not None else config["image"]["image"],
            log_path=f"{sandbox.config.get('log_directory', '')}/{config.get('log_path', '')}",
            labels=dict(config.get("labels", {})),
            annotations=dict(config.get("annotations", {})),
            mounts=tuple((one["container_path"], one["host_path"]) for one in config.get("mounts", ())),
        )
        self._containers[identity] = _Container(sandbox_id, config, plan, status)
        return identity

    async def start_container(self, container_id: str) -> None:
        """It runs, and ends when its plan says so."""
        await self._clock.sleep(self._timing.start)
        container = self._container(container_id)
        if container.plan.start_error:
            now = self._now()
            container.status = dataclasses.replace(
                container.status,
                state=ContainerState.EXITED,
                finished_at=now,
                exit_code=128,
                reason="StartError",
                message=container.plan.start_error,
            )
            raise runtime.CriError(container.plan.start_error)
        if container.status.state is not ContainerState.CREATED:
            raise runtime.CriError(f'container "{container_id}" is not in created state')
        container.status = dataclasses.replace(container.status, state=ContainerState.RUNNING, started_at=self._now())
        container.output += container.plan.output
        self._tell(EventKind.STARTED, container_id, self._uid(container))
        self._schedule_end(container_id)

    def _schedule_end(self, container_id: str) -> None:
        container = self._containers[container_id]
        if container.plan.run_for is not None:
            code, age = container.plan.exit_code, (self._now() - container.status.started_at) / 1e9
            left = container.plan.run_for - age
            container.timer = self._clock.call_later(left, lambda: self._exit(container_id, code))

    def output(self, container_id: str) -> str:
        """What a container has printed."""
        return self._container(container_id).output

    def print(self, container_name: str, text: str, pod_uid: str = "") -> None:
        """For tests: running containers of that name print something."""
        for one in self._containers.values():
            if one.status.name == container_name and pod_uid in ("", self._uid(one)):
                if one.status.state is ContainerState.RUNNING:
                    one.output += text

    def fork(self, clock: clocks.Clock) -> "FakeRuntime":
        """A runtime of its own with the same containers, on a clock that shows the same time."""
        other = copy.copy(self)
        other._clock, other._listeners = clock, set()
        other._images, other.unpullable = dict(self._images), set(self.unpullable)
        other._ids, self._ids = itertools.tee(self._ids)
        other._next_ip, self._next_ip = itertools.tee(self._next_ip)
        other._free_ips, other.conditions = [*self._free_ips], [*self.conditions]
        other._sandboxes = {identity: dataclasses.replace(one) for identity, one in self._sandboxes.items()}
        other._containers = {
            identity: dataclasses.replace(one, timer=None, ended=asyncio.Event())
            for identity, one in self._containers.items()
        }
        return other

    def resume(self) -> None:
        """In a fork: let time do its work."""
        for identity, one in self._containers.items():
            if one.status.state is ContainerState.RUNNING and one.timer is None:
                self._schedule_end(identity)

    def exit(self, container_name: str, exit_code: int, pod_uid: str = "") -> None:
        """For tests: running containers of that name end now."""
        for identity, container in list(self._containers.items()):
            if container.status.name != container_name or (pod_uid and self._uid(container) != pod_uid):
                continue
            if container.status.state is ContainerState.RUNNING:
                self._exit(identity, exit_code)

    def _exit(self, container_id: str, exit_code: int) -> None:
        container = self._containers.get(container_id)
        if container is None or container.status.state is not ContainerState.RUNNING:
            return
        if container.timer is not None:
            container.timer.cancel()
        container.status = dataclasses.replace(
            container.status,
            state=ContainerState.EXITED,
            finished_at=self._now(),
            exit_code=exit_code,
            reason="Completed" if exit_code == 0 else "Error",
            message=container.plan.message,
        )
        container.ended.set()
        self._tell(EventKind.STOPPED, container_id, self._uid(container))

    async def stop_container(self, container_id: str, timeout: int) -> None:
        """End it: at once, or after the grace period if it ignores SIGTERM."""
        container = self._containers.get(container_id)
        if container is None or container.status.state is not ContainerState.RUNNING:
            return
        if container.plan.ignores_term and timeout > 0:
            timer = self._clock.call_later(timeout, container.ended.set)
            try:
                await container.ended.wait()
            finally:
                timer.cancel()
            self._exit(container_id, _KILLED)
            return
        self._exit(container_id, 0 if timeout > 0 else _KILLED)

    async def remove_container(self, container_id: str) -> None:
        """Forget it."""
        self._exit(container_id, _KILLED)
        container = self._containers.pop(container_id, None)
        if container is not None:
            self._tell(EventKind.DELETED, container_id, self._uid(container))

    async def list_containers(self, pod_uid: str = "") -> list[runtime.Container]:
        """In every state."""
        return [
            runtime.Container(
                id=one.status.id,
                sandbox_id=one.sandbox_id,
                name=one.status.name,
                attempt=one.status.attempt,
                state=one.status.state,
                created_at=one.status.created_at,
                image=one.status.image,
                image_ref=one.status.image_ref,
                labels=one.status.labels,
                annotations=one.status.annotations,
            )
            for one in self._containers.values()
            if not pod_uid or self._uid(one) == pod_uid
        ]

    async def container_status(self, container_id: str) -> runtime.ContainerStatus:
        """The container in full."""
        return self._container(container_id).status

    def _container(self, container_id: str) -> _Container:
        if container_id not in self._containers:
            raise runtime.NotFoundError(
                f'an error occurred when try to find container "{container_id}": not found', "NotFound"
            )
        return self._containers[container_id]

    def _uid(self, container: _Container) -> str:
        return container.status.labels.get(runtime.LABEL_POD_UID, "")

    async def update_container_resources(self, container_id: str, linux: Message) -> None:
        """Accepted."""
        self._container(container_id).config.setdefault("linux", {})["resources"] = linux

    async def reopen_container_log(self, container_id: str) -> None:
        """There are no logs."""
        self._container(container_id)

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> runtime.ExecResult:
        """What `exec_results` says."""
        container = self._container(container_id)
        if container.status.state is not ContainerState.RUNNING:
            raise runtime.CriError(f"container {container_id} is not running")
        return self.exec_results(container.status.name, command)

    async def stats(self) -> list[runtime.Stats]:
        """Everything is idle."""
        return [
            runtime.Stats(one.status.id, one.status.name, self._uid(one), self._now(), 0, 1024 * 1024)
            for one in self._containers.values()
            if one.status.state is ContainerState.RUNNING
        ]
