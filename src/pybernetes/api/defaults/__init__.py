"""Defaults: what the author of an object left out, filled in.

`apply(kind, obj)` changes the object in place; kinds that are not listed have no defaults. What needs the state of the
cluster (addresses, service accounts) is admission's or the strategy's work, not done here.
Pure.
Upstream: pkg/apis/*/v1/defaults.go.
"""

from collections.abc import Callable
from typing import Any

from pybernetes.api import kinds
from pybernetes.api.defaults import core, others, pods, workloads

Object = dict[str, Any]

DEFAULTS: dict[tuple[str, str], Callable[[Object], None]] = {
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): core.pod_template,
    ("", "Event"): core.event,
    ("", "Service"): core.service,
    ("", "Endpoints"): core.endpoints,
    ("", "Secret"): core.secret,
    ("", "Namespace"): core.namespace,
    ("", "Node"): core.node,
    ("", "ReplicationController"): core.replication_controller,
    ("", "LimitRange"): core.limit_range,
    ("", "PersistentVolume"): core.persistent_volume,
    ("", "PersistentVolumeClaim"): core.persistent_volume_claim,
    ("events.k8s.io", "Event"): core.event,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("batch", "Job"): workloads.job,
    ("batch", "CronJob"): workloads.cron_job,
    ("autoscaling", "HorizontalPodAutoscaler"): workloads.horizontal_pod_autoscaler,
    ("certificates.k8s.io", "PodCertificateRequest"): others.pod_certificate_request,
    ("discovery.k8s.io", "EndpointSlice"): others.endpoint_slice,
    ("rbac.authorization.k8s.io", "RoleBinding"): others.binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): others.binding,
    ("scheduling.k8s.io", "PriorityClass"): others.priority_class,
    ("storage.k8s.io", "StorageClass"): others.storage_class,
    ("storage.k8s.io", "CSIDriver"): others.csi_driver,
    ("networking.k8s.io", "NetworkPolicy"): others.network_policy,
    ("networking.k8s.io", "IngressClass"): others.ingress_class,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): others.webhooks,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): others.webhooks,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): others.admission_policy,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): others.admission_policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): others.admission_policy_binding,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): others.admission_policy_binding,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): others.custom_resource_definition,
    ("apiregistration.k8s.io", "APIService"): others.api_service,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): others.flow_schema,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): others.priority_level,
    ("resource.k8s.io", "ResourceClaim"): others.resource_claim,
    ("resource.k8s.io", "ResourceClaimTemplate"): others.resource_claim_template,
}


def apply(kind: kinds.Kind, obj: Object) -> None:
    """Fill in what is missing, in place."""
    default = DEFAULTS.get((kind.group, kind.kind))
    if default is not None and not kind.custom:
        default(obj)
