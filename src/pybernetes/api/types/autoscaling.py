"""autoscaling/v1 Scale and autoscaling/v2 HorizontalPodAutoscaler.

Upstream: k8s.io/api/autoscaling/v1, v2. Pure.
"""

from pybernetes.api.types import meta
from pybernetes.api.types.meta import Object, Quantity, Struct, Time, always


class ScaleSpec(Struct):
    replicas: int = 0


class ScaleStatus(Struct):
    replicas: int = always(0)
    selector: str = ""


class Scale(Object):
    """The replica count of anything that can be scaled."""

    apiVersion: str = always("autoscaling/v1")
    kind: str = always("Scale")
    spec: ScaleSpec = ScaleSpec()
    status: ScaleStatus = ScaleStatus()


class CrossVersionObjectReference(Struct):
    kind: str = always("")
    name: str = always("")
    apiVersion: str = ""


class MetricTarget(Struct):
    type: str = always("")
    value: Quantity | None = None
    averageValue: Quantity | None = None
    averageUtilization: int | None = None


class MetricIdentifier(Struct):
    name: str = always("")
    selector: meta.LabelSelector | None = None


class ObjectMetricSource(Struct):
    describedObject: CrossVersionObjectReference = CrossVersionObjectReference()
    target: MetricTarget = MetricTarget()
    metric: MetricIdentifier = MetricIdentifier()


class PodsMetricSource(Struct):
    metric: MetricIdentifier = MetricIdentifier()
    target: MetricTarget = MetricTarget()


class ResourceMetricSource(Struct):
    name: str = always("")
    target: MetricTarget = MetricTarget()


class ContainerResourceMetricSource(Struct):
    name: str = always("")
    target: MetricTarget = MetricTarget()
    container: str = always("")


class ExternalMetricSource(Struct):
    metric: MetricIdentifier = MetricIdentifier()
    target: MetricTarget = MetricTarget()


class MetricSpec(Struct):
    type: str = always("")
    object: ObjectMetricSource | None = None
    pods: PodsMetricSource | None = None
    resource: ResourceMetricSource | None = None
    containerResource: ContainerResourceMetricSource | None = None
    external: ExternalMetricSource | None = None


class HPAScalingPolicy(Struct):
    type: str = always("")
    value: int = always(0)
    periodSeconds: int = always(0)


class HPAScalingRules(Struct):
    stabilizationWindowSeconds: int | None = None
    selectPolicy: str | None = None
    policies: tuple[HPAScalingPolicy, ...] = ()
    tolerance: Quantity | None = None


class HorizontalPodAutoscalerBehavior(Struct):
    scaleUp: HPAScalingRules | None = None
    scaleDown: HPAScalingRules | None = None


class HorizontalPodAutoscalerSpec(Struct):
    scaleTargetRef: CrossVersionObjectReference = CrossVersionObjectReference()
    minReplicas: int | None = None
    maxReplicas: int = always(0)
    metrics: tuple[MetricSpec, ...] = ()
    behavior: HorizontalPodAutoscalerBehavior | None = None


class MetricValueStatus(Struct):
    value: Quantity | None = None
    averageValue: Quantity | None = None
    averageUtilization: int | None = None


class ObjectMetricStatus(Struct):
    metric: MetricIdentifier = MetricIdentifier()
    current: MetricValueStatus = MetricValueStatus()
    describedObject: CrossVersionObjectReference = CrossVersionObjectReference()


class PodsMetricStatus(Struct):
    metric: MetricIdentifier = MetricIdentifier()
    current: MetricValueStatus = MetricValueStatus()


class ResourceMetricStatus(Struct):
    name: str = always("")
    current: MetricValueStatus = MetricValueStatus()


class ContainerResourceMetricStatus(Struct):
    name: str = always("")
    current: MetricValueStatus = MetricValueStatus()
    container: str = always("")


class ExternalMetricStatus(Struct):
    metric: MetricIdentifier = MetricIdentifier()
    current: MetricValueStatus = MetricValueStatus()


class MetricStatus(Struct):
    type: str = always("")
    object: ObjectMetricStatus | None = None
    pods: PodsMetricStatus | None = None
    resource: ResourceMetricStatus | None = None
    containerResource: ContainerResourceMetricStatus | None = None
    external: ExternalMetricStatus | None = None


class HorizontalPodAutoscalerCondition(Struct):
    type: str = always("")
    status: str = always("")
    lastTransitionTime: Time = ""
    reason: str = ""
    message: str = ""
    observedGeneration: int | None = None


class HorizontalPodAutoscalerStatus(Struct):
    observedGeneration: int | None = None
    lastScaleTime: Time | None = None
    currentReplicas: int = 0
    desiredReplicas: int = always(0)
    currentMetrics: tuple[MetricStatus, ...] = ()
    conditions: tuple[HorizontalPodAutoscalerCondition, ...] = ()


class HorizontalPodAutoscaler(Object):
    """Keeps a scale in step with metrics."""

    apiVersion: str = always("autoscaling/v2")
    kind: str = always("HorizontalPodAutoscaler")
    spec: HorizontalPodAutoscalerSpec = HorizontalPodAutoscalerSpec()
    status: HorizontalPodAutoscalerStatus = HorizontalPodAutoscalerStatus()
