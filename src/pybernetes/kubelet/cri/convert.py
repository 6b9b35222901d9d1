"""Pods and containers as the CRI's messages, and back from labels and annotations.

Path: 15 CRI starts sandbox and containers.
Upstream: pkg/kubelet/kuberuntime (kuberuntime_sandbox.go, security_context.go, labels.go). Pure.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec

from pybernetes.api.types import core
from pybernetes.kubelet import actions, expansion, naming, resources, runtime_status
from pybernetes.kubelet.cri import runtime
from pybernetes.kubelet.cri.runtime import Message

TERMINATION_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy"
RESTART_COUNT = "io.kubernetes.container.restartCount"
DELETION_GRACE = "io.kubernetes.pod.deletionGracePeriod"
TERMINATION_GRACE = "io.kubernetes.pod.terminationGracePeriod"
PRE_STOP = "io.kubernetes.container.preStopHandler"
PORTS = "io.kubernetes.container.ports"

_MASKED = (
    *("/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
    "/sys/devices/virtual/powercap",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_PROPAGATION = {
    "HostToContainer": "PROPAGATION_HOST_TO_CONTAINER",
    "Bidirectional": "PROPAGATION_BIDIRECTIONAL",
}


class RunAsRootError(ValueError):
    """The container must not run as root, and would."""


@dataclasses.dataclass(frozen=True, slots=True)
class Mount:
    """A host path that appears inside a container."""

    container_path: str
    host_path: str
    read_only: bool = False
    propagation: str = ""
    name: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What a sandbox configuration needs besides the pod."""

    log_directory: str
    resolver: naming.Resolver
    host_name: str
    cgroup_parent: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ContainerOptions:
    """What a container configuration needs besides pod and spec."""

    image_ref: str
    attempt: int
    environment: Mapping[str, str]
    mounts: Sequence[Mount] = ()
    devices: Sequence[str] = ()
    image_uid: int | None = None
    image_user: str = ""
    node: resources.Node = resources.DEFAULT_NODE
    target_id: str = ""


def log_directory(root: str, pod: core.Pod) -> str:
    """`/var/log/pods/NAMESPACE_NAME_UID`."""
    return f"{root}/{pod.metadata.namespace}_{pod.metadata.name}_{pod.metadata.uid}"


def log_path(container: str, attempt: int) -> str:
    """Relative to the pod's log directory."""
    return f"{container}/{attempt}.log"


def sandbox_config(pod: core.Pod, attempt: int, options: SandboxOptions) -> Message:
    """`PodSandboxConfig`."""
    metadata = pod.metadata
    linux: Message = {"security_context": _sandbox_security(pod)}
    if options.cgroup_parent:
        linux["cgroup_parent"] = options.cgroup_parent
        linux["overhead"] = resources.overhead(pod)
    security = pod.spec.securityContext
    if security is not None and security.sysctls:
        linux["sysctls"] = {one.name.replace("/", "."): one.value for one in security.sysctls}
    config: Message = {
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "attempt": attempt,
        },
        "labels": {**metadata.labels, **_pod_labels(pod)},
        "annotations": dict(metadata.annotations),
        "log_directory": options.log_directory,
        "dns_config": options.resolver.message(),
        "linux": linux,
    }
    if not pod.spec.hostNetwork:
        config["hostname"] = options.host_name
        config["port_mappings"] = [
            {
                "host_port": port.hostPort,
                "container_port": port.containerPort,
                "protocol": port.protocol or "TCP",
                "host_ip": port.hostIP,
            }
            for container in (*pod.spec.initContainers, *pod.spec.containers)
            for port in container.ports
            if port.hostPort
        ]
    return config


def _pod_labels(pod: core.Pod) -> dict[str, str]:
    return {
        runtime.LABEL_POD_NAME: pod.metadata.name,
        runtime.LABEL_POD_NAMESPACE: pod.metadata.namespace,
        runtime.LABEL_POD_UID: pod.metadata.uid,
    }


