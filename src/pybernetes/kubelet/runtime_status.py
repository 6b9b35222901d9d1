"""The runtime's view of one pod: its sandboxes and containers, newest first.

Path: 14 kubelet decides the actions. Upstream: pkg/kubelet/container/runtime.go (PodStatus). Pure.
"""

import dataclasses
from collections.abc import Iterable

from pybernetes.api.types import core
from pybernetes.kubelet.cri import runtime

AnyContainer = core.Container | core.EphemeralContainer


@dataclasses.dataclass(frozen=True, slots=True)
class PodStatus:
    """Sandboxes newest first, container statuses newest first.

    `active` are the containers of the newest sandbox when that is ready: what runs now, as opposed to what is left over
    from a sandbox that died.
    """

    uid: str
    name: str = ""
    namespace: str = ""
    ips: tuple[str, ...] = ()
    sandboxes: tuple[runtime.Sandbox, ...] = ()
    containers: tuple[runtime.ContainerStatus, ...] = ()
    active: tuple[runtime.ContainerStatus, ...] = ()

    def find(self, name: str) -> runtime.ContainerStatus | None:
        """The newest container of that name, whatever its sandbox."""
        return next((one for one in self.containers if one.name == name), None)

    def find_active(self, name: str) -> runtime.ContainerStatus | None:
        """The newest container of that name in the current sandbox."""
        return next((one for one in self.active if one.name == name), None)

    @property
    def running(self) -> list[runtime.ContainerStatus]:
        """Containers that may still be running: running ones and those the runtime is not sure of."""
        alive = (runtime.ContainerState.RUNNING, runtime.ContainerState.UNKNOWN)
        return [one for one in self.containers if one.state in alive]

    @property
    def ready_sandbox(self) -> runtime.Sandbox | None:
        """The newest sandbox if it is ready."""
        return self.sandboxes[0] if self.sandboxes and self.sandboxes[0].state is runtime.SandboxState.READY else None


def build(
    uid: str,
    sandboxes: Iterable[runtime.Sandbox],
    statuses: Iterable[runtime.ContainerStatus],
    sandbox_of: dict[str, str],
) -> PodStatus:
    """Put together what the runtime answered; `sandbox_of` maps container ids to sandbox ids."""
    ordered = tuple(sorted(sandboxes, key=lambda one: one.created_at, reverse=True))
    containers = tuple(sorted(statuses, key=lambda one: one.created_at, reverse=True))
    if not ordered:
        return PodStatus(uid, containers=containers)
    newest = ordered[0]
    ready = newest.state is runtime.SandboxState.READY
    return PodStatus(
        uid=uid,
        name=newest.name,
        namespace=newest.namespace,
        ips=newest.ips if ready else (),
        sandboxes=ordered,
        containers=containers,
        active=tuple(one for one in containers if ready and sandbox_of.get(one.id) == newest.id),
    )


def is_sidecar(container: AnyContainer) -> bool:
    """Whether an init container is meant to keep running (restartPolicy Always)."""
    return container.restartPolicy == "Always"


def all_containers(spec: core.PodSpec) -> list[AnyContainer]:
    """Init, regular and ephemeral containers, in that order."""
    return [*spec.initContainers, *spec.containers, *spec.ephemeralContainers]


def find_container(spec: core.PodSpec, name: str) -> AnyContainer | None:
    """The container of that name in the spec."""
    return next((one for one in all_containers(spec) if one.name == name), None)


def pod_description(pod: core.Pod) -> str:
    """`name_namespace(uid)`, as it stands in events and messages."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"
