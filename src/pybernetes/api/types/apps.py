"""apps/v1: Deployment, ReplicaSet, StatefulSet, DaemonSet, ControllerRevision.

Upstream: k8s.io/api/apps/v1. Pure.
"""

from typing import Any

from pybernetes.api.types import core, meta
from pybernetes.api.types.meta import Object, Struct, Time, always


class RollingUpdateDeployment(Struct):
    maxUnavailable: int | str | None = None
    maxSurge: int | str | None = None


class DeploymentStrategy(Struct):
    type: str = ""
    rollingUpdate: RollingUpdateDeployment | None = None


class DeploymentSpec(Struct):
    replicas: int | None = None
    selector: meta.LabelSelector | None = None
    template: core.PodTemplateSpec = core.PodTemplateSpec()
    strategy: DeploymentStrategy = DeploymentStrategy()
    minReadySeconds: int = 0
    revisionHistoryLimit: int | None = None
    paused: bool = False
    progressDeadlineSeconds: int | None = None


class DeploymentCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastUpdateTime: Time = ""
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class DeploymentStatus(Struct):
    observedGeneration: int = 0
    replicas: int = 0
    updatedReplicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    unavailableReplicas: int = 0
    terminatingReplicas: int | None = None
    conditions: tuple[DeploymentCondition, ...] = ()
    collisionCount: int | None = None


class Deployment(Object):
    """Rolls ReplicaSets from one template to the next."""

    apiVersion: str = always("apps/v1")
    kind: str = always("Deployment")
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class ReplicaSetSpec(Struct):
    replicas: int | None = None
    minReadySeconds: int = 0
    selector: meta.LabelSelector | None = None
    template: core.PodTemplateSpec = core.PodTemplateSpec()


class ReplicaSetCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class ReplicaSetStatus(Struct):
    replicas: int = always(0)
    fullyLabeledReplicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    terminatingReplicas: int | None = None
    observedGeneration: int = 0
    conditions: tuple[ReplicaSetCondition, ...] = ()


class ReplicaSet(Object):
    """Keeps a number of equal pods alive."""

    apiVersion: str = always("apps/v1")
    kind: str = always("ReplicaSet")
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


class RollingUpdateStatefulSetStrategy(Struct):
    partition: int | None = None
    maxUnavailable: int | str | None = None


class StatefulSetUpdateStrategy(Struct):
    type: str = ""
    rollingUpdate: RollingUpdateStatefulSetStrategy | None = None


class StatefulSetPersistentVolumeClaimRetentionPolicy(Struct):
    whenDeleted: str = ""
    whenScaled: str = ""


class StatefulSetOrdinals(Struct):
    start: int = always(0)


class StatefulSetSpec(Struct):
    replicas: int | None = None
    selector: meta.LabelSelector | None = None
    template: core.PodTemplateSpec = core.PodTemplateSpec()
    volumeClaimTemplates: tuple[core.PersistentVolumeClaim, ...] = ()
    serviceName: str = always("")
    podManagementPolicy: str = ""
    updateStrategy: StatefulSetUpdateStrategy = StatefulSetUpdateStrategy()
    revisionHistoryLimit: int | None = None
    minReadySeconds: int = 0
    persistentVolumeClaimRetentionPolicy: StatefulSetPersistentVolumeClaimRetentionPolicy | None = None
    ordinals: StatefulSetOrdinals | None = None


class StatefulSetCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class StatefulSetStatus(Struct):
    observedGeneration: int = 0
    replicas: int = always(0)
    readyReplicas: int = 0
    currentReplicas: int = 0
    updatedReplicas: int = 0
    currentRevision: str = ""
    updateRevision: str = ""
    collisionCount: int | None = None
    conditions: tuple[StatefulSetCondition, ...] = ()
    availableReplicas: int = always(0)


class StatefulSet(Object):
    """Keeps numbered pods with names and storage of their own."""

    apiVersion: str = always("apps/v1")
    kind: str = always("StatefulSet")
    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()


class RollingUpdateDaemonSet(Struct):
    maxUnavailable: int | str | None = None
    maxSurge: int | str | None = None


class DaemonSetUpdateStrategy(Struct):
    type: str = ""
    rollingUpdate: RollingUpdateDaemonSet | None = None


class DaemonSetSpec(Struct):
    selector: meta.LabelSelector | None = None
    template: core.PodTemplateSpec = core.PodTemplateSpec()
    updateStrategy: DaemonSetUpdateStrategy = DaemonSetUpdateStrategy()
    minReadySeconds: int = 0
    revisionHistoryLimit: int | None = None


class DaemonSetCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""


class DaemonSetStatus(Struct):
    currentNumberScheduled: int = always(0)
    numberMisscheduled: int = always(0)
    desiredNumberScheduled: int = always(0)
    numberReady: int = always(0)
    observedGeneration: int = 0
    updatedNumberScheduled: int = 0
    numberAvailable: int = 0
    numberUnavailable: int = 0
    collisionCount: int | None = None
    conditions: tuple[DaemonSetCondition, ...] = ()


class DaemonSet(Object):
    """Keeps one pod on every matching node."""

    apiVersion: str = always("apps/v1")
    kind: str = always("DaemonSet")
    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus = DaemonSetStatus()


class ControllerRevision(Object):
    """A past or present state of a StatefulSet or DaemonSet template."""

    apiVersion: str = always("apps/v1")
    kind: str = always("ControllerRevision")
    data: Any = None
    revision: int = always(0)