def namespace_options(pod: core.Pod, target_id: str = "") -> Message:
    """Which namespaces the containers of a pod share."""
    pid = "CONTAINER"
    if pod.spec.hostPID:
        pid = "NODE"
    elif pod.spec.shareProcessNamespace:
        pid = "POD"
    options: Message = {
        "network": "NODE" if pod.spec.hostNetwork else "POD",
        "ipc": "NODE" if pod.spec.hostIPC else "POD",
        "pid": pid,
    }
    if target_id and pid == "CONTAINER":
        options.update(pid="TARGET", target_id=target_id)
    return options


def _sandbox_security(pod: core.Pod) -> Message:
    result: Message = {
        "namespace_options": namespace_options(pod),
        "privileged": any(
            one.securityContext is not None and bool(one.securityContext.privileged)
            for one in runtime_status.all_containers(pod.spec)
        ),
        "seccomp": {"profile_type": "RuntimeDefault"},
    }
    security = pod.spec.securityContext
    if security is None:
        return result
    if security.runAsUser is not None:
        result["run_as_user"] = {"value": security.runAsUser}
        if security.runAsGroup is not None:
            result["run_as_group"] = {"value": security.runAsGroup}
    groups = list(security.supplementalGroups)
    if security.fsGroup is not None:
        groups.insert(0, security.fsGroup)
    if groups:
        result["supplemental_groups"] = groups
    if security.seLinuxOptions is not None:
        result["selinux_options"] = _selinux(security.seLinuxOptions)
    return result


def _selinux(options: core.SELinuxOptions) -> Message:
    return {"user": options.user, "role": options.role, "type": options.type, "level": options.level}


def container_config(pod: core.Pod, container: runtime_status.AnyContainer, options: ContainerOptions) -> Message:
    """`ContainerConfig`."""
    environment = options.environment
    config: Message = {
        "metadata": {"name": container.name, "attempt": options.attempt},
        "image": {"image": options.image_ref},
        "command": [expansion.expand(text, environment) for text in container.command],
        "args": [expansion.expand(text, environment) for text in container.args],
        "working_dir": container.workingDir,
        "labels": {**_pod_labels(pod), runtime.LABEL_CONTAINER_NAME: container.name},
        "annotations": container_annotations(pod, container, options.attempt),
        "envs": [{"key": name, "value": text} for name, text in environment.items()],
        "mounts": [_mount(one) for one in options.mounts],
        "devices": [{"host_path": path, "container_path": path, "permissions": "mrw"} for path in options.devices],
        "log_path": log_path(container.name, options.attempt),
        "stdin": container.stdin,
        "stdin_once": container.stdinOnce,
        "tty": container.tty,
        "linux": {
            "resources": resources.linux_resources(pod, container, options.node),
            "security_context": security_context(pod, container, options),
        },
    }
    if container.lifecycle is not None and container.lifecycle.stopSignal:
        config["stop_signal"] = container.lifecycle.stopSignal
    return config


def _mount(one: Mount) -> Message:
    message: Message = {
        "container_path": one.container_path,
        "host_path": one.host_path,
        "readonly": one.read_only,
    }
    if one.propagation in _PROPAGATION:
        message["propagation"] = _PROPAGATION[one.propagation]
    return message


def image_mount(mount: core.VolumeMount, image: str, reference: str) -> Message:
    """A read-only mount of an image's files."""
    return {
        "container_path": mount.mountPath,
        "readonly": True,
        "image": {"image": image, "user_specified_image": reference},
        "image_sub_path": mount.subPath,
    }


def container_annotations(pod: core.Pod, container: runtime_status.AnyContainer, attempt: int) -> dict[str, str]:
    """What a kubelet that restarts must find again beside the container."""
    result = {
        actions.HASH_ANNOTATION: actions.container_hash(container),
        RESTART_COUNT: str(attempt),
        TERMINATION_PATH: container.terminationMessagePath,
        TERMINATION_POLICY: container.terminationMessagePolicy,
    }
    if pod.metadata.deletionGracePeriodSeconds is not None:
        result[DELETION_GRACE] = str(pod.metadata.deletionGracePeriodSeconds)
    if pod.spec.terminationGracePeriodSeconds is not None:
        result[TERMINATION_GRACE] = str(pod.spec.terminationGracePeriodSeconds)
    if container.lifecycle is not None and container.lifecycle.preStop is not None:
        result[PRE_STOP] = msgspec.json.encode(container.lifecycle.preStop).decode()
    if container.ports:
        result[PORTS] = msgspec.json.encode(container.ports).decode()
    return result


