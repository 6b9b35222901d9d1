"""Core v1: containers, their probes, hooks, privileges and states.

Upstream: k8s.io/api/core/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types.core.references import LocalObjectReference, ResourceRequirements
from pybernetes.api.types.core.volumes import ObjectFieldSelector, ResourceFieldSelector
from pybernetes.api.types.meta import EMPTY, Quantity, Struct, Time, always


class ContainerPort(Struct):
    name: str = ""
    hostPort: int = 0
    containerPort: int = always(0)
    protocol: str = ""
    hostIP: str = ""


class ConfigMapEnvSource(LocalObjectReference):
    optional: bool | None = None


class SecretEnvSource(LocalObjectReference):
    optional: bool | None = None


class EnvFromSource(Struct):
    prefix: str = ""
    configMapRef: ConfigMapEnvSource | None = None
    secretRef: SecretEnvSource | None = None


class ConfigMapKeySelector(LocalObjectReference):
    key: str = always("")
    optional: bool | None = None


class SecretKeySelector(LocalObjectReference):
    key: str = always("")
    optional: bool | None = None


class FileKeySelector(Struct):
    volumeName: str = always("")
    path: str = always("")
    key: str = always("")
    optional: bool | None = None


class EnvVarSource(Struct):
    fieldRef: ObjectFieldSelector | None = None
    resourceFieldRef: ResourceFieldSelector | None = None
    configMapKeyRef: ConfigMapKeySelector | None = None
    secretKeyRef: SecretKeySelector | None = None
    fileKeyRef: FileKeySelector | None = None


class EnvVar(Struct):
    name: str = always("")
    value: str = ""
    valueFrom: EnvVarSource | None = None


class ContainerResizePolicy(Struct):
    resourceName: str = always("")
    restartPolicy: str = always("")


class ContainerRestartRuleOnExitCodes(Struct):
    operator: str = ""
    values: tuple[int, ...] = ()


class ContainerRestartRule(Struct):
    action: str = ""
    exitCodes: ContainerRestartRuleOnExitCodes | None = None


class VolumeMount(Struct):
    name: str = always("")
    readOnly: bool = False
    recursiveReadOnly: str | None = None
    mountPath: str = always("")
    subPath: str = ""
    mountPropagation: str | None = None
    subPathExpr: str = ""
    bindMountOptions: tuple[str, ...] = ()


class VolumeDevice(Struct):
    name: str = always("")
    devicePath: str = always("")


class ExecAction(Struct):
    command: tuple[str, ...] = ()


class HTTPHeader(Struct):
    name: str = always("")
    value: str = always("")


class HTTPGetAction(Struct):
    path: str = ""
    port: int | str = 0
    host: str = ""
    scheme: str = ""
    httpHeaders: tuple[HTTPHeader, ...] = ()
    protocol: str | None = None


class TCPSocketAction(Struct):
    port: int | str = 0
    host: str = ""


class GRPCAction(Struct):
    port: int = always(0)
    service: str | None = None
    mode: str | None = None


class ProbeHandler(Struct):
    exec: ExecAction | None = None
    httpGet: HTTPGetAction | None = None
    tcpSocket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None


class Probe(ProbeHandler):
    """How to ask a container whether it is well."""

    initialDelaySeconds: int = 0
    timeoutSeconds: int = 0
    periodSeconds: int = 0
    successThreshold: int = 0
    failureThreshold: int = 0
    terminationGracePeriodSeconds: int | None = None


class SleepAction(Struct):
    seconds: int = always(0)


class LifecycleHandler(Struct):
    exec: ExecAction | None = None
    httpGet: HTTPGetAction | None = None
    tcpSocket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Struct):
    """What to do right after the start and right before the stop of a container."""

    postStart: LifecycleHandler | None = None
    preStop: LifecycleHandler | None = None
    stopSignal: str | None = None


class Capabilities(Struct):
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SELinuxOptions(Struct):
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class WindowsSecurityContextOptions(Struct):
    gmsaCredentialSpecName: str | None = None
    gmsaCredentialSpec: str | None = None
    runAsUserName: str | None = None
    hostProcess: bool | None = None


class SeccompProfile(Struct):
    type: str = always("")
    localhostProfile: str | None = None


class AppArmorProfile(Struct):
    type: str = always("")
    localhostProfile: str | None = None


class SecurityContext(Struct):
    """Privileges of one container; wins over the same fields of the pod."""

    capabilities: Capabilities | None = None
    privileged: bool | None = None
    seLinuxOptions: SELinuxOptions | None = None
    windowsOptions: WindowsSecurityContextOptions | None = None
    runAsUser: int | None = None
    runAsGroup: int | None = None
    runAsNonRoot: bool | None = None
    readOnlyRootFilesystem: bool | None = None
    allowPrivilegeEscalation: bool | None = None
    procMount: str | None = None
    seccompProfile: SeccompProfile | None = None
    appArmorProfile: AppArmorProfile | None = None


class Container(Struct):
    """One program of a pod."""

    name: str = always("")
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    workingDir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    envFrom: tuple[EnvFromSource, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    resizePolicy: tuple[ContainerResizePolicy, ...] = ()
    restartPolicy: str | None = None
    restartPolicyRules: tuple[ContainerRestartRule, ...] = ()
    volumeMounts: tuple[VolumeMount, ...] = ()
    volumeDevices: tuple[VolumeDevice, ...] = ()
    livenessProbe: Probe | None = None
    readinessProbe: Probe | None = None
    startupProbe: Probe | None = None
    lifecycle: Lifecycle | None = None
    terminationMessagePath: str = ""
    terminationMessagePolicy: str = ""
    imagePullPolicy: str = ""
    securityContext: SecurityContext | None = None
    stdin: bool = False
    stdinOnce: bool = False
    tty: bool = False


class EphemeralContainer(Container):
    """A container added to a running pod to look around."""

    targetContainerName: str = ""


class ContainerStateWaiting(Struct):
    reason: str = ""
    message: str = ""


class ContainerStateRunning(Struct):
    startedAt: Time = ""


class ContainerStateTerminated(Struct):
    exitCode: int = always(0)
    signal: int = 0
    reason: str = ""
    message: str = ""
    startedAt: Time = ""
    finishedAt: Time = ""
    containerID: str = ""


class ContainerState(Struct):
    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class VolumeMountStatus(Struct):
    name: str = always("")
    mountPath: str = always("")
    readOnly: bool = False
    recursiveReadOnly: str | None = None


class LinuxContainerUser(Struct):
    uid: int = always(0)
    gid: int = always(0)
    supplementalGroups: tuple[int, ...] = ()


class ContainerUser(Struct):
    linux: LinuxContainerUser | None = None


class ResourceHealth(Struct):
    resourceID: str = always("")
    health: str = ""
    message: str | None = None


class ResourceStatus(Struct):
    name: str = always("")
    resources: tuple[ResourceHealth, ...] = ()


class ContainerStatus(Struct):
    """What became of a container."""

    name: str = always("")
    state: ContainerState = ContainerState()
    lastState: ContainerState = ContainerState()
    ready: bool = always(False)
    restartCount: int = always(0)
    image: str = always("")
    imageID: str = always("")
    containerID: str = ""
    started: bool | None = None
    allocatedResources: Mapping[str, Quantity] = EMPTY
    resources: ResourceRequirements | None = None
    volumeMounts: tuple[VolumeMountStatus, ...] = ()
    user: ContainerUser | None = None
    allocatedResourcesStatus: tuple[ResourceStatus, ...] = ()
    stopSignal: str | None = None
