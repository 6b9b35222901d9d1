"""Validation: everything wrong with an object, in upstream's words and order.

`validate(kind, obj)` judges a new object, `validate_update(kind, new, old, subresource)` a change of one, both after
defaulting and after the strategy has put away what the request may not touch. Metadata is judged elsewhere
(`apiserver/registry/metadata.py`), but for what only built-in kinds ask of it. A kind not listed has no rules.

A check is a function on plain dicts that appends to a list of field errors. Places are texts (`formats.py`
says why). Adding a kind: its functions in the file of its subject, a row in `CREATE` and, where changes have rules, in
`UPDATE`; a subresource with rules of its own has the key `Kind/subresource`.
Pure.
Upstream: pkg/apis/*/validation.
"""

import functools
from collections.abc import Callable
from typing import Any

from pybernetes.api import kinds
from pybernetes.api.validation import (
    autoscaling,
    certificates,
    claims,
    config,
    cron_job,
    endpoints,
    event,
    formats,
    job,
    job_status,
    labels,
    lease,
    namespace,
    networking,
    node,
    persistent_volume,
    pod,
    pod_certificate,
    pod_resize,
    pod_status,
    policy,
    priority,
    quota,
    rbac,
    runtime_class,
    service,
    storage,
    trust_bundle,
    webhooks,
    workload,
)
from pybernetes.apimachinery import fieldpath

Object = dict[str, Any]
Check = Callable[[fieldpath.ErrorList, Object], None]
Change = Callable[[fieldpath.ErrorList, Object, Object], None]

CREATE: dict[tuple[str, str], Check] = {
    ("", "ConfigMap"): config.config_map,
    ("", "Endpoints"): endpoints.endpoints,
    ("", "Event"): event.event,
    ("", "LimitRange"): quota.limit_range,
    ("", "Namespace"): namespace.namespace,
    ("", "Node"): node.node,
    ("", "PersistentVolume"): persistent_volume.volume,
    ("", "PersistentVolumeClaim"): claims.claim,
    ("", "Pod"): pod.pod,
    ("", "PodTemplate"): workload.pod_template,
    ("", "ReplicationController"): workload.replication_controller,
    ("", "ResourceQuota"): quota.resource_quota,
    ("", "Secret"): config.secret,
    ("", "Service"): service.service,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): webhooks.configuration,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): webhooks.configuration,
    ("apps", "ControllerRevision"): workload.controller_revision,
    ("apps", "DaemonSet"): workload.daemon_set,
    ("apps", "Deployment"): workload.deployment,
    ("apps", "ReplicaSet"): workload.replica_set,
    ("apps", "StatefulSet"): workload.stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaling.autoscaler,
    ("batch", "CronJob"): cron_job.cron_job,
    ("batch", "Job"): job.job,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificates.request,
    ("certificates.k8s.io", "ClusterTrustBundle"): trust_bundle.bundle,
    ("certificates.k8s.io", "PodCertificateRequest"): pod_certificate.request,
    ("coordination.k8s.io", "Lease"): lease.lease,
    ("coordination.k8s.io", "LeaseCandidate"): lease.lease_candidate,
    ("discovery.k8s.io", "EndpointSlice"): endpoints.endpoint_slice,
    ("events.k8s.io", "Event"): event.new_event,
    ("networking.k8s.io", "IPAddress"): networking.ip_address,
    ("networking.k8s.io", "Ingress"): networking.ingress,
    ("networking.k8s.io", "IngressClass"): networking.ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): networking.network_policy,
    ("networking.k8s.io", "ServiceCIDR"): networking.service_cidr,
    ("node.k8s.io", "RuntimeClass"): runtime_class.runtime_class,
    ("policy", "PodDisruptionBudget"): policy.budget,
    ("rbac.authorization.k8s.io", "ClusterRole"): rbac.role,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): rbac.binding,
    ("rbac.authorization.k8s.io", "Role"): rbac.role,
    ("rbac.authorization.k8s.io", "RoleBinding"): rbac.binding,
    ("scheduling.k8s.io", "PriorityClass"): priority.priority_class,
    ("storage.k8s.io", "CSIDriver"): storage.csi_driver,
    ("storage.k8s.io", "CSINode"): storage.csi_node,
    ("storage.k8s.io", "CSIStorageCapacity"): storage.capacity,
    ("storage.k8s.io", "StorageClass"): storage.storage_class,
    ("storage.k8s.io", "VolumeAttachment"): storage.attachment,
    ("storage.k8s.io", "VolumeAttributesClass"): storage.attributes_class,
}


def _again(check: Check) -> Change:
    """A change is judged as a new object would be."""
    return lambda found, new, old: check(found, new)