def security_context(pod: core.Pod, container: runtime_status.AnyContainer, options: ContainerOptions) -> Message:
    """`LinuxContainerSecurityContext`: the container's own settings, else the pod's, else the image's."""
    own = container.securityContext or core.SecurityContext()
    shared = pod.spec.securityContext or core.PodSecurityContext()
    user = own.runAsUser if own.runAsUser is not None else shared.runAsUser
    group = own.runAsGroup if own.runAsGroup is not None else shared.runAsGroup
    result: Message = {
        "namespace_options": namespace_options(pod, options.target_id),
        "privileged": bool(own.privileged),
        "readonly_rootfs": bool(own.readOnlyRootFilesystem),
        "no_new_privs": own.allowPrivilegeEscalation is False and not own.privileged,
        "seccomp": _profile(own.seccompProfile or shared.seccompProfile, bool(own.privileged)),
    }
    if user is not None:
        result["run_as_user"] = {"value": user}
    elif options.image_uid is not None:
        result["run_as_user"] = {"value": options.image_uid}
    elif options.image_user:
        result["run_as_username"] = options.image_user
    if group is not None:
        result["run_as_group"] = {"value": group}
        if "run_as_user" not in result and "run_as_username" not in result:
            result["run_as_user"] = {"value": 0}  # the CRI refuses a group without a user
    if own.capabilities is not None:
        result["capabilities"] = {
            "add_capabilities": list(own.capabilities.add),
            "drop_capabilities": list(own.capabilities.drop),
        }
    groups = list(shared.supplementalGroups)
    if shared.fsGroup is not None:
        groups.insert(0, shared.fsGroup)
    if groups:
        result["supplemental_groups"] = groups
    if shared.supplementalGroupsPolicy == "Strict":
        result["supplemental_groups_policy"] = "Strict"
    selinux = own.seLinuxOptions or shared.seLinuxOptions
    if selinux is not None:
        result["selinux_options"] = _selinux(selinux)
    apparmor = own.appArmorProfile or shared.appArmorProfile
    if apparmor is not None:
        result["apparmor"] = _profile(apparmor, False)
    if own.procMount != "Unmasked" and not own.privileged:
        result["masked_paths"], result["readonly_paths"] = list(_MASKED), list(_READ_ONLY)
    return result


def _profile(profile: core.SeccompProfile | core.AppArmorProfile | None, privileged: bool) -> Message:
    if profile is None or privileged or profile.type == "Unconfined":
        return {"profile_type": "Unconfined"}
    if profile.type == "Localhost":
        return {"profile_type": "Localhost", "localhost_ref": profile.localhostProfile or ""}
    return {"profile_type": "RuntimeDefault"}


def verify_not_root(pod: core.Pod, container: runtime_status.AnyContainer, uid: int | None, user: str) -> None:
    """Refuse a container that says runAsNonRoot and would run as root; `uid` and `user` are the image's."""
    own = container.securityContext or core.SecurityContext()
    shared = pod.spec.securityContext or core.PodSecurityContext()
    demanded = own.runAsNonRoot if own.runAsNonRoot is not None else shared.runAsNonRoot
    if not demanded:
        return
    chosen = own.runAsUser if own.runAsUser is not None else shared.runAsUser
    where = f'pod: "{runtime_status.pod_description(pod)}", container: {container.name}'
    if chosen is not None:
        if chosen == 0:
            raise RunAsRootError(f"container's runAsUser breaks non-root policy ({where})")
    elif user:
        raise RunAsRootError(
            f"container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root "
            f"({where})"
        )
    elif not uid:
        raise RunAsRootError(f"container has runAsNonRoot and image will run as root ({where})")