def _counts(*fields: str) -> Change:
    """Of a status only these numbers are judged: none is negative."""

    def check(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
        for field in fields:
            formats.not_negative(found, f"status.{field}", (new.get("status") or {}).get(field))

    return check


UPDATE: dict[tuple[str, str], Change] = {
    ("", "ConfigMap"): config.config_map_update,
    ("", "Endpoints"): endpoints.endpoints_update,
    ("", "Event"): _again(event.event),
    ("", "LimitRange"): _again(quota.limit_range),
    ("", "Namespace/finalize"): namespace.finalize_update,
    ("", "Namespace/status"): namespace.status_update,
    ("", "Node"): node.node_update,
    ("", "Node/status"): node.node_update,
    ("", "PersistentVolume"): persistent_volume.volume_update,
    ("", "PersistentVolumeClaim"): claims.claim_update,
    ("", "PersistentVolumeClaim/status"): claims.claim_status_update,
    ("", "Pod"): pod.pod_update,
    ("", "Pod/ephemeralcontainers"): pod_resize.ephemeral_update,
    ("", "Pod/resize"): pod_resize.resize,
    ("", "Pod/status"): pod_status.pod_status_update,
    ("", "PodTemplate"): workload.pod_template_update,
    ("", "ReplicationController"): workload.replication_controller,
    ("", "ReplicationController/status"): workload.replication_controller_status_update,
    ("", "ResourceQuota"): quota.resource_quota_update,
    ("", "ResourceQuota/status"): quota.resource_quota_status_update,
    ("", "Secret"): config.secret_update,
    ("", "Service"): service.service_update,
    ("", "Service/status"): service.service_status_update,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): webhooks.configuration_update,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): webhooks.configuration_update,
    ("apps", "ControllerRevision"): workload.controller_revision_update,
    ("apps", "DaemonSet"): workload.daemon_set_update,
    ("apps", "DaemonSet/status"): workload.daemon_set_status_update,
    ("apps", "Deployment"): workload.deployment_update,
    ("apps", "Deployment/status"): workload.deployment_status_update,
    ("apps", "ReplicaSet"): workload.replica_set_update,
    ("apps", "ReplicaSet/status"): workload.replica_set_status_update,
    ("apps", "StatefulSet"): workload.stateful_set_update,
    ("apps", "StatefulSet/status"): workload.stateful_set_status_update,
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaling.autoscaler_update,
    ("autoscaling", "HorizontalPodAutoscaler/status"): _counts("currentReplicas", "desiredReplicas"),
    ("batch", "CronJob"): cron_job.cron_job,
    ("batch", "Job"): job.job_update,
    ("batch", "Job/status"): job_status.job_status_update,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificates.update,
    ("certificates.k8s.io", "CertificateSigningRequest/approval"): functools.partial(
        certificates.update, verdicts=True
    ),
    ("certificates.k8s.io", "CertificateSigningRequest/status"): functools.partial(
        certificates.update, certificate=True
    ),
    ("certificates.k8s.io", "ClusterTrustBundle"): trust_bundle.update,
    ("certificates.k8s.io", "PodCertificateRequest"): pod_certificate.update,
    ("coordination.k8s.io", "Lease"): _again(lease.lease),
    ("coordination.k8s.io", "LeaseCandidate"): lease.lease_candidate_update,
    ("discovery.k8s.io", "EndpointSlice"): endpoints.endpoint_slice_update,
    ("events.k8s.io", "Event"): event.new_event_update,
    ("networking.k8s.io", "IPAddress"): networking.ip_address_update,
    ("networking.k8s.io", "Ingress"): networking.ingress_update,
    ("networking.k8s.io", "Ingress/status"): networking.ingress_status_update,
    ("networking.k8s.io", "IngressClass"): networking.ingress_class_update,
    ("networking.k8s.io", "NetworkPolicy"): networking.network_policy_update,
    ("networking.k8s.io", "ServiceCIDR"): networking.service_cidr_update,
    ("node.k8s.io", "RuntimeClass"): runtime_class.runtime_class_update,
    ("policy", "PodDisruptionBudget"): _again(policy.budget),
    ("policy", "PodDisruptionBudget/status"): _counts(
        "disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"
    ),
    ("rbac.authorization.k8s.io", "ClusterRole"): _again(rbac.role),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): rbac.binding_update,
    ("rbac.authorization.k8s.io", "Role"): _again(rbac.role),
    ("rbac.authorization.k8s.io", "RoleBinding"): rbac.binding_update,
    ("scheduling.k8s.io", "PriorityClass"): priority.priority_class_update,
    ("storage.k8s.io", "CSIDriver"): storage.csi_driver_update,
    ("storage.k8s.io", "CSINode"): storage.csi_node_update,
    ("storage.k8s.io", "CSIStorageCapacity"): storage.capacity_update,
    ("storage.k8s.io", "StorageClass"): storage.storage_class_update,
    ("storage.k8s.io", "VolumeAttachment"): storage.attachment_update,
    ("storage.k8s.io", "VolumeAttachment/status"): storage.attachment_update,
    ("storage.k8s.io", "VolumeAttributesClass"): storage.attributes_class_update,
}
#: Groups whose servers are not upstream's core API server: their finalizers need no domain.
ELSEWHERE = ("apiextensions.k8s.io", "apiregistration.k8s.io")


def validate(kind: kinds.Kind, obj: Object) -> fieldpath.ErrorList:
    """Everything wrong with a new object."""
    found: fieldpath.ErrorList = []
    if obj["metadata"].get("finalizers") and kind.group not in ELSEWHERE and not kind.custom:
        labels.finalizers(found, "metadata.finalizers", obj["metadata"]["finalizers"])
    check = CREATE.get((kind.group, kind.kind))
    if check is not None and not kind.custom:
        check(found, obj)
    return found


def validate_update(kind: kinds.Kind, new: Object, old: Object, subresource: str = "") -> fieldpath.ErrorList:
    """Everything wrong with a change of an object, made through that subresource."""
    found: fieldpath.ErrorList = []
    finalizers = new["metadata"].get("finalizers")
    if finalizers and finalizers != old["metadata"].get("finalizers") and kind.group not in ELSEWHERE:
        if not kind.custom:
            labels.finalizers(found, "metadata.finalizers", finalizers)
    check = UPDATE.get((kind.group, f"{kind.kind}/{subresource}" if subresource else kind.kind))
    if check is not None and not kind.custom:
        check(found, new, old)
    return found
